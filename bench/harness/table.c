/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <math.h>
#include <string.h>

enum {
    CELL = 24,
    LINE = 512,
    NAME_MIN = 12,
    RAW = 9,
    PUBLISHED = 16, /* width of the column of published figures */
    COST = 7,       /* of each count */
};

void bench_table_list(const struct bench_run *run, FILE *out)
{
    for (unsigned i = 0; i < run->count; ++i) {
        const struct bench_scenario *scenario = &run->scenarios[i];

        for (unsigned k = 0; k < scenario->count; ++k) {
            const struct bench_result *result = &scenario->results[k];

            fprintf(out, "%s/%u/%s%s%s%s\n", scenario->group->name, scenario->threads,
                    result->contender->name, result->unavailable != NULL ? "  (cannot run here: " : "",
                    result->unavailable != NULL ? result->unavailable : "",
                    result->unavailable != NULL ? ")" : "");
        }
    }
}

/* Each cell is "-" when the figure does not exist. */
static const char *time_cell(char *cell, double ns)
{
    if (isnan(ns))
        return "-";
    snprintf(cell, CELL, fabs(ns) < 1000 ? "%.2f" : "%.0f", ns);
    return cell;
}

static const char *percent_cell(char *cell, double percent)
{
    if (isnan(percent))
        return "-";
    snprintf(cell, CELL, percent < 10 ? "%.1f %%" : "%.0f %%", percent);
    return cell;
}

/* Three digits and a unit: "1.23 G", "456 M". */
static const char *rate_cell(char *cell, double rate)
{
    static const char units[] = {' ', 'k', 'M', 'G', 'T'};
    unsigned unit = 0;

    if (isnan(rate))
        return "-";
    while (rate >= 999.5 && unit + 1 < sizeof(units)) {
        rate /= 1000;
        ++unit;
    }
    snprintf(cell, CELL, "%.*f %c", rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0, rate, units[unit]);
    return cell;
}

static const char *ratio_cell(char *cell, double ratio)
{
    if (isnan(ratio))
        return "-";
    snprintf(cell, CELL, "%.2fx", ratio);
    return cell;
}

static const char *range_cell(char *cell, const struct bench_summary *summary)
{
    if (isnan(summary->low) || isnan(summary->high))
        return "";
    snprintf(cell, CELL, "%.2f-%.2f", summary->low, summary->high);
    return cell;
}

static const char *disturbed_cell(char *cell, const struct bench_result *result, unsigned reps)
{
    if (result->disturbed == 0)
        return "";
    snprintf(cell, CELL, "%u of %u%s", result->disturbed, reps,
             bench_result_disturbed(result, reps) ? " !" : "  ");
    return cell;
}

static const char *cost_cell(char *cell, const struct bench_costs *costs, double count)
{
    if (!costs->known)
        return "-";
    snprintf(cell, CELL, count >= 9.995 ? "%.1f" : "%.2f", count);
    return cell;
}

/* Has any row counts? */
static bool has_costs(const struct bench_scenario *scenario)
{
    for (unsigned i = 0; i < scenario->count; ++i) {
        if (scenario->results[i].costs.known)
            return true;
    }
    return false;
}

static int name_width(const struct bench_scenario *scenario)
{
    size_t width = NAME_MIN;

    for (unsigned i = 0; i < scenario->count; ++i) {
        const size_t length = strlen(scenario->results[i].contender->name);

        width = length > width ? length : width;
    }
    return (int)width;
}

/* A line without the blanks at its end. */
static void print_trimmed(FILE *out, char *line)
{
    size_t length = strlen(line);

    while (length > 0 && line[length - 1] == ' ')
        --length;
    fprintf(out, "%.*s\n", (int)length, line);
}

