/* SPDX-License-Identifier: MIT */
/* The numbers of a Zipf distribution are made as J. Gray and others do it, "Quickly generating billion-record synthetic
 * databases", 1994. */
#include "trace.h"

#include "bench.h"

#include <math.h>

enum {
    SCAN_EVERY = 10000, /* requests */
    SCAN = 2000,        /* of which the last are a scan */
};

#define THETA 0.99

void trace_begin(struct trace *trace, enum trace_kind kind, uint32_t keys, uint64_t seed)
{
    const double zeta_of_2 = 1 + pow(0.5, THETA);

    *trace = (struct trace){.kind = kind, .keys = keys, .random = seed};
    if (kind == TRACE_LOOP)
        return;
    for (uint32_t i = 1; i <= keys; i++)
        trace->zeta += pow(1.0 / i, THETA);
    trace->alpha = 1 / (1 - THETA);
    trace->eta = (1 - pow(2.0 / keys, 1 - THETA)) / (1 - zeta_of_2 / trace->zeta);
}

static uint32_t zipf(struct trace *trace)
{
    const double u = bench_random(&trace->random) / 4294967296.0;
    const double share = u * trace->zeta;
    uint32_t rank;

    if (share < 1)
        return 0;
    if (share < 1 + pow(0.5, THETA))
        return 1;
    rank = (uint32_t)(trace->keys * pow(trace->eta * u - trace->eta + 1, trace->alpha));
    return rank < trace->keys ? rank : trace->keys - 1;
}

uint32_t trace_next(struct trace *trace)
{
    const uint64_t number = trace->count++;

    if (trace->kind == TRACE_LOOP)
        return (uint32_t)(number % trace->keys);
    if (trace->kind == TRACE_SCANS && number % SCAN_EVERY >= SCAN_EVERY - SCAN)
        return trace->keys + trace->scanned++;
    return zipf(trace);
}
