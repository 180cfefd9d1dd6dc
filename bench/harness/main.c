/* SPDX-License-Identifier: MIT */
#include "count.h"
#include "report.h"

#include <errno.h>
#include <string.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSED = 2 };

/* A full disk or a closed pipe must not look like success. */
static int flush_stdout(const struct bench_program *program)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, "bench-%s: cannot write to standard output: %s\n", program->name, strerror(errno));
    return EXIT_FAILED;
}

static int measure_and_report(struct bench_run *run)
{
    const struct bench_options *options = run->options;
    struct bench_machine machine;
    int code = EXIT_DONE;

    bench_machine_describe(&machine);
    if (options->what != BENCH_TIMES)
        bench_run_count_costs(run); /* first, while there is one thread */
    if (bench_run_measure(run) != 0)
        return EXIT_FAILED;
    if (options->json == NULL || strcmp(options->json, "-") != 0)
        bench_table_print(run, &machine, stdout);
    code = flush_stdout(run->program);
    if (options->json != NULL && bench_json_write(run, &machine, options->json) != 0)
        code = EXIT_FAILED;
    if (options->plot != NULL && bench_plot_write(run, &machine, options->plot) != 0)
        code = EXIT_FAILED;
    return code;
}

static int count_and_report(struct bench_run *run)
{
    bench_run_count_costs(run);
    bench_table_print_costs(run, stdout);
    return flush_stdout(run->program);
}

static int run_program(struct bench_run *run)
{
    if (run->options->list) {
        bench_table_list(run, stdout);
        return flush_stdout(run->program);
    }
    if (run->options->count != 0)
        return bench_count(run) == 0 ? flush_stdout(run->program) : EXIT_FAILED;
    if (run->options->what == BENCH_COSTS)
        return count_and_report(run);
    return measure_and_report(run);
}

int bench_main(int argc, char **argv, const struct bench_program *program)
{
    struct bench_options options;
    struct bench_run run;
    int code;

    switch (bench_options_open(&options, argc, argv, program, stdout, stderr)) {
    case BENCH_HELPED:
        return flush_stdout(program);
    case BENCH_MISUSED:
        return EXIT_MISUSED;
    case BENCH_GO:
        break;
    }
    const int error = bench_run_open(&run, program, &options);
    if (error == -ENOENT) {
        fprintf(stderr, "bench-%s: nothing matches --only '%s'; --list prints the names\n", program->name,
                options.only != NULL ? options.only : "");
        code = EXIT_MISUSED;
    } else if (error != 0) {
        fprintf(stderr, "bench-%s: cannot start: %s\n", program->name, strerror(-error));
        code = EXIT_FAILED;
    } else {
        code = run_program(&run);
        bench_run_close(&run);
    }
    bench_options_close(&options);
    return code;
}
