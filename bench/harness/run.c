/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "clock.h"
#include "effect.h"
#include "progress.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROBE_NS = 200000, /* on each CPU before and after each slice: 1 % of a default slice */
    SAMPLE_ARRAYS = 4,
    DISTURBED_PART_OF_ROW = 5, /* one slice in five: more than a median shrugs off for sure */
};

/* The thread counts to run a group with, without repetitions. Returns how many. */
static unsigned thread_counts(const struct bench_run *run, const struct bench_group *group,
                              unsigned out[BENCH_MAX_THREAD_COUNTS])
{
    const bool overridden = run->options->threads[0] != 0 && !group->threads_fixed;
    const int *wanted = overridden ? run->options->threads : group->threads;
    unsigned n = 0;

    for (unsigned i = 0; i < BENCH_MAX_THREAD_COUNTS && wanted[i] != 0; ++i) {
        const unsigned threads = wanted[i] == BENCH_EACH_CPU ? run->cpus.count : (unsigned)wanted[i];
        bool seen = false;

        for (unsigned k = 0; k < n && !seen; ++k)
            seen = out[k] == threads;
        if (!seen)
            out[n++] = threads;
    }
    if (n == 0)
        out[n++] = 1;
    return n;
}

static const char *why_not(const struct bench_contender *contender)
{
    if (contender->missing != NULL)
        return contender->missing;
    return contender->unavailable != NULL ? contender->unavailable() : NULL;
}

/* Puts the contenders that --only keeps into the scenario, and the bare loop if any is kept.
 * Returns 0 (then scenario->count may be 0) or -ENOMEM. */
static int choose_contenders(const struct bench_run *run, struct bench_scenario *scenario)
{
    const struct bench_group *group = scenario->group;
    unsigned all = 0;
    bool any = false;

    while (group->contenders[all].name != NULL) {
        any |= bench_options_keep(run->options, group->name, scenario->threads, group->contenders[all].name);
        ++all;
    }
    if (!any)
        return 0;
    scenario->results = calloc(all, sizeof(*scenario->results));
    if (scenario->results == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < all; ++i) {
        const struct bench_contender *contender = &group->contenders[i];

        if (contender->overhead ||
            bench_options_keep(run->options, group->name, scenario->threads, contender->name)) {
            struct bench_result *result = &scenario->results[scenario->count++];

            result->contender = contender;
            result->unavailable = why_not(contender);
        }
    }
    return 0;
}

/* Says which contender is the bare loop and which one the ratios refer to. */
static void find_references(struct bench_scenario *scenario)
{
    scenario->overhead = -1;
    scenario->first = -1;
    for (unsigned i = 0; i < scenario->count; ++i) {
        const struct bench_result *result = &scenario->results[i];

        if (result->unavailable != NULL)
            continue;
        if (result->contender->overhead)
            scenario->overhead = (int)i;
        else if (scenario->first < 0)
            scenario->first = (int)i;
    }
}

static int add_scenario(struct bench_run *run, const struct bench_group *group, unsigned threads)
{
    struct bench_scenario scenario = {.group = group, .threads = threads};
    const int error = choose_contenders(run, &scenario);

    if (error != 0 || scenario.count == 0) {
        free(scenario.results);
        return error;
    }

    struct bench_scenario *grown = reallocarray(run->scenarios, run->count + 1, sizeof(*grown));
    if (grown == NULL) {
        free(scenario.results);
        return -ENOMEM;
    }
    find_references(&scenario);
    run->scenarios = grown;
    run->scenarios[run->count++] = scenario;
    return 0;
}

int bench_run_open(struct bench_run *run, const struct bench_program *program,
                   const struct bench_options *options)
{
    int error;

    *run = (struct bench_run){.program = program, .options = options};
    error = bench_cpus_open(&run->cpus);
    for (const struct bench_group *group = program->groups; error == 0 && group->name != NULL; ++group) {
        unsigned counts[BENCH_MAX_THREAD_COUNTS];
        const unsigned n = thread_counts(run, group, counts);

        for (unsigned i = 0; i < n && error == 0; ++i)
            error = add_scenario(run, group, counts[i]);
    }
    if (error == 0 && run->count == 0)
        error = -ENOENT;
    if (error != 0)
        bench_run_close(run);
    return error;
}

void bench_run_close(struct bench_run *run)
{
    for (unsigned i = 0; i < run->count; ++i) {
        for (unsigned k = 0; k < run->scenarios[i].count; ++k)
            free(run->scenarios[i].results[k].samples);
        free(run->scenarios[i].results);
    }
    free(run->scenarios);
    run->scenarios = NULL;
    run->count = 0;
    bench_cpus_close(&run->cpus);
}

