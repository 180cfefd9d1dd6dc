/* SPDX-License-Identifier: MIT */
/* Peer: a counter sharded by thread with oneTBB's combinable (Debian: libtbb-dev). */
#ifndef BENCH_PEERS_TBB_COUNTER_H
#define BENCH_PEERS_TBB_COUNTER_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

#if BENCH_HAVE_TBB
int peer_tbb_counter_setup(unsigned threads, void **shared);
void peer_tbb_counter_teardown(void *shared);

/* Loops, as struct bench_contender wants them: one add, one read of the sum in each iteration. */
void peer_tbb_counter_add(struct bench_thread *thread, uint64_t iterations);
void peer_tbb_counter_read(struct bench_thread *thread, uint64_t iterations);

/* The sum of all adds so far. */
uint64_t peer_tbb_counter_sum(void *shared);
#endif

#ifdef __cplusplus
}
#endif

/* The rows of a table of contenders; without the library they say so. */
#if BENCH_HAVE_TBB
#define PEER_TBB_COUNTER(run_function)                                                  \
    {                                                                                   \
        .name = "tbb combinable", .setup = peer_tbb_counter_setup, .run = run_function, \
        .teardown = peer_tbb_counter_teardown,                                          \
    }
#else
#define PEER_TBB_COUNTER(run_function)                                                    \
    {                                                                                     \
        .name = "tbb combinable", .missing = "built without oneTBB (Debian: libtbb-dev)", \
    }
#endif

#endif
