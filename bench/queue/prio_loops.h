/* SPDX-License-Identifier: MIT */
/* The loops of one contender, in C or C++. Before including: LOOP(name) makes names, QUEUE is what setup
 * left, PUSH(queue, level, element) and POP(queue, element) are true when they did it. */
#ifndef BENCH_QUEUE_PRIO_LOOPS_H
#define BENCH_QUEUE_PRIO_LOOPS_H

#include "prio_peers.h"

#include <pawl/atomic.h>

#include <sched.h>

static inline void bench_wait(unsigned *turn)
{
    if (++*turn % 32 != 0)
        pawl_relax();
    else
        sched_yield();
}

#endif

/* One thread, with a few elements inside. */
void LOOP(pairs)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    uint64_t random = thread->random, element = 0;

    for (uint64_t i = 0; i < BENCH_INSIDE; i++) {
        while (!PUSH(queue, bench_random(&random) % BENCH_LEVELS, i)) {
        }
    }
    for (uint64_t i = 0; i < n; i++) {
        while (!PUSH(queue, bench_random(&random) % BENCH_LEVELS, i)) {
        }
        while (!POP(queue, element)) {
        }
    }
    for (uint64_t i = 0; i < BENCH_INSIDE; i++) {
        while (!POP(queue, element)) {
        }
    }
    bench_keep(element);
}

/* The same to count what it costs: the few elements are put in by the first call, and stay. */
void LOOP(alone)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    uint64_t element = 0;

    if (thread->own == NULL) {
        for (uint64_t i = 0; i < BENCH_INSIDE; i++) {
            while (!PUSH(queue, bench_random(&thread->random) % BENCH_LEVELS, i)) {
            }
        }
        thread->own = queue;
    }
    for (uint64_t i = 0; i < n; i++) {
        while (!PUSH(queue, bench_random(&thread->random) % BENCH_LEVELS, i)) {
        }
        while (!POP(queue, element)) {
        }
    }
    bench_keep(element);
}

/* Every other thread pushes, the others pop. Operations: elements. */
void LOOP(flow)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    uint64_t random = thread->random, element = 0;
    unsigned turn = 0;

    if (thread->index % 2 == 0) {
        for (uint64_t i = 0; i < n; i++) {
            uint32_t level = bench_random(&random) % BENCH_LEVELS;

            while (!PUSH(queue, level, i))
                bench_wait(&turn);
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        while (!POP(queue, element))
            bench_wait(&turn);
    }
    bench_keep(element);
    thread->operations = 0;
}

#undef LOOP
#undef QUEUE
#undef PUSH
#undef POP