static int allocate_samples(struct bench_result *result, unsigned reps)
{
    result->samples = calloc((size_t)reps * SAMPLE_ARRAYS, sizeof(*result->samples));
    if (result->samples == NULL)
        return -ENOMEM;
    result->raw_ns = result->samples;
    result->net_ns = result->raw_ns + reps;
    result->ops_per_s = result->net_ns + reps;
    result->ratio = result->ops_per_s + reps;
    return 0;
}

static unsigned ops_of(const struct bench_group *group)
{
    return group->ops != 0 ? group->ops : 1;
}

/* Builds every contender's state. Returns 0 or a negative errno; *built counts those to tear down. */
static int set_up(const struct bench_run *run, struct bench_scenario *scenario, unsigned *built)
{
    for (*built = 0; *built < scenario->count; ++*built) {
        struct bench_result *result = &scenario->results[*built];
        int error;

        if (result->unavailable != NULL)
            continue;
        error = allocate_samples(result, run->options->reps);
        if (error == 0 && result->contender->setup != NULL)
            error = result->contender->setup(scenario->threads, &result->shared);
        if (error != 0) {
            fprintf(stderr, "bench-%s: cannot set up '%s' of %s with %u threads: %s\n", run->program->name,
                    result->contender->name, scenario->group->name, scenario->threads, strerror(-error));
            return error;
        }
    }
    return 0;
}

static void tear_down(struct bench_scenario *scenario, unsigned built)
{
    while (built-- > 0) {
        struct bench_result *result = &scenario->results[built];

        if (result->unavailable == NULL && result->contender->teardown != NULL)
            result->contender->teardown(result->shared);
        result->shared = NULL;
    }
}

static void measure_slice(struct bench_run *run, struct bench_scenario *scenario, struct bench_crew *crew,
                          struct bench_result *result, unsigned rep, struct bench_lost *before)
{
    struct bench_measurement measured;
    struct bench_lost after = {0};

    bench_slice_run(crew, result->contender, result->shared, result->iterations, ops_of(scenario->group),
                    &measured);
    bench_crew_probe(crew, &after);

    result->raw_ns[rep] = measured.ns_per_op;
    result->ops_per_s[rep] = measured.ops_per_s;
    result->involuntary += measured.involuntary;
    result->account.watched_ns += measured.account.watched_ns;
    result->account.lost_ns += measured.account.lost_ns;
    if (bench_lost_share(&measured.account) >= BENCH_DISTURBED_SHARE ||
        bench_lost_share(before) >= BENCH_DISTURBED_PROBE_SHARE ||
        bench_lost_share(&after) >= BENCH_DISTURBED_PROBE_SHARE)
        ++result->disturbed;

    run->account.watched_ns += measured.account.watched_ns;
    run->account.lost_ns += measured.account.lost_ns;
    run->probed.watched_ns += after.watched_ns;
    run->probed.lost_ns += after.lost_ns;
    *before = after;
}

static void measure_scenario(struct bench_run *run, struct bench_scenario *scenario, struct bench_crew *crew,
                             struct bench_progress *progress)
{
    const uint64_t target_ns = (uint64_t)(run->options->slice_ms * 1e6);
    struct bench_lost before = {0};
    char doing[48];

    for (unsigned i = 0; i < scenario->count; ++i) {
        struct bench_result *result = &scenario->results[i];

        if (result->unavailable != NULL)
            continue;
        bench_progress_step(progress, scenario->group->name, result->contender->name, "calibrating");
        result->iterations = bench_slice_calibrate(crew, result->contender, result->shared,
                                                   ops_of(scenario->group), target_ns);
    }
    bench_crew_probe(crew, &before);
    for (unsigned rep = 0; rep < run->options->reps; ++rep) {
        snprintf(doing, sizeof(doing), "repetition %u of %u", rep + 1, run->options->reps);
        for (unsigned i = 0; i < scenario->count; ++i) {
            struct bench_result *result = &scenario->results[(rep + i) % scenario->count];

            if (result->unavailable != NULL)
                continue;
            bench_progress_step(progress, scenario->group->name, result->contender->name, doing);
            measure_slice(run, scenario, crew, result, rep, &before);
        }
    }
}

static int run_scenario(struct bench_run *run, struct bench_scenario *scenario, struct bench_workers *workers,
                        struct bench_progress *progress)
{
    struct bench_crew crew;
    unsigned built = 0;
    int error = bench_crew_open(&crew, workers, &run->cpus, run->probe, scenario->threads);

    if (error != 0)
        return error;
    crew.cpu_time = run->options->cpu_time;
    error = set_up(run, scenario, &built);
    if (error == 0) {
        measure_scenario(run, scenario, &crew, progress);
        bench_scenario_evaluate(scenario, run->options->reps);
    }
    tear_down(scenario, built);
    bench_crew_close(&crew);
    return error;
}

