/* SPDX-License-Identifier: MIT */
/* Order statistics over the repetitions. All of them ignore values that are not finite. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

enum { BENCH_MAX_REPS = 1000 };

/* The middle of the repetitions and the range that holds 80 % of them. NaN when there are none. */
struct bench_summary {
    double median;
    double low;  /* 10th percentile */
    double high; /* 90th percentile */
};

/* The p-th percentile (0 <= p <= 100) of n ascending values, interpolated between neighbours;
 * NaN for n = 0. */
double bench_percentile(const double *sorted, size_t n, double p);

/* n <= BENCH_MAX_REPS. NaN when fewer than half of the values are finite: what is left would not be
 * the middle of anything. */
struct bench_summary bench_summarise(const double *samples, size_t n);

/* (high - low) / median in percent; NaN unless the median is positive. */
double bench_spread(const struct bench_summary *summary);

/* out[i] = a[i] / b[i], NaN unless both are positive: a time below nothing has no ratio. */
void bench_ratios(const double *a, const double *b, size_t n, double *out);

/* out[i] = a[i] - b[i]. */
void bench_differences(const double *a, const double *b, size_t n, double *out);

#endif
