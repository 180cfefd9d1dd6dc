/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* JSON has no NaN: a figure that does not exist is null. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *summary(const struct bench_summary *values)
{
    return json_pack("{s:o, s:o, s:o}", "median", number(values->median), "p10", number(values->low), "p90",
                     number(values->high));
}

static json_t *samples(const double *values, unsigned n)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < n; ++i)
        json_array_append_new(array, number(values[i]));
    return array;
}

static json_t *lost(const struct bench_lost *lost)
{
    return json_pack("{s:I, s:I, s:f}", "watched_ns", (json_int_t)lost->watched_ns, "lost_ns",
                     (json_int_t)lost->lost_ns, "share", bench_lost_share(lost));
}

static json_t *unavailable(const struct bench_result *result)
{
    return json_pack("{s:s, s:b, s:s}", "name", result->contender->name, "available", 0, "reason",
                     result->unavailable);
}

static json_t *costs(const struct bench_costs *costs)
{
    if (!costs->known)
        return json_null();
    return json_pack("{s:f, s:f, s:f, s:f}", "rmw", costs->rmw, "fences", costs->fences, "lines",
                     costs->lines, "system_calls", costs->kernel);
}

static json_t *contender(const struct bench_result *result, unsigned reps)
{
    const double published_ns = result->contender->published_ns;

    if (result->unavailable != NULL)
        return unavailable(result);
    return json_pack("{s:s, s:b, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:b, s:i, s:I, s:o}, s:o}",
                     "name", result->contender->name, "available", 1, "overhead",
                     (int)result->contender->overhead, "iterations", (json_int_t)result->iterations,
                     "ns_per_op", summary(&result->net), "spread_percent", number(bench_spread(&result->net)),
                     "raw_ns_per_op", summary(&result->raw), "ops_per_s", summary(&result->rate), "ratio",
                     summary(&result->times), "published_ns",
                     number(published_ns > 0 ? published_ns : nan("")), "costs", costs(&result->costs),
                     "disturbance", "flag", (int)bench_result_disturbed(result, reps), "slices",
                     (int)result->disturbed, "involuntary_switches", (json_int_t)result->involuntary,
                     "account", lost(&result->account), "raw_samples_ns", samples(result->raw_ns, reps));
}

static json_t *scenario(const struct bench_scenario *scenario, unsigned reps)
{
    const struct bench_group *group = scenario->group;
    json_t *contenders = json_array();

    for (unsigned i = 0; i < scenario->count; ++i)
        json_array_append_new(contenders, contender(&scenario->results[i], reps));
    return json_pack("{s:s, s:s, s:i, s:i, s:o}", "name", group->name, "unit", bench_unit(group), "threads",
                     (int)scenario->threads, "ops_per_iteration", (int)(group->ops != 0 ? group->ops : 1),
                     "contenders", contenders);
}

static json_t *machine_object(const struct bench_run *run, const struct bench_machine *machine)
{
    json_t *cpus = json_array();

    for (unsigned i = 0; i < run->cpus.count; ++i)
        json_array_append_new(cpus, json_integer(run->cpus.ids[i]));
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:s?, s:f}", "cpu", machine->cpu, "allowed_cpus", cpus,
                     "kernel", machine->kernel, "governor", machine->governor, "compiler", machine->compiler,
                     "handicap", machine->handicap, "load", machine->load);
}

static json_t *disturbance(const struct bench_run *run)
{
    const double share = bench_run_lost_share(run);

    return json_pack("{s:b, s:f, s:o, s:o, s:I}", "flag", share >= BENCH_DISTURBED_SHARE, "lost_share", share,
                     "probe", lost(&run->probed), "account", lost(&run->account), "gap_ns",
                     (json_int_t)run->probe.gap_ns);
}

json_t *bench_json_build(const struct bench_run *run, const struct bench_machine *machine)
{
    json_t *scenarios = json_array();
    char date[32] = "";
    const time_t now = time(NULL);
    struct tm utc;

    if (gmtime_r(&now, &utc) != NULL)
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &utc);
    for (unsigned i = 0; i < run->count; ++i)
        json_array_append_new(scenarios, scenario(&run->scenarios[i], run->options->reps));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:i, s:f, s:b, s:b}, s:f, s:o, s:o}", "schema",
                     "pawl-bench-1", "program", run->program->name, "version", BENCH_VERSION, "date", date,
                     "machine", machine_object(run, machine), "options", "reps", (int)run->options->reps,
                     "slice_ms", run->options->slice_ms, "pinned", (int)run->options->pin, "cpu_time",
                     (int)run->options->cpu_time, "took_s", (double)run->took_ns / 1e9, "disturbance",
                     disturbance(run), "scenarios", scenarios);
}

int bench_json_save(json_t *document, const char *program, const char *path)
{
    const size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(6);
    const bool to_stdout = strcmp(path, "-") == 0;
    FILE *file = to_stdout ? stdout : document != NULL ? fopen(path, "we") : NULL;
    int error = document == NULL ? -ENOMEM : file == NULL ? -errno : 0;

    if (error == 0) {
        errno = 0;
        if (json_dumpf(document, file, flags) != 0 || fputc('\n', file) == EOF || fflush(file) != 0)
            error = errno != 0 ? -errno : -EIO;
        if (!to_stdout && fclose(file) != 0 && error == 0)
            error = -errno;
    }
    json_decref(document);
    if (error != 0)
        fprintf(stderr, "bench-%s: cannot write the JSON to %s: %s\n", program,
                to_stdout ? "standard output" : path, strerror(-error));
    return error;
}

int bench_json_write(const struct bench_run *run, const struct bench_machine *machine, const char *path)
{
    return bench_json_save(bench_json_build(run, machine), run->program->name, path);
}