/* The same contender with another number of threads: its costs are known. */
static const struct bench_result *counted_before(const struct bench_run *run,
                                                 const struct bench_result *result)
{
    for (unsigned i = 0; i < run->count; ++i) {
        for (unsigned k = 0; k < run->scenarios[i].count; ++k) {
            const struct bench_result *other = &run->scenarios[i].results[k];

            if (other == result)
                return NULL;
            if (other->contender == result->contender && other->costs.known)
                return other;
        }
    }
    return NULL;
}

void bench_run_count_costs(struct bench_run *run)
{
    struct bench_decoder *decoder = bench_decoder_open();

    for (unsigned i = 0; i < run->count; ++i) {
        const struct bench_scenario *scenario = &run->scenarios[i];

        for (unsigned k = 0; k < scenario->count; ++k) {
            struct bench_result *result = &scenario->results[k];
            const struct bench_result *known = counted_before(run, result);

            if (scenario->group->threads_fixed && scenario->threads > 1 && result->contender->alone == NULL)
                continue; /* it takes several threads that wait for each other */
            if (known != NULL)
                result->costs = known->costs;
            else if (result->unavailable == NULL)
                bench_costs_count(decoder, scenario->group, result->contender, &result->costs);
        }
    }
    bench_decoder_close(decoder);
}

static uint64_t count_steps(const struct bench_run *run)
{
    uint64_t contenders = 0;

    for (unsigned i = 0; i < run->count; ++i) {
        for (unsigned k = 0; k < run->scenarios[i].count; ++k)
            contenders += run->scenarios[i].results[k].unavailable == NULL;
    }
    return contenders * (run->options->reps + 1); /* calibration takes about as long as a repetition */
}

int bench_run_measure(struct bench_run *run)
{
    struct bench_workers *workers = NULL;
    struct bench_progress progress;
    unsigned threads = 1;
    int error;

    for (unsigned i = 0; i < run->count; ++i) {
        if (run->scenarios[i].threads > threads)
            threads = run->scenarios[i].threads;
    }
    run->began_ns = bench_now_ns();
    bench_probe_calibrate(&run->probe, PROBE_NS);
    error = bench_workers_open(&workers, threads, &run->cpus, run->options->pin);
    if (error != 0) {
        fprintf(stderr,
                "bench-%s: cannot start %u pinned threads: %s; --threads wants fewer, --no-pin pins none\n",
                run->program->name, threads, strerror(-error));
        return error;
    }
    bench_progress_open(&progress, count_steps(run), run->options->quiet);
    for (unsigned i = 0; i < run->count && error == 0; ++i)
        error = run_scenario(run, &run->scenarios[i], workers, &progress);
    bench_progress_close(&progress);
    bench_workers_close(workers);
    run->took_ns = bench_now_ns() - run->began_ns;
    return error;
}

/* Time and rate of one contender without the bare loop's time. */
static void subtract_overhead(struct bench_result *result, const struct bench_result *overhead, unsigned reps)
{
    memcpy(result->net_ns, result->raw_ns, reps * sizeof(*result->net_ns));
    if (overhead == NULL || overhead == result)
        return;
    bench_differences(result->raw_ns, overhead->raw_ns, reps, result->net_ns);
    for (unsigned i = 0; i < reps; ++i) {
        const bool above = result->net_ns[i] > 0;

        result->ops_per_s[i] = above ? result->ops_per_s[i] * result->raw_ns[i] / result->net_ns[i] : nan("");
    }
}

void bench_scenario_evaluate(struct bench_scenario *scenario, unsigned reps)
{
    const struct bench_result *overhead = scenario->overhead >= 0 ? &scenario->results[scenario->overhead]
                                                                  : NULL;

    for (unsigned i = 0; i < scenario->count; ++i) {
        if (scenario->results[i].unavailable == NULL)
            subtract_overhead(&scenario->results[i], overhead, reps);
    }
    for (unsigned i = 0; i < scenario->count; ++i) {
        struct bench_result *result = &scenario->results[i];

        if (result->unavailable != NULL)
            continue;
        for (unsigned rep = 0; rep < reps; ++rep)
            result->ratio[rep] = nan("");
        if (scenario->first >= 0 && result != overhead)
            bench_ratios(result->net_ns, scenario->results[scenario->first].net_ns, reps, result->ratio);
        result->raw = bench_summarise(result->raw_ns, reps);
        result->net = bench_summarise(result->net_ns, reps);
        result->rate = bench_summarise(result->ops_per_s, reps);
        result->times = bench_summarise(result->ratio, reps);
    }
}

bool bench_result_disturbed(const struct bench_result *result, unsigned reps)
{
    return result->disturbed * DISTURBED_PART_OF_ROW >= reps;
}

double bench_run_lost_share(const struct bench_run *run)
{
    const double probed = bench_lost_share(&run->probed);
    const double account = bench_lost_share(&run->account);

    return probed > account ? probed : account;
}
