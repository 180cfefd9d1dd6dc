/* SPDX-License-Identifier: MIT */
/* pawl-cache beside memcached and redis-server: what a request costs the server's process in CPU time.
 *
 *     bench-cache [--reps N] [--slice MS] [--long] [--only TEXT] [--json FILE] [--plot FILE] [--pawl-cache PATH]
 *
 * Every server is a process with one worker, pinned to one CPU, and lives through all the rounds of a row; this process,
 * on another CPU, is the client of all of them. Slices of the servers are strictly interleaved, in an order that rotates.
 * The CPU time is that of /proc/PID/task/TID/schedstat, so that others on the machine disturb little; ratios are taken
 * within a round. The time is the harness's, and so are table, JSON and plot. Figures of other kinds are in figures.c. */
#include "clock.h"
#include "figures.h"
#include "load.h"
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    KEYS = 100000,
    VALUE = 100,
    MEGABYTES = 256,
    REPS = 7,
    LONG_REPS = 25,
    SLICE_MS = 100,
    SLICE_MAX_MS = 60000,
    PROBE_US = 300,
    EXIT_MISUSED = 2,
};

#define MILLISECOND UINT64_C(1000000)

struct row {
    struct bench_group group;
    unsigned connections;
    bool unix_socket;
    struct load_shape shape;
};

static const struct row rows[] = {
    {.group = {.name = "tcp-50",
               .unit = "request",
               .about = "get and set 9:1, TCP, 50 connections, one at a time"},
     .connections = 50,
     .shape = {SPEECH_GET, 10, 1, 1}},
    {.group = {.name = "tcp-1000", .unit = "request", .about = "the same, 1000 connections"},
     .connections = 1000,
     .shape = {SPEECH_GET, 10, 1, 1}},
    {.group = {.name = "unix-50", .unit = "request", .about = "the same, UNIX socket, 50 connections"},
     .connections = 50,
     .unix_socket = true,
     .shape = {SPEECH_GET, 10, 1, 1}},
    {.group = {.name = "get-x16", .unit = "request", .about = "16 gets at a time, TCP, 50 connections"},
     .connections = 50,
     .shape = {SPEECH_GET, 0, 16, 1}},
    {.group = {.name = "mg-x16", .unit = "request", .about = "16 meta gets at a time, TCP, 50 connections"},
     .connections = 50,
     .shape = {SPEECH_META_GET, 0, 16, 1}},
    {.group = {.name = "set-x16", .unit = "request", .about = "16 sets at a time, TCP, 50 connections"},
     .connections = 50,
     .shape = {SPEECH_SET, 0, 16, 1}},
    {.group = {.name = "mget-16", .unit = "key", .about = "a get of 16 keys at a time, TCP, 50 connections"},
     .connections = 50,
     .shape = {SPEECH_GET, 0, 1, 16}},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct bench_program program = {
    .name = "cache",
    .about = "Cache servers, one worker each: CPU time of the server's process.",
};

/* ---- a row ---- */

static struct bench_contender contenders[SERVER_PROGRAMS];

static double *numbers(size_t count)
{
    double *memory = calloc(count, sizeof(*memory));

    if (memory == NULL)
        server_die("the client", strerror(errno));
    return memory;
}

static void open_scenario(struct bench_scenario *scenario, const struct row *row, const struct effort *effort)
{
    *scenario = (struct bench_scenario){.group = &row->group,
                                        .threads = 1,
                                        .count = SERVER_PROGRAMS,
                                        .results = calloc(SERVER_PROGRAMS, sizeof(struct bench_result)),
                                        .overhead = -1,
                                        .first = -1};
    if (scenario->results == NULL)
        server_die("the client", strerror(errno));
    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        struct bench_result *result = &scenario->results[i];

        contenders[i].name = server_name((enum server_program)i);
        result->contender = &contenders[i];
        result->unavailable = server_missing((enum server_program)i);
        if (row->shape.verb == SPEECH_META_GET && server_dialect((enum server_program)i) == SPEECH_REDIS)
            result->unavailable = "it has no such command";
        if (result->unavailable != NULL)
            continue;
        if (scenario->first < 0)
            scenario->first = i;
        result->samples = numbers((size_t)4 * effort->reps);
        result->raw_ns = result->samples;
        result->net_ns = result->raw_ns + effort->reps;
        result->ops_per_s = result->net_ns + effort->reps;
        result->ratio = result->ops_per_s + effort->reps;
    }
}

