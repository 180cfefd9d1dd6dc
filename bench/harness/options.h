/* SPDX-License-Identifier: MIT */
/* The command line of every benchmark program. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "bench.h"

#include <regex.h>
#include <stdio.h>

enum { BENCH_MAX_THREADS = 4096 };

/* Whether to count what operations cost (costs.h), and whether to measure time. */
enum bench_what { BENCH_TIMES_AND_COSTS, BENCH_TIMES, BENCH_COSTS };

struct bench_options {
    unsigned reps;
    double slice_ms;
    int threads[BENCH_MAX_THREAD_COUNTS]; /* up to the first 0; none: as the groups say */
    bool pin;
    bool cpu_time; /* CPU time in place of elapsed time */
    enum bench_what what;
    bool list;
    bool quiet;         /* no progress line even on a terminal */
    const char *json;   /* file name, "-": standard output, NULL: none */
    const char *plot;   /* file name or NULL */
    uint64_t count;     /* iterations to count instructions of; 0: measure time */
    const char *only;   /* the expression as given, or NULL */
    regex_t only_regex; /* compiled; valid when only is set */
};

/* What bench_main() does next. */
enum bench_next { BENCH_GO, BENCH_HELPED, BENCH_MISUSED };

/* Reads the options; what is wrong, or the help, is printed (errors to `errors`). After BENCH_GO
 * the caller owns *options and closes it. */
enum bench_next bench_options_open(struct bench_options *options, int argc, char **argv,
                                   const struct bench_program *program, FILE *out, FILE *errors);
void bench_options_close(struct bench_options *options);

/* Does --only keep this contender of this group with this many threads? */
bool bench_options_keep(const struct bench_options *options, const char *group, unsigned threads,
                        const char *contender);

#endif
