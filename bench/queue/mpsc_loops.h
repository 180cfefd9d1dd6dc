/* SPDX-License-Identifier: MIT */
/* The loop of one contender, in C or C++. Before including: LOOP(name) makes names, QUEUE is what open() left, BEGIN(queue)
 * declares what a producer needs besides (may be empty), PUSH(queue, producer, number) and POP(queue, &producer, &number)
 * are true when they did it. The element says whose how-manyth it is; the consumer looks whether that is right.
 *
 * Who finds it full or empty pauses 64 times, then yields: the same for all. */
#ifndef BENCH_QUEUE_MPSC_LOOPS_H
#define BENCH_QUEUE_MPSC_LOOPS_H

#include "mpsc_peers.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static inline void mpsc_wait(unsigned *turn)
{
    if (++*turn % 64 != 0)
        pawl_relax();
    else
        sched_yield();
}

static inline uint64_t mpsc_element(unsigned producer, uint64_t number)
{
    return (uint64_t)producer << 48 | number;
}

static inline void mpsc_expect(const char *queue, uint64_t element, const uint64_t *next)
{
    unsigned producer = (unsigned)(element >> 48);

    if (producer < BENCH_MPSC_THREADS && (element & 0xffffffffffff) == next[producer])
        return;
    fprintf(stderr, "%s: an element is lost, or out of order\n", queue);
    abort();
}

#define MPSC_NAME_(name) #name
#define MPSC_NAME(name) MPSC_NAME_(name)

#endif

/* NOLINTBEGIN(misc-definitions-in-headers): included for its definitions, once for each contender */
/* Not inlined into one another: what a producer needs would slow down the consumer's loop. */
static __attribute__((noinline)) void LOOP(produce)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    PAWL_ATOMIC(uint64_t) *taken = &bench_mpsc_flow.taken[thread->index].count;
    unsigned turn = 0;

    BEGIN(queue);
    for (uint64_t i = 0; i < n; i++) {
        if (i % BENCH_MPSC_STEP == 0)
            while (i + BENCH_MPSC_STEP - pawl_load_acquire(taken) > BENCH_MPSC_CAPACITY)
                mpsc_wait(&turn);
        while (!PUSH(queue, thread->index, i))
            mpsc_wait(&turn);
    }
    while (pawl_load_acquire(taken) != n)
        mpsc_wait(&turn);
    pawl_store_relaxed(taken, UINT64_C(0)); /* the consumer has done with it */
}

static __attribute__((noinline)) void LOOP(consume)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    uint64_t next[BENCH_MPSC_THREADS] = {0};
    uint64_t left = n * (thread->threads - 1);
    unsigned turn = 0;

    while (left > 0) {
        uint64_t element = 0;
        unsigned producer;

        if (!POP(queue, &element)) {
            mpsc_wait(&turn);
            continue;
        }
        mpsc_expect(MPSC_NAME(LOOP(run)), element, next);
        producer = (unsigned)(element >> 48);
        next[producer]++;
        left--;
        if (next[producer] % BENCH_MPSC_STEP == 0 || next[producer] == n)
            pawl_store_release(&bench_mpsc_flow.taken[producer].count, next[producer]);
    }
    thread->operations = 0; /* the producers count */
}

BENCH_C void LOOP(run)(struct bench_thread *thread, uint64_t n)
{
    if (thread->index == 0)
        LOOP(consume)(thread, n);
    else
        LOOP(produce)(thread, n);
}

/* NOLINTEND(misc-definitions-in-headers) */

#undef LOOP
#undef QUEUE
#undef BEGIN
#undef PUSH
#undef POP
