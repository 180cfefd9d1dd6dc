/* SPDX-License-Identifier: MIT */
/* The loops of one contender, in C or C++. Before including: LOOP(name) makes names, QUEUE is what setup
 * left, ELEMENT the type of an element (a word, or a struct that begins with one), WORD(element) that word,
 * PUSH(queue, &element) and POP(queue, &element) are true when they did it; for batches PUSH_N(queue,
 * elements, n) and POP_N say how many.
 *
 * Who finds it full or empty backs off, 40 to 640 ns, and yields after 5 us: the same for all. */
#ifndef BENCH_QUEUE_MPMC_LOOPS_H
#define BENCH_QUEUE_MPMC_LOOPS_H

#include "bench.h"
#include "mpmc_peers.h"

#include <pawl/backoff.h>

#endif

/* One thread: a push and a pop. */
void LOOP(pairs)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    ELEMENT element = {0};
    uint64_t sum = 0;

    for (uint64_t i = 0; i < n; i++) {
        WORD(element) = i + 1;
        while (!PUSH(queue, &element)) {
        }
        while (!POP(queue, &element)) {
        }
        sum += WORD(element);
    }
    bench_keep(sum);
}

/* Every other thread pushes, the others pop. Operations: elements. */
void LOOP(flow)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    ELEMENT element = {0};
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    uint64_t sum = 0;

    if (thread->index % 2 == 0) {
        for (uint64_t i = 0; i < n; i++) {
            WORD(element) = i + 1;
            while (!PUSH(queue, &element))
                pawl_backoff_wait(&backoff);
            backoff.round = 0;
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        while (!POP(queue, &element))
            pawl_backoff_wait(&backoff);
        backoff.round = 0;
        sum += WORD(element);
    }
    bench_keep(sum);
    thread->operations = 0;
}

#ifdef PUSH_N
/* One thread: batches of 32 in and out, as `flow` and `batches` do together. To count what that costs. */
void LOOP(batch_pairs)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    ELEMENT elements[BENCH_BATCH];

    for (uint64_t i = 0; i < BENCH_BATCH; i++)
        WORD(elements[i]) = i + 1;
    for (uint64_t left = n; left > 0;) {
        size_t most = left < BENCH_BATCH ? (size_t)left : (size_t)BENCH_BATCH;

        (void)PUSH_N(queue, elements, most);
        (void)POP_N(queue, elements, most);
        left -= most;
    }
    bench_keep(WORD(elements[0]));
}

/* The same in batches of 32. */
void LOOP(batches)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    ELEMENT elements[BENCH_BATCH];
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < BENCH_BATCH; i++)
        WORD(elements[i]) = i + 1;
    for (uint64_t left = n; left > 0;) {
        size_t most = left < BENCH_BATCH ? (size_t)left : (size_t)BENCH_BATCH;
        size_t done = thread->index % 2 == 0 ? (size_t)PUSH_N(queue, elements, most)
                                             : (size_t)POP_N(queue, elements, most);

        if (done == 0) {
            pawl_backoff_wait(&backoff);
        } else {
            sum += WORD(elements[0]);
            backoff.round = 0;
        }
        left -= done;
    }
    bench_keep(sum);
    if (thread->index % 2 != 0)
        thread->operations = 0;
}
#undef PUSH_N
#undef POP_N
#endif

#undef LOOP
#undef QUEUE
#undef PUSH
#undef POP
#undef ELEMENT
#undef WORD
