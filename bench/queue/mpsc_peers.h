/* SPDX-License-Identifier: MIT */
/* Queues of many producers and one consumer that ours are compared with, behind C. Thread 0 consumes, the others produce. */
#ifndef BENCH_MPSC_PEERS_H
#define BENCH_MPSC_PEERS_H

#include "bench.h"

#include <pawl/atomic.h>

#ifdef __cplusplus
#define BENCH_C extern "C"
extern "C" {
#else
#define BENCH_C
#endif

enum { BENCH_MPSC_CAPACITY = 4096, BENCH_MPSC_THREADS = 65, BENCH_MPSC_STEP = 256, BENCH_MPSC_BATCH = 32 };

/* Bytes for a node of at most two pointers and the larger element. */
enum { BENCH_MPSC_LETTER = 80 };

/* An element of 64 bytes. */
struct bench_mpsc_wide {
    uint64_t word[8];
};

/* How many of a producer's elements the consumer has taken, in steps: so far a producer may be ahead of it, also where the
 * queue has no bound, or the consumer would measure memory. */
struct bench_mpsc_flow {
    struct {
        PAWL_ATOMIC(uint64_t) count PAWL_LINE_PAIR_ALIGNED;
    } taken[BENCH_MPSC_THREADS];
};

extern struct bench_mpsc_flow bench_mpsc_flow;

/* `shared` of every contender is what its open() left. */
#define PEER_MPSC(name)                                       \
    int name##_open(unsigned threads, void **shared);         \
    void name##_free(void *shared);                           \
    void name##_run(struct bench_thread *thread, uint64_t n); \
    void name##_alone(struct bench_thread *thread, uint64_t n);
#define PEER_MPSC_BATCHES(name)                                 \
    PEER_MPSC(name)                                             \
    void name##_batch(struct bench_thread *thread, uint64_t n); \
    void name##_batch_alone(struct bench_thread *thread, uint64_t n);

PEER_MPSC(peer_urcu_mpsc_8)
PEER_MPSC(peer_urcu_mpsc_64)
PEER_MPSC(peer_urcu_splice_mpsc_8)
PEER_MPSC(peer_urcu_splice_mpsc_64)
PEER_MPSC(peer_ck_mpsc_8)
PEER_MPSC(peer_boost_mpsc_8)
PEER_MPSC(peer_boost_mpsc_64)
PEER_MPSC_BATCHES(peer_moodycamel_mpsc_8)
PEER_MPSC_BATCHES(peer_moodycamel_mpsc_64)
PEER_MPSC(peer_tbb_mpsc_8)
PEER_MPSC(peer_tbb_mpsc_64)

#ifdef __cplusplus
}
#endif

#endif
