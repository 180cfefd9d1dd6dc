/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "stats.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPTION_REPS = 256,
    OPTION_SLICE_MS,
    OPTION_THREADS,
    OPTION_ONLY,
    OPTION_LIST,
    OPTION_JSON,
    OPTION_PLOT,
    OPTION_QUICK,
    OPTION_NO_PIN,
    OPTION_CPU_TIME,
    OPTION_NO_PROGRESS,
    OPTION_COUNT,
    OPTION_COSTS,
    OPTION_NO_COSTS,
};

static const struct option long_options[] = {
    {"reps", required_argument, NULL, OPTION_REPS},
    {"slice-ms", required_argument, NULL, OPTION_SLICE_MS},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"list", no_argument, NULL, OPTION_LIST},
    {"json", required_argument, NULL, OPTION_JSON},
    {"plot", required_argument, NULL, OPTION_PLOT},
    {"quick", no_argument, NULL, OPTION_QUICK},
    {"no-pin", no_argument, NULL, OPTION_NO_PIN},
    {"cpu-time", no_argument, NULL, OPTION_CPU_TIME},
    {"no-progress", no_argument, NULL, OPTION_NO_PROGRESS},
    {"count", optional_argument, NULL, OPTION_COUNT},
    {"costs", no_argument, NULL, OPTION_COSTS},
    {"no-costs", no_argument, NULL, OPTION_NO_COSTS},
    {"help", no_argument, NULL, 'h'},
    {0},
};

enum {
    DEFAULT_REPS = 15,
    DEFAULT_SLICE_MS = 20,
    QUICK_REPS = 3,
    QUICK_SLICE_MS = 2,
    DEFAULT_COUNT = 1000,
    MAX_COUNT = 100000000,
    MAX_SLICE_MS = 60000,
};

static void print_help(FILE *out, const struct bench_program *program)
{
    fprintf(
        out,
        "Usage: bench-%s [OPTION]...\n"
        "%s\n\n"
        "Every contender of a scenario runs once in each repetition, one after the other, on the same\n"
        "pinned threads; figures are medians, ratios are taken inside a repetition.\n\n"
        "What runs\n"
        "  --list            print the names of all scenarios and contenders, and stop\n"
        "  --only REGEX      only what matches; the name is scenario/threads/contender (extended regex)\n"
        "  --threads N[,N]   these thread counts instead of each scenario's own\n"
        "How long\n"
        "  --reps N          repetitions (default %d)\n"
        "  --slice-ms MS     time of one contender in one repetition (default %d)\n"
        "  --quick           %d repetitions of %d ms: shows that it works, not how fast it is; no costs\n"
        "  --costs           measure no time: count only what an operation costs\n"
        "  --no-costs        do not count\n"
        "How\n"
        "  --no-pin          leave the placing of threads to the kernel\n"
        "  --cpu-time        the CPU time of the threads in place of the time that passed: for a machine with\n"
        "                    other work on it, and contenders that neither sleep nor wait for each other\n"
        "  --no-progress     no progress line (there is none anyway unless stderr is a terminal)\n"
        "  --count[=N]       run N iterations (default %d) for callgrind to count instead of measuring\n"
        "                    time; meant to be called by the script bench/instructions\n"
        "Results\n"
        "  --json FILE       also write everything as JSON; - is standard output, without the table\n"
        "  --plot FILE.svg   also draw medians and spread as bars (needs gnuplot)\n"
        "  -h, --help        this text\n\n"
        "Columns: ns/op is the time one CPU spends on one operation, ops/s what all threads do together;\n"
        "spread is the range of the middle 80 %% of the repetitions in percent of the median; \"x first\" is the\n"
        "time relative to the first contender (2.00x takes twice as long), with the range of its middle 80 %%.\n"
        "RMW, fence, lines, sys: atomic read-modify-writes, fences, cache lines written (not those of the stack,\n"
        "not thread-local ones) and system calls of one operation, counted instruction by instruction with one\n"
        "thread alone; they do not depend on the machine. \"-\": not without a partner, or not here.\n"
        "Exit status: 0 done, 1 something failed, 2 wrong usage.\n",
        program->name, program->about, DEFAULT_REPS, DEFAULT_SLICE_MS, QUICK_REPS, QUICK_SLICE_MS,
        DEFAULT_COUNT);
}

/* One line that says what is wrong and what would be right. */
__attribute__((format(printf, 3, 4))) static enum bench_next misuse(FILE *errors,
                                                                    const struct bench_program *program,
                                                                    const char *format, ...)
{
    va_list arguments;

    fprintf(errors, "bench-%s: ", program->name);
    va_start(arguments, format);
    vfprintf(errors, format, arguments); // NOLINT(clang-analyzer-valist.Uninitialized): started above
    va_end(arguments);
    fprintf(errors, "; --help lists the options\n");
    return BENCH_MISUSED;
}

/* All of `text` as a whole number from 1 to `most`; 0 when it is anything else. */
static uint64_t parse_count(const char *text, uint64_t most)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && value <= most ? value : 0;
}

static double parse_milliseconds(const char *text)
{
    char *end = NULL;
    const double value = strtod(text, &end);

    return end != text && *end == '\0' && isfinite(value) && value > 0 && value <= MAX_SLICE_MS ? value : 0;
}

/* "1,2,8". Returns 0 or -EINVAL. */
static int parse_threads(struct bench_options *options, const char *text)
{
    char *copy = strdup(text);
    char *rest = copy;
    unsigned n = 0;
    int error = copy == NULL ? -ENOMEM : 0;

    memset(options->threads, 0, sizeof(options->threads));
    for (char *word; error == 0 && (word = strsep(&rest, ",")) != NULL;) {
        const uint64_t count = parse_count(word, BENCH_MAX_THREADS);

        if (count == 0 || n == BENCH_MAX_THREAD_COUNTS)
            error = -EINVAL;
        else
            options->threads[n++] = (int)count;
    }
    free(copy);
    return error;
}