static void measure_slice(struct bench_run *run, struct bench_result *result, const struct effort *effort,
                          struct load *load, const struct load_shape *shape, unsigned rep)
{
    const struct timespec a_moment = {.tv_nsec = 1000000};
    struct bench_lost probed = {0, 0}, lost;
    struct bench_account account, account_after;
    struct server_time before, after;
    uint64_t began, took, done;

    bench_probe_spin(&run->probe, &probed);
    bench_account_read(&account);
    before = server_time(load->server);
    began = bench_now_ns();
    done = load_closed(load, shape, effort->slice_ns);
    took = bench_now_ns() - began;
    nanosleep(&a_moment, NULL); /* it has gone to sleep, and its time is booked */
    after = server_time(load->server);
    bench_account_read(&account_after);
    lost = (struct bench_lost){took, after.waited_ns - before.waited_ns};
    result->iterations = done;
    result->raw_ns[rep] = (double)(after.ran_ns - before.ran_ns) / (double)done;
    result->ops_per_s[rep] = (double)done * 1e9 / (double)took;
    result->involuntary += account_after.involuntary - account.involuntary;
    result->disturbed += bench_lost_share(&lost) >= BENCH_DISTURBED_SHARE ||
                         bench_lost_share(&probed) >= BENCH_DISTURBED_PROBE_SHARE;
    result->account.watched_ns += lost.watched_ns;
    result->account.lost_ns += lost.lost_ns;
    run->account.watched_ns += lost.watched_ns;
    run->account.lost_ns += lost.lost_ns;
    run->probed.watched_ns += probed.watched_ns;
    run->probed.lost_ns += probed.lost_ns;
}

static void measure_row(struct bench_run *run, const struct row *row, struct effort *effort)
{
    struct bench_scenario *scenario = &run->scenarios[run->count++];
    struct server servers[SERVER_PROGRAMS] = {{.pid = 0}};
    struct load loads[SERVER_PROGRAMS];

    open_scenario(scenario, row, effort);
    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        if (scenario->results[i].unavailable != NULL)
            continue;
        server_start(&servers[i], (enum server_program)i, row->unix_socket, MEGABYTES, effort->cpu);
        load_fill(&servers[i], 0, KEYS, VALUE);
        load_open(&loads[i], &servers[i], row->connections, KEYS, VALUE);
        (void)load_closed(&loads[i], &row->shape, effort->slice_ns / 4); /* warms up */
    }
    for (unsigned rep = 0; rep < effort->reps; rep++) {
        for (unsigned k = 0; k < SERVER_PROGRAMS; k++) {
            const unsigned i = (k + rep) % SERVER_PROGRAMS;

            if (scenario->results[i].unavailable == NULL)
                measure_slice(run, &scenario->results[i], effort, &loads[i], &row->shape, rep);
        }
    }
    for (int i = 0; i < SERVER_PROGRAMS; i++) {
        if (scenario->results[i].unavailable != NULL)
            continue;
        load_close(&loads[i]);
        server_end(&servers[i]);
    }
    bench_scenario_evaluate(scenario, effort->reps);
    if (row == &rows[0] && scenario->results[SERVER_MEMCACHED].unavailable == NULL)
        effort->peak = scenario->results[SERVER_MEMCACHED].rate.median;
}

/* ---- options ---- */

static _Noreturn void misused(void)
{
    fprintf(stderr,
            "usage: bench-cache [--reps N] [--slice MS] [--long] [--only TEXT] [--json FILE] [--plot FILE]"
            " [--pawl-cache PATH]\n");
    exit(EXIT_MISUSED);
}

static _Noreturn void list(void)
{
    for (unsigned i = 0; i < ROWS; i++)
        printf("%s\n", rows[i].group.name);
    figures_list(stdout);
    exit(0);
}

static _Noreturn void help(void)
{
    printf("bench-cache: %s\n\n"
           "  --reps N           rounds (%d; --long: %d)\n"
           "  --slice MS         how long a server is asked in a round (%d)\n"
           "  --long             more rounds, longer traces\n"
           "  --only TEXT        rows with this in their name; --list prints the names\n"
           "  --json FILE        figures as JSON; -: to standard output, in place of the table\n"
           "  --plot FILE        CPU times as SVG (needs gnuplot)\n"
           "  --pawl-cache PATH  this one, not that of the build folder or of PATH\n",
           program.about, REPS, LONG_REPS, SLICE_MS);
    exit(0);
}

