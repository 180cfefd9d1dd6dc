/* SPDX-License-Identifier: MIT */
/* Sequences of keys that caches are judged by. */
#ifndef BENCH_CACHE_TRACE_H
#define BENCH_CACHE_TRACE_H

#include <stdint.h>

enum trace_kind {
    TRACE_ZIPF,  /* key i with a probability of 1/(i + 1)^0.99 */
    TRACE_SCANS, /* the same; one request in five belongs to a scan of keys that are asked for once */
    TRACE_LOOP,  /* all keys in their order, again and again */
    TRACE_KINDS
};

struct trace {
    enum trace_kind kind;
    uint32_t keys;
    uint64_t random;
    uint64_t count;   /* requests so far */
    uint32_t scanned; /* keys so far */
    double zeta, alpha, eta;
};

void trace_begin(struct trace *trace, enum trace_kind kind, uint32_t keys, uint64_t seed);
uint32_t trace_next(struct trace *trace);

#endif
