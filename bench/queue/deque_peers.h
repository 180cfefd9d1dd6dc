/* SPDX-License-Identifier: MIT */
/* What the contenders of the deque's benchmark share. */
#ifndef BENCH_DEQUE_PEERS_H
#define BENCH_DEQUE_PEERS_H

#include "bench.h"

#include <pawl/atomic.h>
#include <sched.h>
#include <stdlib.h>

enum { BENCH_STEAL_MAX = 64, BENCH_DEQUE_THREADS = 64, BENCH_DEQUE_BYTES = 1024 };
enum { BENCH_DEQUE_STEP = 64, BENCH_DEQUE_AHEAD = 1024 }; /* of an owner that only pushes */

/* What the threads of a scenario share: the deque's bytes, and who has finished which run. */
struct bench_deque {
    unsigned char deque[BENCH_DEQUE_BYTES] PAWL_LINE_PAIR_ALIGNED;
    PAWL_ATOMIC(uint64_t) runs_done PAWL_LINE_PAIR_ALIGNED; /* by the owner */
    uint64_t pushed PAWL_LINE_PAIR_ALIGNED;                 /* by an owner that only pushes */
    struct {
        uint64_t count PAWL_LINE_PAIR_ALIGNED; /* runs that the thread has begun */
        PAWL_ATOMIC(uint64_t) stolen PAWL_LINE_PAIR_ALIGNED;
    } runs[BENCH_DEQUE_THREADS];
};

static inline void *bench_deque_of(void *shared)
{
    return ((struct bench_deque *)shared)->deque;
}

/* By all thieves, so far. */
static inline uint64_t bench_deque_stolen(struct bench_deque *shared, unsigned threads)
{
    uint64_t sum = 0;

    for (unsigned i = 1; i < threads; i++)
        sum += pawl_load_acquire(&shared->runs[i].stolen);
    return sum;
}

int bench_crossbeam_open(struct bench_deque *shared);
void bench_crossbeam_close(struct bench_deque *shared);
void bench_crossbeam_pairs(struct bench_thread *thread, uint64_t n);
void bench_crossbeam_sixteen(struct bench_thread *thread, uint64_t n);
void bench_crossbeam_emptied(struct bench_thread *thread, uint64_t n);
void bench_crossbeam_stolen(struct bench_thread *thread, uint64_t n);
void bench_crossbeam_handed(struct bench_thread *thread, uint64_t n);
void bench_crossbeam_stolen_alone(struct bench_thread *thread, uint64_t n);
void bench_crossbeam_handed_alone(struct bench_thread *thread, uint64_t n);

#endif
