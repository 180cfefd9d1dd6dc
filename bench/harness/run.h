/* SPDX-License-Identifier: MIT */
/* A whole run of a benchmark program: its scenarios, and what was found. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "costs.h"
#include "options.h"
#include "slice.h"
#include "stats.h"

/* A contender of a scenario. The arrays hold one value for each repetition. */
struct bench_result {
    const struct bench_contender *contender;
    const char *unavailable; /* the reason; then nothing below holds anything */
    void *shared;
    uint64_t iterations;
    double *samples;   /* the memory of the four arrays */
    double *raw_ns;    /* as measured */
    double *net_ns;    /* without the group's overhead */
    double *ops_per_s; /* of all threads, without the overhead */
    double *ratio;     /* net time over the first contender's, same repetition */
    struct bench_summary raw;
    struct bench_summary net;
    struct bench_summary rate;
    struct bench_summary times;
    unsigned disturbed; /* slices during or beside which the machine did something else */
    uint64_t involuntary;
    struct bench_lost account;
    struct bench_costs costs;
};

/* A group with one of its thread counts. */
struct bench_scenario {
    const struct bench_group *group;
    unsigned threads;
    unsigned count;
    struct bench_result *results;
    int overhead; /* index of the contender that is the bare loop, or -1 */
    int first;    /* index of the one the ratios refer to, or -1: none could run */
};

struct bench_run {
    const struct bench_program *program;
    const struct bench_options *options;
    struct bench_cpus cpus;
    struct bench_probe probe;
    unsigned count;
    struct bench_scenario *scenarios;
    struct bench_lost probed;  /* between the slices */
    struct bench_lost account; /* inside the slices */
    uint64_t began_ns;
    uint64_t took_ns;
};

/* Collects the scenarios that the options choose. Returns 0 or a negative errno; -ENOENT when
 * nothing matches. After 0 the caller closes. */
int bench_run_open(struct bench_run *run, const struct bench_program *program,
                   const struct bench_options *options);
void bench_run_close(struct bench_run *run);

/* Measures everything. Returns 0 or a negative errno; what failed has been said on stderr. */
int bench_run_measure(struct bench_run *run);

/* Counts what the operations of all contenders cost; to be called before bench_run_measure(). */
void bench_run_count_costs(struct bench_run *run);

/* Fills in the summaries of a scenario from raw_ns and ops_per_s as measured. */
void bench_scenario_evaluate(struct bench_scenario *scenario, unsigned reps);

/* Should a reader distrust this row? */
bool bench_result_disturbed(const struct bench_result *result, unsigned reps);

/* The share of the time somebody else took, by the view that saw more of it. */
double bench_run_lost_share(const struct bench_run *run);

static inline const char *bench_unit(const struct bench_group *group)
{
    return group->unit != NULL ? group->unit : "op";
}

#endif
