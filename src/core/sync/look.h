/* SPDX-License-Identifier: MIT */
/* Inside the waiting rooms: looks at a lock that also find out how long such a look takes, for pawl_backoff_contend(). */
#ifndef PAWL_CORE_SYNC_LOOK_H
#define PAWL_CORE_SYNC_LOOK_H

#include <pawl/atomic.h>
#include <stdint.h>

/* What `word` holds, by a relaxed load; to be called after a wait, when another thread has probably written there meanwhile.
 * One in sixteen of a thread is timed. */
uint32_t pawl_backoff_look(const PAWL_ATOMIC(uint32_t) * word);

enum {
    LOOK_SAMPLES = 16,   /* that the mean follows */
    LOOK_CACHED_NS = 12, /* less than a transfer takes: nobody had written */
    LOOK_MOST_NS = 160,  /* more, and the thread was interrupted: counts as this */
    LOOK_QUICK_NS = 36,  /* a mean for which the first round is the shortest */
    LOOK_SLOW_NS = 56,   /* and the longest */
    LOOK_LEAST_ROUND_NS = 160,
    LOOK_MOST_ROUND_NS = 1280,
};

/* Before anything is known lines are slow. */
#define LOOK_SUM_INIT ((uint32_t)LOOK_MOST_NS * LOOK_SAMPLES)

/* The mean, times LOOK_SAMPLES, after a look of `ns` nanoseconds. Less than none: the clock was interrupted. */
static inline uint32_t look_sum_after(uint32_t sum, int64_t ns)
{
    if (ns < LOOK_CACHED_NS)
        return sum;
    return sum - sum / LOOK_SAMPLES + (uint32_t)(ns < LOOK_MOST_NS ? ns : LOOK_MOST_NS);
}

/* The first round of a contender. */
static inline uint32_t look_round_ns(uint32_t sum)
{
    uint32_t mean = sum / LOOK_SAMPLES;

    if (mean <= LOOK_QUICK_NS)
        return LOOK_LEAST_ROUND_NS;
    if (mean >= LOOK_SLOW_NS)
        return LOOK_MOST_ROUND_NS;
    return LOOK_LEAST_ROUND_NS + (mean - LOOK_QUICK_NS) * (LOOK_MOST_ROUND_NS - LOOK_LEAST_ROUND_NS) /
                                     (LOOK_SLOW_NS - LOOK_QUICK_NS);
}

#endif