/* What somebody else found: the time, and relative to what he found for our first contender. */
static const char *published_cell(char *cell, const struct bench_scenario *scenario,
                                  const struct bench_result *result)
{
    const double ns = result->contender->published_ns;
    const double first = scenario->first >= 0 ? scenario->results[scenario->first].contender->published_ns
                                              : 0;

    if (!(ns > 0))
        return "";
    if (first > 0)
        snprintf(cell, CELL, "%.2f %6.2fx", ns, ns / first);
    else
        snprintf(cell, CELL, "%.2f", ns);
    return cell;
}

/* A line of the table, head or row, from its cells. The columns "raw" and published exist where the
 * group has them. */
struct cells {
    const char *name, *raw, *time, *spread, *rate, *ratio, *range, *published, *disturbed;
    const char *rmw, *fences, *lines, *kernel;
};

static void print_cells(const struct bench_scenario *scenario, const struct cells *cells, FILE *out)
{
    const int raw = scenario->overhead >= 0 ? RAW : 0;
    const int published = scenario->group->published != NULL ? PUBLISHED : 0;
    const int cost = has_costs(scenario) ? COST : 0;
    char line[LINE];

    snprintf(line, sizeof(line), "  %-*s%*s  %8s  %6s  %7s  %8s %-13s%*s%*s%*s%*s%*s  %s",
             name_width(scenario), cells->name, raw, raw > 0 ? cells->raw : "", cells->time, cells->spread,
             cells->rate, cells->ratio, cells->range, published, cells->published, cost,
             cost > 0 ? cells->rmw : "", cost, cost > 0 ? cells->fences : "", cost,
             cost > 0 ? cells->lines : "", cost, cost > 0 ? cells->kernel : "", cells->disturbed);
    print_trimmed(out, line);
}

static void print_row(const struct bench_scenario *scenario, const struct bench_result *result, unsigned reps,
                      FILE *out)
{
    char raw[CELL], time[CELL], spread[CELL], rate[CELL], ratio[CELL], range[CELL], published[CELL];
    char disturbed[CELL], rmw[CELL], fences[CELL], lines[CELL], kernel[CELL];
    const struct bench_costs *costs = &result->costs;
    const bool bare = result->contender->overhead;

    if (result->unavailable != NULL) {
        fprintf(out, "  %-*s  cannot run here: %s\n", name_width(scenario), result->contender->name,
                result->unavailable);
        return;
    }
    const struct cells cells = {
        .name = result->contender->name,
        .raw = time_cell(raw, result->raw.median),
        .time = bare ? "" : time_cell(time, result->net.median),
        .spread = percent_cell(spread, bench_spread(bare ? &result->raw : &result->net)),
        .rate = bare ? "" : rate_cell(rate, result->rate.median),
        .ratio = bare ? "" : ratio_cell(ratio, result->times.median),
        .range = bare ? "" : range_cell(range, &result->times),
        .published = published_cell(published, scenario, result),
        .disturbed = disturbed_cell(disturbed, result, reps),
        .rmw = cost_cell(rmw, costs, costs->rmw),
        .fences = cost_cell(fences, costs, costs->fences),
        .lines = cost_cell(lines, costs, costs->lines),
        .kernel = cost_cell(kernel, costs, costs->kernel),
    };
    print_cells(scenario, &cells, out);
}

static void print_scenario(const struct bench_run *run, const struct bench_scenario *scenario, FILE *out)
{
    const struct bench_group *group = scenario->group;
    const struct cells head = {
        .name = "",
        .raw = "raw",
        .time = "ns/op",
        .spread = "spread",
        .rate = "ops/s",
        .ratio = "x first",
        .range = "(p10-p90)",
        .published = group->published != NULL ? group->published : "",
        .disturbed = "disturbed",
        .rmw = "RMW",
        .fences = "fence",
        .lines = "lines",
        .kernel = "sys",
    };

    fprintf(out, "\n%s, %u thread%s, ns per %s", group->name, scenario->threads,
            scenario->threads == 1 ? "" : "s", bench_unit(group));
    if (scenario->overhead >= 0)
        fprintf(out, ", raw and less '%s'", scenario->results[scenario->overhead].contender->name);
    fprintf(out, "\n");
    if (group->about != NULL)
        fprintf(out, "%s\n", group->about);
    print_cells(scenario, &head, out);
    for (unsigned i = 0; i < scenario->count; ++i)
        print_row(scenario, &scenario->results[i], run->options->reps, out);
}

