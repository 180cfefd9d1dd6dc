/* SPDX-License-Identifier: MIT */
/* Figures that are no CPU time: latency, memory, misses, starting. */
#ifndef BENCH_CACHE_FIGURES_H
#define BENCH_CACHE_FIGURES_H

#include "server.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { FIGURE_REPS_MAX = 101 };

/* How much is done. */
struct effort {
    unsigned reps;
    uint64_t slice_ns;
    bool full;                 /* --long */
    int cpu;                   /* of the servers; -1: any */
    const char *only;          /* rows whose names have this in them; NULL: all */
    double peak;               /* requests a second of memcached; 0: not known yet */
    bool out[SERVER_PROGRAMS]; /* takes no part */
};

struct figure {
    const char *name, *unit;
    unsigned reps[SERVER_PROGRAMS]; /* 0: not measured */
    double values[SERVER_PROGRAMS][FIGURE_REPS_MAX];
    bool disturbed; /* others had the servers' CPU for more than a fiftieth of the time */
};

/* Measures them all. Returns how many, in *figures, to be freed. */
unsigned figures_measure(struct effort *effort, struct figure **figures);

/* The names, one a line. */
void figures_list(FILE *out);

void figures_print(const struct figure *figures, unsigned count, FILE *out);
json_t *figures_json(const struct figure *figures, unsigned count);

bool effort_wants(const struct effort *effort, const char *name);

#endif
