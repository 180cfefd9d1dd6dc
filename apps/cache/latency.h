/* SPDX-License-Identifier: MIT */
/* How long things took: a histogram whose classes grow with the value, sixteen to a power of two, so that a percentile is
 * right to a sixteenth. One writer, who adds by a load and a store; readers may be late. */
#ifndef CACHE_LATENCY_H
#define CACHE_LATENCY_H

#include <pawl/atomic.h>
#include <pawl/clock.h>
#include <pawl/config.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LATENCY_BITS = 4, /* 16 classes to a power of two */
    LATENCY_MAX_BITS = 40,
    LATENCY_CLASSES = (LATENCY_MAX_BITS - LATENCY_BITS + 1) << LATENCY_BITS,
};

/* Zeroed memory is an empty one. In cycles of <pawl/clock.h>: who reads converts, not who writes. */
struct cache_latency {
    PAWL_ATOMIC(uint64_t) sum, counts[LATENCY_CLASSES];
} PAWL_LINE_PAIR_ALIGNED;

static inline uint32_t cache_latency_class(uint64_t cycles)
{
    uint32_t top;

    if (cycles < 1u << LATENCY_BITS)
        return (uint32_t)cycles;
    top = 63 - (uint32_t)__builtin_clzll(cycles);
    if (PAWL_UNLIKELY(top >= LATENCY_MAX_BITS))
        return LATENCY_CLASSES - 1;
    return ((top - LATENCY_BITS + 1) << LATENCY_BITS) +
           ((uint32_t)(cycles >> (top - LATENCY_BITS)) & ((1u << LATENCY_BITS) - 1));
}

/* The smallest number of cycles of the class behind this one. */
static inline uint64_t cache_latency_end(uint32_t class)
{
    const uint32_t next = class + 1, shift = next >> LATENCY_BITS;

    if (shift == 0)
        return next;
    return (uint64_t)((1u << LATENCY_BITS) + (next & ((1u << LATENCY_BITS) - 1))) << (shift - 1);
}

static inline void cache_latency_add(struct cache_latency *latency, uint64_t cycles)
{
    PAWL_ATOMIC(uint64_t) *count = &latency->counts[cache_latency_class(cycles)];

    /* relaxed, all: one thread writes; those who read may be late */
    pawl_store_relaxed(count, pawl_load_relaxed(count) + 1);
    pawl_store_relaxed(&latency->sum, pawl_load_relaxed(&latency->sum) + cycles);
}

/* The sum of several; plain numbers. */
struct cache_latency_sum {
    uint64_t sum, count, counts[LATENCY_CLASSES];
};

static inline void cache_latency_gather(struct cache_latency_sum *to, const struct cache_latency *from)
{
    to->sum += pawl_load_relaxed(&from->sum); /* relaxed, all: as above */
    for (uint32_t i = 0; i < LATENCY_CLASSES; i++) {
        const uint64_t count = pawl_load_relaxed(&from->counts[i]);

        to->counts[i] += count;
        to->count += count;
    }
}

/* Nanoseconds that `part` of them were shorter than: 0.5 for the median. 0: there are none. */
static inline uint64_t cache_latency_percentile(const struct cache_latency_sum *sum, double part)
{
    const double wanted = part * (double)sum->count;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < LATENCY_CLASSES; i++) {
        seen += sum->counts[i];
        if (seen > 0 && (double)seen >= wanted)
            return pawl_clock_cycles_to_ns(cache_latency_end(i));
    }
    return 0;
}

#endif