static enum bench_next compile_only(struct bench_options *options, const char *text,
                                    const struct bench_program *program, FILE *errors)
{
    if (options->only != NULL)
        return misuse(errors, program, "--only can be given once; REGEX may say a|b");

    const int code = regcomp(&options->only_regex, text, REG_EXTENDED | REG_NOSUB);
    if (code != 0) {
        char reason[128];

        regerror(code, &options->only_regex, reason, sizeof(reason));
        return misuse(errors, program, "--only '%s' is not a regular expression: %s", text, reason);
    }
    options->only = text;
    return BENCH_GO;
}

static enum bench_next apply(struct bench_options *options, int option, const char *value,
                             const struct bench_program *program, FILE *errors)
{
    switch (option) {
    case OPTION_REPS:
        options->reps = (unsigned)parse_count(value, BENCH_MAX_REPS);
        if (options->reps == 0)
            return misuse(errors, program, "--reps wants a number from 1 to %d, not '%s'", BENCH_MAX_REPS,
                          value);
        return BENCH_GO;
    case OPTION_SLICE_MS:
        options->slice_ms = parse_milliseconds(value);
        if (!(options->slice_ms > 0))
            return misuse(errors, program,
                          "--slice-ms wants milliseconds, more than 0 and at most %d, not '%s'", MAX_SLICE_MS,
                          value);
        return BENCH_GO;
    case OPTION_THREADS:
        if (parse_threads(options, value) != 0)
            return misuse(errors, program,
                          "--threads wants up to %d numbers from 1 to %d, separated by commas, not '%s'",
                          BENCH_MAX_THREAD_COUNTS, BENCH_MAX_THREADS, value);
        return BENCH_GO;
    case OPTION_ONLY:
        return compile_only(options, value, program, errors);
    case OPTION_LIST:
        options->list = true;
        return BENCH_GO;
    case OPTION_JSON:
        options->json = value;
        return BENCH_GO;
    case OPTION_PLOT:
        options->plot = value;
        return BENCH_GO;
    case OPTION_QUICK:
        options->reps = QUICK_REPS;
        options->slice_ms = QUICK_SLICE_MS;
        if (options->what == BENCH_TIMES_AND_COSTS)
            options->what = BENCH_TIMES;
        return BENCH_GO;
    case OPTION_NO_PIN:
        options->pin = false;
        return BENCH_GO;
    case OPTION_CPU_TIME:
        options->cpu_time = true;
        return BENCH_GO;
    case OPTION_NO_PROGRESS:
        options->quiet = true;
        return BENCH_GO;
    case OPTION_COSTS:
        options->what = BENCH_COSTS;
        return BENCH_GO;
    case OPTION_NO_COSTS:
        options->what = BENCH_TIMES;
        return BENCH_GO;
    case OPTION_COUNT:
        options->count = value == NULL ? DEFAULT_COUNT : parse_count(value, MAX_COUNT);
        if (options->count == 0)
            return misuse(errors, program, "--count wants a number from 1 to %d, not '%s'", MAX_COUNT, value);
        return BENCH_GO;
    default:
        return BENCH_MISUSED;
    }
}

/* What getopt_long() did not like, in our words. */
static enum bench_next unknown(const char *argument, int option, const struct bench_program *program,
                               FILE *errors)
{
    if (option == ':')
        return misuse(errors, program, "%s wants a value", argument);
    return misuse(errors, program, "no such option: %s", argument);
}

enum bench_next bench_options_open(struct bench_options *options, int argc, char **argv,
                                   const struct bench_program *program, FILE *out, FILE *errors)
{
    enum bench_next next = BENCH_GO;
    int option;

    *options = (struct bench_options){.reps = DEFAULT_REPS, .slice_ms = DEFAULT_SLICE_MS, .pin = true};
    optind = 0; /* start anew, also when called again */
    while (next == BENCH_GO && (option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        if (option == 'h') {
            print_help(out, program);
            next = BENCH_HELPED;
        } else if (option == '?' || option == ':') {
            next = unknown(argv[optind - 1], option, program, errors);
        } else {
            next = apply(options, option, optarg, program, errors);
        }
    }
    if (next == BENCH_GO && optind < argc)
        next = misuse(errors, program, "what is '%s'? This program takes options only", argv[optind]);
    if (next == BENCH_GO && options->count != 0 && (options->json != NULL || options->plot != NULL))
        next = misuse(errors, program, "--count measures no time, so it goes with neither --json nor --plot");
    if (next == BENCH_GO && options->what == BENCH_COSTS && (options->json != NULL || options->plot != NULL))
        next = misuse(errors, program, "--costs measures no time, so it goes with neither --json nor --plot");
    if (next != BENCH_GO)
        bench_options_close(options);
    return next;
}

void bench_options_close(struct bench_options *options)
{
    if (options->only != NULL)
        regfree(&options->only_regex);
    options->only = NULL;
}

bool bench_options_keep(const struct bench_options *options, const char *group, unsigned threads,
                        const char *contender)
{
    char *name = NULL;

    if (options->only == NULL)
        return true;
    if (asprintf(&name, "%s/%u/%s", group, threads, contender) < 0)
        return false;
    const bool keep = regexec(&options->only_regex, name, 0, NULL, 0) == 0;
    free(name);
    return keep;
}
