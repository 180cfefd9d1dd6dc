/* SPDX-License-Identifier: MIT */
/* The threads that run slices: created once, pinned once, asleep between jobs. */
#ifndef BENCH_WORKERS_H
#define BENCH_WORKERS_H

#include "cpus.h"

#include <pawl/atomic.h>

struct bench_workers;

/* Create `count` threads. With `pin`, thread i stands on the i-th CPU, round-robin.
 * Returns 0 or a negative errno. */
int bench_workers_open(struct bench_workers **workers, unsigned count, const struct bench_cpus *cpus,
                       bool pin);
void bench_workers_close(struct bench_workers *workers);

/* The CPU that thread `index` is pinned to, or -1. */
int bench_workers_cpu(const struct bench_workers *workers, unsigned index);

/* Run job(index, argument) on threads 0 .. count - 1 at the same time; returns when all are done.
 * What the caller wrote before is visible to the jobs, what they wrote is visible after. */
void bench_workers_run(struct bench_workers *workers, unsigned count,
                       void (*job)(unsigned index, void *argument), void *argument);

/* A starting line for `count` threads: nobody passes before all have arrived. It spins, so that
 * all leave within a cache miss of each other; a thread that has to wait long gives up its CPU. */
struct bench_barrier {
    PAWL_LINE_PAIR_ALIGNED PAWL_ATOMIC(unsigned) waiting;
};

void bench_barrier_init(struct bench_barrier *barrier, unsigned count);
void bench_barrier_pass(struct bench_barrier *barrier);

#endif
