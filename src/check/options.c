/* SPDX-License-Identifier: MIT */
/* Options: from the program's own PAWL_CHECK_OPTIONS, then the environment (PAWL_CHECK), then the command
 * line up to "--"; later ones win. */
#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "This program was built with pawl-cc: it runs under a model checker, which explores every execution.\n"
    "usage: %s [options] [-- arguments of the program]\n"
    "  --model=rc11|sc|tso    memory model (rc11)\n"
    "  --outcomes             print what the program printed, and in how many executions\n"
    "  --interleavings        explore interleavings one by one instead of execution graphs (an oracle; slow)\n"
    "  --all-values           with --interleavings: every value that the model allows, not the latest only\n"
    "  --bound=N              interleavings with at most N preemptions (not exhaustive); sequentially consistent unless\n"
    "                         --model says otherwise: then a load takes every older value too that the model allows\n"
    "  --random=N [--seed=S]  N random executions (not exhaustive)\n"
    "  --replay=FILE          run the execution that FILE describes, once, with its output; for debuggers\n"
    "  --trace=FILE           where to write a failing execution for --replay (default: <program>.trace)\n"
    "  --dot=FILE             write the failing (or replayed) execution as a graph for dot\n"
    "  --max-executions=N     stop after N executions\n"
    "  --max-time=SECONDS     stop after so long\n"
    "  --max-events=N         events of one thread in one execution (1000)\n"
    "  --patience=SECONDS     processor time that a thread may use from one event to the next (5)\n"
    "  --stack=KIB            stack of each thread (256)\n"
    "  --jobs=N               processes (with --mutate: mutants at a time)\n"
    "  --mutate               weaken one memory order at a time: which ones does the test not need?\n"
    "  --symmetry             threads of the same function and argument are the same: one of their permutations\n"
    "  --spurious             weak compare-exchange may fail for no reason (gcc only; clang's calls do not say weak)\n"
    "  --no-races             do not report data races\n"
    "  --no-leaks             do not report leaks\n"
    "  --no-await             do not recognise loops that wait: explore every round of them (to test the checker)\n"
    "  --distinct             count distinct complete executions by their hash (to test the checker)\n"
    "  --json                 one JSON object as the result\n"
    "  --quiet                the result line only when something is wrong\n"
    "  --help                 this text\n"
    "exit status: 0 no bug in any execution; 1 a bug; 2 wrong options; 3 no bug, not everything explored;\n"
    "             4 the checker cannot go on\n";

enum {
    OPT_MODEL = 256,
    OPT_OUTCOMES,
    OPT_INTERLEAVINGS,
    OPT_ALL_VALUES,
    OPT_BOUND,
    OPT_RANDOM,
    OPT_SEED,
    OPT_REPLAY,
    OPT_TRACE,
    OPT_DOT,
    OPT_MAX_EXECUTIONS,
    OPT_MAX_TIME,
    OPT_MAX_EVENTS,
    OPT_PATIENCE,
    OPT_STACK,
    OPT_JOBS,
    OPT_MUTATE,
    OPT_SYMMETRY,
    OPT_SPURIOUS,
    OPT_NO_RACES,
    OPT_NO_LEAKS,
    OPT_NO_AWAIT,
    OPT_DISTINCT,
    OPT_JSON,
    OPT_QUIET,
    OPT_HELP
};

static const struct option long_options[] = {
    {"model", required_argument, NULL, OPT_MODEL},
    {"outcomes", no_argument, NULL, OPT_OUTCOMES},
    {"interleavings", no_argument, NULL, OPT_INTERLEAVINGS},
    {"all-values", no_argument, NULL, OPT_ALL_VALUES},
    {"bound", required_argument, NULL, OPT_BOUND},
    {"random", required_argument, NULL, OPT_RANDOM},
    {"seed", required_argument, NULL, OPT_SEED},
    {"replay", required_argument, NULL, OPT_REPLAY},
    {"trace", required_argument, NULL, OPT_TRACE},
    {"dot", required_argument, NULL, OPT_DOT},
    {"max-executions", required_argument, NULL, OPT_MAX_EXECUTIONS},
    {"max-time", required_argument, NULL, OPT_MAX_TIME},
    {"max-events", required_argument, NULL, OPT_MAX_EVENTS},
    {"patience", required_argument, NULL, OPT_PATIENCE},
    {"stack", required_argument, NULL, OPT_STACK},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"mutate", no_argument, NULL, OPT_MUTATE},
    {"symmetry", no_argument, NULL, OPT_SYMMETRY},
    {"spurious", no_argument, NULL, OPT_SPURIOUS},
    {"no-races", no_argument, NULL, OPT_NO_RACES},
    {"no-await", no_argument, NULL, OPT_NO_AWAIT},
    {"no-leaks", no_argument, NULL, OPT_NO_LEAKS},
    {"distinct", no_argument, NULL, OPT_DISTINCT},
    {"json", no_argument, NULL, OPT_JSON},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void wrong(const char *program, const char *what, const char *value)
{
    fprintf(stderr, "%s: %s%s%s; --help lists the options\n", program, what, value ? ": " : "",
            value ? value : "");
    exit(STATUS_USAGE);
}

