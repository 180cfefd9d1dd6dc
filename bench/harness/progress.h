/* SPDX-License-Identifier: MIT */
/* The line on a terminal that says what is running and how long it will take. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct bench_progress {
    bool shown; /* stderr is a terminal and nobody asked for silence */
    uint64_t steps;
    uint64_t done;
    uint64_t began_ns;
    uint64_t drawn_ns;
};

void bench_progress_open(struct bench_progress *progress, uint64_t steps, bool quiet);

/* About to do the next step; `doing` names it in a few words. */
void bench_progress_step(struct bench_progress *progress, const char *group, const char *contender,
                         const char *doing);

/* Erases the line. */
void bench_progress_close(struct bench_progress *progress);

#endif
