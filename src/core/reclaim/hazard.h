/* SPDX-License-Identifier: MIT */
/* Inside the room of hazard pointers: what a thread has retired. */
#ifndef PAWL_CORE_RECLAIM_HAZARD_H
#define PAWL_CORE_RECLAIM_HAZARD_H

#include "retired.h"

#include <pawl/hazard.h>

#define HAZARD_PLACES ((PAWL_READER_MAX + 1) * sizeof(struct pawl_hazard_place)) /* bytes; the keeps follow */

/* The thread's own: away from the slots, which scans read. */
struct keep {
    uint8_t reclaiming; /* inside reclaim functions: retire only */
    uint8_t portion;    /* how many of `ready` a retire reclaims */
    uint32_t cursor;    /* of pawl_pass_done() */
    struct retired_list open;
    uint64_t look_at;           /* count of `open` at which to look what can be done */
    struct pawl_retired *ready; /* held by no slot when last looked: only popped, and prepended to */
    uint64_t ready_count;
    struct retired_list marked; /* retired before `mark`; scanned when all threads have passed that */
    uint64_t mark;
    uint64_t held; /* addresses in slots, when last looked */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct keep) == PAWL_READER_STRIDE, "keeps are one stride apart");

static inline struct keep *keep_of(const struct pawl_hazard *hazard, uint32_t number)
{
    char *keeps = (char *)hazard->places + HAZARD_PLACES;

    return (struct keep *)(void *)(keeps + number * PAWL_READER_STRIDE);
}

#endif
