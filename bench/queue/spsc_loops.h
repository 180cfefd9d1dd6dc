/* SPDX-License-Identifier: MIT */
/* The loops of one contender between two threads, in C or C++. Before including: LOOP(name) makes names, QUEUE is the
 * type of one queue, ELEMENT of an element (a word, or a struct that begins with one), WORD(element) that word, PUSH(queue,
 * &element) and POP(queue, &element) are true when they did it; PUSH_N(queue, elements, n) and POP_N say how many, where
 * there are batches; BATCHES_ONLY: only these, and neither PUSH nor POP. `shared` is an array of two queues: a round trip goes through both.
 *
 * Who finds it full or empty pauses 64 times, then yields: the same for all. Nothing that the loops write lies on their
 * stacks near anything that the other thread reads. */
#ifndef BENCH_QUEUE_SPSC_LOOPS_H
#define BENCH_QUEUE_SPSC_LOOPS_H

#include "spsc_peers.h"

#include <pawl/atomic.h>

#include <sched.h>
#include <string.h>

static inline void spsc_wait(unsigned *turn)
{
    if (++*turn % 64 != 0)
        pawl_relax();
    else
        sched_yield();
}

#endif

/* NOLINTBEGIN(misc-definitions-in-headers): included for its definitions, once for each contender */
#ifndef BATCHES_ONLY
/* Thread 0 pushes n, thread 1 pops n. */
BENCH_C void LOOP(single)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = ((QUEUE **)thread->shared)[0];
    ELEMENT element;
    unsigned turn = 0;
    uint64_t sum = 0;

    memset(&element, 0, sizeof element);
    for (uint64_t i = 0; i < n; i++) {
        if (thread->index == 0) {
            WORD(element) = i;
            while (!PUSH(queue, &element))
                spsc_wait(&turn);
        } else {
            while (!POP(queue, &element))
                spsc_wait(&turn);
            sum += WORD(element);
        }
    }
    bench_keep(sum);
}

/* One thread: a push and a pop. */
BENCH_C void LOOP(alone)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = ((QUEUE **)thread->shared)[0];
    ELEMENT element;
    uint64_t sum = 0;

    memset(&element, 0, sizeof element);
    for (uint64_t i = 0; i < n; i++) {
        WORD(element) = i;
        (void)PUSH(queue, &element);
        (void)POP(queue, &element);
        sum += WORD(element);
    }
    bench_keep(sum);
}

/* The pushes and pops of a round trip by one thread. To count what they cost. */
BENCH_C void LOOP(alone_twice)(struct bench_thread *thread, uint64_t n)
{
    LOOP(alone)(thread, 2 * n);
}

/* There and back: thread 0 sends, thread 1 answers. */
BENCH_C void LOOP(trip)(struct bench_thread *thread, uint64_t n)
{
    QUEUE **queues = (QUEUE **)thread->shared;
    QUEUE *out = queues[thread->index == 0 ? 0 : 1], *in = queues[thread->index == 0 ? 1 : 0];
    ELEMENT element;
    unsigned turn = 0;

    memset(&element, 0, sizeof element);
    for (uint64_t i = 0; i < n; i++) {
        if (thread->index == 0)
            while (!PUSH(out, &element))
                spsc_wait(&turn);
        while (!POP(in, &element))
            spsc_wait(&turn);
        if (thread->index != 0)
            while (!PUSH(out, &element))
                spsc_wait(&turn);
    }
    bench_keep(WORD(element));
}
#endif

#ifdef PUSH_N
/* n times BENCH_SPSC_BATCH elements from thread 0 to thread 1. */
BENCH_C void LOOP(batch)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = ((QUEUE **)thread->shared)[0];
    ELEMENT elements[BENCH_SPSC_BATCH];
    uint64_t left = n * BENCH_SPSC_BATCH, sum = 0;
    unsigned turn = 0;

    memset(elements, 0, sizeof elements);
    while (left > 0 && thread->index == 0) {
        size_t done = 0;

        for (size_t k = 0; k < BENCH_SPSC_BATCH; k++)
            WORD(elements[k]) = left - k;
        while (done < BENCH_SPSC_BATCH) {
            size_t run = (size_t)PUSH_N(queue, elements + done, BENCH_SPSC_BATCH - done);

            if (run == 0)
                spsc_wait(&turn);
            done += run;
        }
        left -= BENCH_SPSC_BATCH;
    }
    while (left > 0) {
        size_t run = (size_t)POP_N(queue, elements, BENCH_SPSC_BATCH);

        if (run == 0)
            spsc_wait(&turn);
        for (size_t k = 0; k < run; k++)
            sum += WORD(elements[k]);
        left -= run;
    }
    bench_keep(sum);
}

/* One thread: a batch in and out. To count what that costs. */
BENCH_C void LOOP(batch_alone)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = ((QUEUE **)thread->shared)[0];
    ELEMENT elements[BENCH_SPSC_BATCH];

    memset(elements, 0, sizeof elements);
    for (uint64_t i = 0; i < n; i++) {
        (void)PUSH_N(queue, elements, BENCH_SPSC_BATCH);
        (void)POP_N(queue, elements, BENCH_SPSC_BATCH);
    }
    bench_keep(WORD(elements[0]));
}
#undef PUSH_N
#undef POP_N
#endif

/* NOLINTEND(misc-definitions-in-headers) */

#undef LOOP
#undef QUEUE
#undef ELEMENT
#undef WORD
#undef PUSH
#undef POP
