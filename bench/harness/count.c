/* SPDX-License-Identifier: MIT */
#include "count.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#if BENCH_HAVE_CALLGRIND
#include <valgrind/callgrind.h>

/* One counted run. Only what stands between the requests is instrumented; the dump carries it. */
static void count_run(const struct bench_contender *contender, struct bench_thread *thread,
                      uint64_t iterations)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
    contender->run(thread, iterations);
    CALLGRIND_DUMP_STATS;
    CALLGRIND_STOP_INSTRUMENTATION;
}

static int count_contender(const struct bench_group *group, const struct bench_contender *contender,
                           uint64_t iterations)
{
    const unsigned ops = group->ops != 0 ? group->ops : 1;
    struct bench_thread thread = {.threads = 1, .cpu = -1, .random = 1};
    void *shared = NULL;
    int error = contender->setup != NULL ? contender->setup(1, &shared) : 0;

    if (error != 0)
        return error;
    thread.shared = shared;
    if (contender->reset != NULL)
        contender->reset(shared);
    if (contender->enter != NULL)
        contender->enter(&thread);
    /* Page faults, lazy binding and first-use registration happen here. */
    contender->run(&thread, iterations);
    count_run(contender, &thread, iterations);
    count_run(contender, &thread, 2 * iterations);
    if (contender->leave != NULL)
        contender->leave(&thread);
    if (contender->teardown != NULL)
        contender->teardown(shared);
    printf("%s\t%s\t%llu\t%u\t%d\n", group->name, contender->name, (unsigned long long)iterations, ops,
           contender->overhead);
    return 0;
}

static const char *cannot_count(const struct bench_scenario *scenario, const struct bench_result *result)
{
    if (result->unavailable != NULL)
        return result->unavailable;
    if (scenario->group->threads_fixed && scenario->threads > 1)
        return "needs several threads at once";
    return NULL;
}

static int count_scenario(const struct bench_run *run, const struct bench_scenario *scenario)
{
    for (unsigned i = 0; i < scenario->count; ++i) {
        const struct bench_result *result = &scenario->results[i];
        const char *reason = cannot_count(scenario, result);

        if (reason != NULL) {
            printf("%s\t%s\t-\t%s\n", scenario->group->name, result->contender->name, reason);
            continue;
        }
        const int error = count_contender(scenario->group, result->contender, run->options->count);
        if (error != 0) {
            fprintf(stderr, "bench-%s: cannot set up '%s' of %s: %s\n", run->program->name,
                    result->contender->name, scenario->group->name, strerror(-error));
            return error;
        }
    }
    return 0;
}

int bench_count(struct bench_run *run)
{
    int error = 0;

    if (!RUNNING_ON_VALGRIND) {
        fprintf(stderr,
                "bench-%s: --count needs callgrind to do the counting; run bench/instructions instead\n",
                run->program->name);
        return -ENOTSUP;
    }
    for (unsigned i = 0; i < run->count && error == 0; ++i) {
        /* The same group with another number of threads has the same instructions. */
        if (i == 0 || run->scenarios[i].group != run->scenarios[i - 1].group)
            error = count_scenario(run, &run->scenarios[i]);
    }
    return error;
}

#else

int bench_count(struct bench_run *run)
{
    fprintf(
        stderr,
        "bench-%s: --count needs valgrind/callgrind.h when the program is built; install valgrind, configure anew\n",
        run->program->name);
    return -ENOTSUP;
}

#endif
