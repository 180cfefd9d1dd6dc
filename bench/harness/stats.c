/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

double bench_percentile(const double *sorted, size_t n, double p)
{
    if (n == 0)
        return nan("");

    const double position = p / 100 * (double)(n - 1);
    const size_t below = (size_t)position;

    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (position - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct bench_summary bench_summarise(const double *samples, size_t n)
{
    double sorted[BENCH_MAX_REPS];
    size_t kept = 0;

    for (size_t i = 0; i < n && kept < BENCH_MAX_REPS; ++i) {
        if (isfinite(samples[i]))
            sorted[kept++] = samples[i];
    }
    if (kept * 2 < n)
        kept = 0;
    qsort(sorted, kept, sizeof(sorted[0]), compare);
    return (struct bench_summary){
        .median = bench_percentile(sorted, kept, 50),
        .low = bench_percentile(sorted, kept, 10),
        .high = bench_percentile(sorted, kept, 90),
    };
}

double bench_spread(const struct bench_summary *summary)
{
    if (!(summary->median > 0))
        return nan("");
    return (summary->high - summary->low) / summary->median * 100;
}

void bench_ratios(const double *a, const double *b, size_t n, double *out)
{
    for (size_t i = 0; i < n; ++i)
        out[i] = a[i] > 0 && b[i] > 0 ? a[i] / b[i] : nan("");
}

void bench_differences(const double *a, const double *b, size_t n, double *out)
{
    for (size_t i = 0; i < n; ++i)
        out[i] = a[i] - b[i];
}