static unsigned number(const char *text, unsigned most)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);

    if (*end != '\0' || value == 0 || value > most) {
        fprintf(stderr, "bench-cache: '%s' is not a number from 1 to %u\n", text, most);
        exit(EXIT_MISUSED);
    }
    return (unsigned)value;
}

static const char *read_options(char **argv, struct bench_options *options, struct effort *effort)
{
    const char *pawl_cache = NULL;

    for (char **arg = argv + 1; *arg != NULL; arg++) {
        const char *option = *arg;

        if (strcmp(option, "--help") == 0)
            help();
        if (strcmp(option, "--list") == 0)
            list();
        if (strcmp(option, "--long") == 0) {
            effort->full = true;
            continue;
        }
        if (*++arg == NULL)
            misused();
        if (strcmp(option, "--reps") == 0)
            options->reps = number(*arg, FIGURE_REPS_MAX);
        else if (strcmp(option, "--slice") == 0)
            options->slice_ms = number(*arg, SLICE_MAX_MS);
        else if (strcmp(option, "--only") == 0)
            effort->only = *arg;
        else if (strcmp(option, "--json") == 0)
            options->json = *arg;
        else if (strcmp(option, "--plot") == 0)
            options->plot = *arg;
        else if (strcmp(option, "--pawl-cache") == 0)
            pawl_cache = *arg;
        else
            misused();
    }
    if (options->reps == 0)
        options->reps = effort->full ? LONG_REPS : REPS;
    effort->reps = options->reps;
    effort->slice_ns = (uint64_t)options->slice_ms * MILLISECOND;
    return pawl_cache;
}

static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- reports ---- */

static int report(const struct bench_run *run, const struct figure *figures, unsigned count)
{
    const struct bench_options *options = run->options;
    struct bench_machine machine;
    json_t *more = figures_json(figures, count);
    int code = 0;

    bench_machine_describe(&machine);
    if (options->json == NULL || strcmp(options->json, "-") != 0) {
        bench_table_print(run, &machine, stdout);
        figures_print(figures, count, stdout);
    }
    if (options->json != NULL) {
        json_t *document = bench_json_build(run, &machine);

        if (document != NULL && json_object_set(document, "figures", more) != 0)
            server_die("the client", "no memory for the JSON");
        if (bench_json_save(document, program.name, options->json) != 0)
            code = 1;
    }
    if (options->plot != NULL && bench_plot_write(run, &machine, options->plot) != 0)
        code = 1;
    json_decref(more);
    if (fflush(stdout) != 0 || ferror(stdout))
        code = 1;
    return code;
}

int main(int argc, char **argv)
{
    struct bench_options options = {.slice_ms = SLICE_MS, .pin = true, .cpu_time = true, .what = BENCH_TIMES};
    struct bench_run run = {.program = &program, .options = &options, .scenarios = NULL};
    struct effort effort = {.cpu = -1};
    struct figure *figures = NULL;
    unsigned count;
    int code;

    (void)argc;
    servers_find(read_options(argv, &options, &effort));
    run.scenarios = calloc(ROWS, sizeof(struct bench_scenario));
    if (run.scenarios == NULL || bench_cpus_open(&run.cpus) != 0)
        server_die("cannot start", strerror(errno));
    if (run.cpus.count > 1) {
        effort.cpu = run.cpus.ids[0];
        (void)bench_cpus_pin(run.cpus.ids[1]);
    }
    allow_files();
    for (int i = 0; i < SERVER_PROGRAMS; i++)
        effort.out[i] = server_missing((enum server_program)i) != NULL;
    bench_probe_calibrate(&run.probe, PROBE_US * UINT64_C(1000));
    for (unsigned i = 0; i < ROWS; i++) {
        if (effort_wants(&effort, rows[i].group.name))
            measure_row(&run, &rows[i], &effort);
    }
    count = figures_measure(&effort, &figures);
    if (run.count + count == 0) {
        fprintf(stderr, "bench-cache: nothing matches --only '%s'; --list prints the names\n", effort.only);
        return EXIT_MISUSED;
    }
    code = report(&run, figures, count);
    free(figures);
    return code;
}
