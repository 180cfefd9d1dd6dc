/* SPDX-License-Identifier: MIT */
/* The loops of one contender, in C or C++. Before including: LOOP(name) makes names, QUEUE is what open() left, ELEMENT the
 * type of an element (a word, or a struct that begins with one), WORD(element) that word, BEGIN(queue) declares what a
 * producer needs besides (may be empty), PUSH(queue, producer, &element) and POP(queue, &element) are true when they did it;
 * PUSH_N(queue, producer, elements, n) and POP_N(queue, elements, n) say how many, where there are batches. The word says
 * whose how-manyth element it is; the consumer looks whether that is right.
 *
 * Who finds it full or empty pauses 64 times, then yields: the same for all. */
#ifndef BENCH_QUEUE_MPSC_LOOPS_H
#define BENCH_QUEUE_MPSC_LOOPS_H

#include "mpsc_peers.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static inline unsigned mpsc_producer(uint64_t word)
{
    return (unsigned)(word >> 48);
}

static inline void mpsc_expect(const char *queue, uint64_t word, const uint64_t *next)
{
    unsigned producer = mpsc_producer(word);

    if (producer < BENCH_MPSC_THREADS && (word & 0xffffffffffff) == next[producer])
        return;
    fprintf(stderr, "%s: an element is lost, or out of order\n", queue);
    abort();
}

/* Before the producer's element `at`, which begins a step: until it is not too far ahead of the consumer. */
static inline void mpsc_keep_step(const PAWL_ATOMIC(uint64_t) * taken, uint64_t at, unsigned *turn)
{
    while (at + BENCH_MPSC_STEP - pawl_load_acquire(taken) > BENCH_MPSC_CAPACITY)
        mpsc_wait(turn);
}

/* At the producer's end: until all is taken; then its count is its own. */
static inline void mpsc_drained(PAWL_ATOMIC(uint64_t) * taken, uint64_t n, unsigned *turn)
{
    while (pawl_load_acquire(taken) != n)
        mpsc_wait(turn);
    pawl_store_relaxed(taken, UINT64_C(0)); /* the consumer has done with it */
}

/* The consumer has taken the element of this word, of producers that push n each. */
static inline void mpsc_took(const char *queue, uint64_t word, uint64_t *next, uint64_t n)
{
    unsigned producer = mpsc_producer(word);

    mpsc_expect(queue, word, next);
    next[producer]++;
    if (next[producer] % BENCH_MPSC_STEP == 0 || next[producer] == n)
        pawl_store_release(&bench_mpsc_flow.taken[producer].count, next[producer]);
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
    ELEMENT element;
    unsigned turn = 0;

    BEGIN(queue);
    memset(&element, 0, sizeof element);
    for (uint64_t i = 0; i < n; i++) {
        if (i % BENCH_MPSC_STEP == 0)
            mpsc_keep_step(taken, i, &turn);
        WORD(element) = mpsc_element(thread->index, i);
        while (!PUSH(queue, thread->index, &element))
            mpsc_wait(&turn);
    }
    mpsc_drained(taken, n, &turn);
}

static __attribute__((noinline)) void LOOP(consume)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    uint64_t next[BENCH_MPSC_THREADS] = {0};
    uint64_t left = n * (thread->threads - 1);
    ELEMENT element;
    unsigned turn = 0;

    memset(&element, 0, sizeof element);
    while (left > 0) {
        if (!POP(queue, &element)) {
            mpsc_wait(&turn);
            continue;
        }
        mpsc_took(MPSC_NAME(LOOP(run)), WORD(element), next, n);
        left--;
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

/* One thread: in and out. To count what that costs. */
BENCH_C void LOOP(alone)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    ELEMENT element;
    uint64_t sum = 0;

    BEGIN(queue);
    memset(&element, 0, sizeof element);
    for (uint64_t i = 0; i < n; i++) {
        WORD(element) = i;
        (void)PUSH(queue, thread->index, &element);
        (void)POP(queue, &element);
        sum += WORD(element);
    }
    bench_keep(sum);
}

#ifdef PUSH_N
static __attribute__((noinline)) void LOOP(produce_batches)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    PAWL_ATOMIC(uint64_t) *taken = &bench_mpsc_flow.taken[thread->index].count;
    ELEMENT elements[BENCH_MPSC_BATCH];
    unsigned turn = 0;

    BEGIN(queue);
    memset(elements, 0, sizeof elements);
    for (uint64_t i = 0; i < n; i += BENCH_MPSC_BATCH) {
        size_t done = 0;

        if (i % BENCH_MPSC_STEP == 0)
            mpsc_keep_step(taken, i, &turn);
        for (uint64_t k = 0; k < BENCH_MPSC_BATCH; k++)
            WORD(elements[k]) = mpsc_element(thread->index, i + k);
        while (done < BENCH_MPSC_BATCH) {
            size_t run = (size_t)PUSH_N(queue, thread->index, elements + done, BENCH_MPSC_BATCH - done);

            if (run == 0)
                mpsc_wait(&turn);
            done += run;
        }
    }
    mpsc_drained(taken, n, &turn);
}

static __attribute__((noinline)) void LOOP(consume_batches)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    uint64_t next[BENCH_MPSC_THREADS] = {0};
    uint64_t left = n * (thread->threads - 1);
    ELEMENT elements[BENCH_MPSC_BATCH];
    unsigned turn = 0;

    while (left > 0) {
        size_t run = (size_t)POP_N(queue, elements, BENCH_MPSC_BATCH);

        if (run == 0)
            mpsc_wait(&turn);
        for (size_t k = 0; k < run; k++)
            mpsc_took(MPSC_NAME(LOOP(batch)), WORD(elements[k]), next, n);
        left -= run;
    }
    thread->operations = 0; /* the producers count */
}

/* n times BENCH_MPSC_BATCH elements from each producer. */
BENCH_C void LOOP(batch)(struct bench_thread *thread, uint64_t n)
{
    if (thread->index == 0)
        LOOP(consume_batches)(thread, n * BENCH_MPSC_BATCH);
    else
        LOOP(produce_batches)(thread, n * BENCH_MPSC_BATCH);
}

/* One thread: a batch in and out. To count what that costs. */
BENCH_C void LOOP(batch_alone)(struct bench_thread *thread, uint64_t n)
{
    QUEUE *queue = (QUEUE *)thread->shared;
    ELEMENT elements[BENCH_MPSC_BATCH];

    BEGIN(queue);
    memset(elements, 0, sizeof elements);
    for (uint64_t i = 0; i < n; i++) {
        (void)PUSH_N(queue, thread->index, elements, BENCH_MPSC_BATCH);
        (void)POP_N(queue, elements, BENCH_MPSC_BATCH);
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
#undef BEGIN
#undef PUSH
#undef POP
