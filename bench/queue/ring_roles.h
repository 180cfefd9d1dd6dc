/* SPDX-License-Identifier: MIT */
/* Producers that push so many elements, and consumers that take what they can get until the producers are done. Only
 * pushes count as operations: a ring that drops could otherwise win by being empty. */
#ifndef BENCH_QUEUE_RING_ROLES_H
#define BENCH_QUEUE_RING_ROLES_H

#include "bench.h"

#include <pawl/atomic.h>

#include <sched.h>
#include <stdlib.h>

enum { PUSHES = 100 }; /* of one iteration: a run is never over before all threads have begun */

struct roles {
    PAWL_ATOMIC(uint64_t) ended; /* runs of producers */
} __attribute__((aligned(BENCH_LINE_PAIR)));

static struct roles roles;

static void roles_reset(void *shared)
{
    (void)shared;
    pawl_store_relaxed(&roles.ended, UINT64_C(0)); /* relaxed: no thread runs */
}

/* What a thread keeps through its warm-up and its timed run. */
struct role {
    uint64_t runs; /* that a consumer has ended */
    void *place;   /* where a reader is */
};

static void roles_enter(struct bench_thread *thread)
{
    thread->own = calloc(1, sizeof(struct role));
    if (thread->own == NULL)
        abort();
}

static void roles_leave(struct bench_thread *thread)
{
    free(thread->own);
}

static inline struct role *role_of(const struct bench_thread *thread)
{
    return (struct role *)thread->own;
}

static inline void producer_ended(struct bench_thread *thread)
{
    (void)thread;
    pawl_fetch_add_relaxed(&roles.ended, UINT64_C(1)); /* relaxed: a count */
}

/* Whether the producers of this run go on. */
static inline bool producers_run(const struct bench_thread *thread, unsigned producers)
{
    return pawl_load_relaxed(&roles.ended) < (role_of(thread)->runs + 1) * producers; /* relaxed: as above */
}

/* Nothing there: as in the benchmarks of the other queues. */
static inline void consumer_waits(unsigned *turn)
{
    if (++*turn % 32 != 0)
        pawl_relax();
    else
        sched_yield();
}

static inline void consumer_ended(struct bench_thread *thread)
{
    role_of(thread)->runs++;
    thread->operations = 0;
}

#endif
