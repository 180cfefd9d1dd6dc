/* SPDX-License-Identifier: MIT */
/* The three ways in which a finished run is shown. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "machine.h"
#include "run.h"

#include <jansson.h>
#include <stdio.h>

/* The names of all scenarios and contenders of the run, one a line, as --only matches them. */
void bench_table_list(const struct bench_run *run, FILE *out);

void bench_table_print(const struct bench_run *run, const struct bench_machine *machine, FILE *out);

/* What operations cost, without times. Scenarios of which nothing is known are left out. */
void bench_table_print_costs(const struct bench_run *run, FILE *out);

/* The document that docs/bench.md describes; a new reference, or NULL when memory is out. */
json_t *bench_json_build(const struct bench_run *run, const struct bench_machine *machine);

/* Writes it to a file, or to standard output for "-". Returns 0 or a negative errno, said on stderr. */
int bench_json_write(const struct bench_run *run, const struct bench_machine *machine, const char *path);

/* The same, of a document with more in it; takes the reference. NULL is for want of memory. */
int bench_json_save(json_t *document, const char *program, const char *path);

/* Draws the medians as an SVG with gnuplot. Returns 0 or a negative errno, said on stderr. */
int bench_plot_write(const struct bench_run *run, const struct bench_machine *machine, const char *path);

#endif
