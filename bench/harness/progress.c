/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    REDRAW_NS = 100000000, /* ten times a second: readable, and no load on the terminal */
    DEFAULT_COLUMNS = 80,
};

void bench_progress_open(struct bench_progress *progress, uint64_t steps, bool quiet)
{
    const char *term = getenv("TERM");

    *progress = (struct bench_progress){
        .shown = !quiet && isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0,
        .steps = steps,
        .began_ns = bench_now_ns(),
    };
}

static int terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        return size.ws_col;
    return DEFAULT_COLUMNS;
}

void bench_progress_step(struct bench_progress *progress, const char *group, const char *contender,
                         const char *doing)
{
    const uint64_t now = bench_now_ns();
    const uint64_t done = progress->done++;
    char left[32] = "";
    char line[512];

    if (!progress->shown || (done > 0 && now - progress->drawn_ns < REDRAW_NS))
        return;
    progress->drawn_ns = now;
    if (done > 0) {
        const double per_step = (double)(now - progress->began_ns) / (double)done;

        snprintf(left, sizeof(left), ", %.0f s left", per_step * (double)(progress->steps - done) / 1e9);
    }
    snprintf(line, sizeof(line), "%3.0f %%%s: %s, %s, %s", 100.0 * (double)done / (double)progress->steps,
             left, group, contender, doing);
    fprintf(stderr, "\r\033[K%.*s", terminal_columns() - 1, line);
    fflush(stderr);
}

void bench_progress_close(struct bench_progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