static void print_costs_row(const struct bench_scenario *scenario, const struct bench_result *result,
                            FILE *out)
{
    char rmw[CELL], fences[CELL], lines[CELL], kernel[CELL];
    const struct bench_costs *costs = &result->costs;

    fprintf(out, "  %-*s%*s%*s%*s%*s\n", name_width(scenario), result->contender->name, COST,
            cost_cell(rmw, costs, costs->rmw), COST, cost_cell(fences, costs, costs->fences), COST,
            cost_cell(lines, costs, costs->lines), COST, cost_cell(kernel, costs, costs->kernel));
}

void bench_table_print_costs(const struct bench_run *run, FILE *out)
{
    const struct bench_group *printed = NULL;

    for (unsigned i = 0; i < run->count; ++i) {
        const struct bench_scenario *scenario = &run->scenarios[i];

        /* With another number of threads the same group has the same costs. */
        if (scenario->group == printed || !has_costs(scenario))
            continue;
        printed = scenario->group;
        fprintf(out, "%s, each %s\n  %-*s%*s%*s%*s%*s\n", scenario->group->name, bench_unit(scenario->group),
                name_width(scenario), "", COST, "RMW", COST, "fence", COST, "lines", COST, "sys");
        for (unsigned k = 0; k < scenario->count; ++k)
            print_costs_row(scenario, &scenario->results[k], out);
    }
}

static void print_verdict(const struct bench_run *run, FILE *out)
{
    const double share = bench_run_lost_share(run);
    unsigned rows = 0;

    for (unsigned i = 0; i < run->count; ++i) {
        for (unsigned k = 0; k < run->scenarios[i].count; ++k)
            rows += run->scenarios[i].results[k].unavailable == NULL &&
                    bench_result_disturbed(&run->scenarios[i].results[k], run->options->reps);
    }
    if (share < BENCH_DISTURBED_SHARE && rows == 0)
        return;
    fprintf(
        out,
        "\nThe machine was disturbed: %.1f %% of the time lost (%.1f %% of the probes' time between the slices,\n"
        "%.1f %% inside the slices by the kernel's account).",
        share * 100, bench_lost_share(&run->probed) * 100, bench_lost_share(&run->account) * 100);
    if (rows > 0)
        fprintf(out, " %u row%s marked \"!\": at least one slice in five\nwas interrupted.", rows,
                rows == 1 ? " is" : "s are");
    fprintf(out, " Believe ratios before times, and neither where the spread is wide.\n");
}

void bench_table_print(const struct bench_run *run, const struct bench_machine *machine, FILE *out)
{
    fprintf(out, "bench-%s: %s\n", run->program->name, run->program->about);
    fprintf(out, "%s, %u CPU%s allowed, %s, %s", machine->cpu, run->cpus.count,
            run->cpus.count == 1 ? "" : "s", machine->kernel, machine->compiler);
    if (machine->governor[0] != '\0')
        fprintf(out, ", governor %s", machine->governor);
    fprintf(out, "\n%u repetitions of %g ms, threads %s%s\n", run->options->reps, run->options->slice_ms,
            run->options->pin ? "pinned" : "not pinned", run->options->cpu_time ? ", CPU time" : "");
    if (machine->handicap != NULL)
        fprintf(out, "WARNING: built %s; these figures say nothing about the code.\n", machine->handicap);
    for (unsigned i = 0; i < run->count; ++i)
        print_scenario(run, &run->scenarios[i], out);
    print_verdict(run, out);
}
