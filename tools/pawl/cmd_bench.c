/* SPDX-License-Identifier: MIT */
/* pawl bench: find a benchmark and become it. */
#include "benches.h"
#include "pawl.h"
#include "suggest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(int argc, char **argv);

const struct command cmd_bench = {
    .name = "bench",
    .summary = "list the benchmarks, or run one",
    .help = "Usage: pawl bench [--list]\n"
            "       pawl bench NAME [ARGUMENTS]\n"
            "       pawl bench --all [ARGUMENTS]\n"
            "\n"
            "Without NAME, list the benchmarks. With NAME, run that benchmark with ARGUMENTS; its exit\n"
            "status becomes that of the command. 'pawl bench NAME --help' asks the benchmark itself.\n"
            "With --all, run each in turn with ARGUMENTS; one that fails does not stop the rest.\n"
            "\n"
            "A benchmark is an executable called bench-NAME. They are looked for in the directory\n"
            "$PAWL_BENCH_DIR if it is set; else, when pawl runs from its build directory, in that; else\n"
            "in the directory they were installed to, libexec/pawl.\n"
            "\n"
            "Options:\n"
            "      --all   run every benchmark\n"
            "  -l, --list  only the names, one a line\n"
            "  -h, --help  this text\n"
            "\n"
            "Examples:\n"
            "  pawl bench\n"
            "  pawl bench percpu --help\n"
            "  pawl bench --all\n"
            "  PAWL_BENCH_DIR=~/mine pawl bench\n",
    .run = run,
};

/* Has no letter: a long run should not be one slip away. */
enum { OPTION_ALL = 256 };

static const struct option options[] = {
    {"all", no_argument, NULL, OPTION_ALL},
    {"help", no_argument, NULL, 'h'},
    {"list", no_argument, NULL, 'l'},
    {NULL, 0, NULL, 0},
};

static int none_found(const struct benches *benches)
{
    return command_failed(
        &cmd_bench,
        "no benchmarks in %s; configure the build with -Dbench=enabled, or set PAWL_BENCH_DIR to a "
        "directory with executables called bench-NAME",
        benches->searched[0]);
}

static int list(const struct benches *benches, bool names_only)
{
    if (benches->count == 0)
        return none_found(benches);
    if (!names_only)
        printf("Benchmarks in %s:\n", benches->searched[0]);
    for (size_t i = 0; i < benches->count; i++)
        printf("%s%s\n", names_only ? "" : "  ", benches->found[i].name);
    if (!names_only)
        puts("\nRun one with 'pawl bench NAME'; 'pawl bench NAME --help' tells its options.");
    return STATUS_OK;
}

static int unknown(const struct benches *benches, const char *name)
{
    struct suggestions near;

    if (benches->count == 0)
        return none_found(benches);
    fprintf(stderr, "pawl bench: there is no benchmark '%s' in %s", name, benches->searched[0]);
    suggest_start(&near, name);
    for (size_t i = 0; i < benches->count; i++)
        suggest_consider(&near, benches->found[i].name);
    for (size_t i = 0; i < near.count; i++)
        fprintf(stderr, "%s%s",
                i == 0               ? "; did you mean "
                : i + 1 < near.count ? ", "
                                     : " or ",
                near.names[i]);
    fprintf(stderr, "%s\nRun 'pawl bench' for the list.\n", near.count > 0 ? "?" : "");
    return STATUS_USAGE;
}

static int become(const struct bench *bench, char **argv)
{
    argv[0] = bench->path;
    /* Nothing of ours is buffered yet: exec would lose it. */
    execv(bench->path, argv);
    return command_failed(&cmd_bench, "cannot run %s: %s", bench->path, strerror(errno));
}

static int run_and_wait(const struct bench *bench, char **argv)
{
    int status;
    pid_t child = fork();

    if (child < 0)
        return command_failed(&cmd_bench, "cannot start %s: %s", bench->path, strerror(errno));
    if (child == 0)
        _exit(become(bench, argv));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return command_failed(&cmd_bench, "lost %s: %s", bench->path, strerror(errno));
    if (WIFSIGNALED(status))
        return command_failed(&cmd_bench, "%s was ended by signal %d (%s)", bench->name, WTERMSIG(status),
                              strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return command_failed(&cmd_bench, "%s failed with status %d", bench->name, WEXITSTATUS(status));
    return STATUS_OK;
}

/* argv[0] is a place for the benchmark's path; its arguments follow. */
static int run_all(const struct benches *benches, char **argv)
{
    size_t failed = 0;

    if (benches->count == 0)
        return none_found(benches);
    for (size_t i = 0; i < benches->count; i++) {
        printf("%s== %s\n", i == 0 ? "" : "\n", benches->found[i].name);
        fflush(stdout); /* before the benchmark writes to the same file */
        failed += run_and_wait(&benches->found[i], argv) != STATUS_OK;
    }
    if (failed > 0)
        return command_failed(&cmd_bench, "%zu of %zu benchmarks failed", failed, benches->count);
    return STATUS_OK;
}

enum action { LIST_OR_RUN, LIST_NAMES, RUN_ALL, HELP };

static int parse(enum action *action, int argc, char **argv)
{
    int option;

    opterr = 0;
    /* "+": what follows NAME belongs to the benchmark. */
    while ((option = getopt_long(argc, argv, "+:hl", options, NULL)) != -1) {
        switch (option) {
        case OPTION_ALL:
            *action = RUN_ALL; /* what follows belongs to the benchmarks */
            return STATUS_OK;
        case 'h':
            *action = HELP;
            return STATUS_OK;
        case 'l':
            *action = LIST_NAMES;
            break;
        default:
            return command_option_refused(&cmd_bench, argv, options, option);
        }
    }
    if (*action == LIST_NAMES && optind < argc)
        return command_misused(&cmd_bench, "--list takes no benchmark, got '%s'", argv[optind]);
    return STATUS_OK;
}

static int perform(enum action action, const struct benches *benches, char **argv)
{
    const struct bench *bench;

    if (action == RUN_ALL)
        return run_all(benches, argv - 1); /* the word "--all" makes room for the path */
    if (action == LIST_NAMES || !argv[0])
        return list(benches, action == LIST_NAMES);
    bench = benches_named(benches, argv[0]);
    return bench ? become(bench, argv) : unknown(benches, argv[0]);
}

static int run(int argc, char **argv)
{
    struct benches benches;
    enum action action = LIST_OR_RUN;
    int status = parse(&action, argc, argv);
    int result;

    if (status != STATUS_OK)
        return status;
    if (action == HELP)
        return command_help(&cmd_bench);
    result = benches_find(&benches);
    if (result == 0)
        status = perform(action, &benches, argv + optind);
    else if (result == -ENOMEM)
        status = command_failed(&cmd_bench, "out of memory");
    else
        status = command_failed(&cmd_bench, "cannot read the directory %s that PAWL_BENCH_DIR names: %s",
                                benches.searched[0], strerror(-result));
    benches_free(&benches);
    return status;
}