static long number(const char *program, const char *text, long min, long max)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || end == text || n < min || n > max)
        wrong(program, "not a number in range", text);
    return n;
}

static enum model model_named(const char *program, const char *name)
{
    static const char *const names[] = {[MODEL_RC11] = "rc11", [MODEL_SC] = "sc", [MODEL_TSO] = "tso"};
    for (int m = 0; m < 3; m++)
        if (!strcmp(name, names[m]))
            return (enum model)m;
    wrong(program, "no such model", name);
    return MODEL_RC11;
}

static bool model_given;

static void set(const char *program, int option, const char *value)
{
    switch (option) {
    case OPT_MODEL:
        options.model = model_named(program, value);
        model_given = true;
        break;
    case OPT_OUTCOMES:
        options.outcomes = true;
        break;
    case OPT_INTERLEAVINGS:
        options.interleavings = true;
        break;
    case OPT_ALL_VALUES:
        options.all_values = options.interleavings = true;
        break;
    case OPT_BOUND:
        options.bound = number(program, value, 0, 1000000);
        options.interleavings = true;
        break;
    case OPT_RANDOM:
        options.random = number(program, value, 1, INT64_MAX);
        break;
    case OPT_SEED:
        options.seed = (uint64_t)number(program, value, 0, INT64_MAX);
        break;
    case OPT_REPLAY:
        options.replay = value;
        break;
    case OPT_TRACE:
        options.trace_file = value;
        break;
    case OPT_DOT:
        options.dot_file = value;
        break;
    case OPT_MAX_EXECUTIONS:
        options.max_executions = (uint64_t)number(program, value, 1, INT64_MAX);
        break;
    case OPT_MAX_TIME:
        options.max_seconds = (double)number(program, value, 1, 1000000);
        break;
    case OPT_MAX_EVENTS:
        options.max_events = (int)number(program, value, 1, MAX_EVENTS);
        break;
    case OPT_PATIENCE:
        options.patience = (int)number(program, value, 1, 3600);
        break;
    case OPT_STACK:
        options.stack_bytes = (size_t)number(program, value, 16, 65536) << 10;
        break;
    case OPT_JOBS:
        options.jobs = (int)number(program, value, 1, 256);
        break;
    case OPT_MUTATE:
        options.mutate = true;
        break;
    case OPT_SYMMETRY:
        options.symmetry = true;
        break;
    case OPT_SPURIOUS:
        options.spurious = true;
        break;
    case OPT_NO_RACES:
        options.races = false;
        break;
    case OPT_NO_AWAIT:
        options.awaits = false;
        break;
    case OPT_NO_LEAKS:
        options.leaks = false;
        break;
    case OPT_DISTINCT:
        options.count_graphs = true;
        break;
    case OPT_JSON:
        options.json = true;
        break;
    case OPT_QUIET:
        options.quiet = true;
        break;
    case OPT_HELP:
        printf(help, program);
        exit(0);
    default:
        exit(STATUS_USAGE);
    }
}

static int parse(int argc, char **argv)
{
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "+", long_options, NULL)) != -1)
        set(argv[0], option, optarg);
    int used = optind;
    optind = 1; /* the program may use getopt itself */
    return used;
}

static void parse_text(const char *program, const char *text)
{
    enum { WORDS = 64 };
    char *argv[WORDS + 1] = {(char *)(uintptr_t)program}, *copy = strdup(text ? text : ""), *rest = copy;
    int argc = 1;
    for (char *word; (word = strtok_r(rest, " ", &rest)) && argc < WORDS;)
        argv[argc++] = word;
    /* Options point into the copy until the end. */
    if (parse(argc, argv) != argc) // NOLINT(clang-analyzer-unix.Malloc)
        wrong(program, "not an option", text);
}

int options_parse(int argc, char **argv, const char *from_program)
{
    options = (struct options){.bound = -1,
                               .races = true,
                               .leaks = true,
                               .awaits = true,
                               .max_events = 1000,
                               .jobs = 1,
                               .patience = 5,
                               .seed = 1,
                               .stack_bytes = 256 << 10};
    parse_text(argv[0], from_program);
    parse_text(argv[0], getenv("PAWL_CHECK"));
    int used = parse(argc, argv);
    if (options.bound >= 0 && !model_given)
        options.model = MODEL_SC;
    if (options.bound >= 0 && options.model != MODEL_SC)
        options.all_values = true;
    bool oracle = options.interleavings || options.random;
    if (options.jobs > 1 && oracle)
        wrong(argv[0], "--jobs does not go with --interleavings, --bound, --random", NULL);
    if (options.symmetry && oracle)
        wrong(argv[0], "--symmetry does not go with --interleavings, --bound, --random", NULL);
    if (used < argc && strcmp(argv[used - 1], "--") != 0)
        wrong(argv[0], "arguments of the program come after --", argv[used]);
    return used;
}
