/* SPDX-License-Identifier: MIT */
/* One slice: one contender on all threads of a scenario, once. */
#ifndef BENCH_SLICE_H
#define BENCH_SLICE_H

#include "bench.h"
#include "disturb.h"
#include "workers.h"

/* The threads of a scenario and what watches over them. */
struct bench_crew {
    struct bench_workers *workers;
    const struct bench_cpus *cpus;
    struct bench_probe probe;
    unsigned threads;
    bool cpu_time;            /* measure the threads' CPU time, not the time that passes */
    struct bench_lane *lanes; /* one a thread */
};

struct bench_measurement {
    uint64_t wall_ns; /* first start to last end */
    double ns_per_op; /* of one CPU; NaN when no operation was done */
    double ops_per_s;
    uint64_t involuntary; /* context switches, all threads */
    struct bench_lost account;
};

/* Returns 0 or -ENOMEM. */
int bench_crew_open(struct bench_crew *crew, struct bench_workers *workers, const struct bench_cpus *cpus,
                    struct bench_probe probe, unsigned threads);
void bench_crew_close(struct bench_crew *crew);

/* CPUs the crew keeps busy; fewer than threads when they have to take turns. */
unsigned bench_crew_cpus(const struct bench_crew *crew);

/* Spin on each of those CPUs at the same time; adds to *lost. */
void bench_crew_probe(struct bench_crew *crew, struct bench_lost *lost);

void bench_slice_run(struct bench_crew *crew, const struct bench_contender *contender, void *shared,
                     uint64_t iterations, unsigned ops, struct bench_measurement *out);

/* Iterations that take about target_ns, at least 1. */
uint64_t bench_slice_calibrate(struct bench_crew *crew, const struct bench_contender *contender, void *shared,
                               unsigned ops, uint64_t target_ns);

#endif
