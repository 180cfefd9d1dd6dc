/* SPDX-License-Identifier: MIT */
/* Between the files of the broadcast: cells. */
#ifndef PAWL_CORE_BROADCAST_H
#define PAWL_CORE_BROADCAST_H

#include <pawl/broadcast.h>

enum pawl_broadcast_state { FREE, SUBSCRIBING, SUBSCRIBED }; /* of a consumer */

struct cell {
    PAWL_ATOMIC(uint64_t) sequence; /* P */
    PAWL_ATOMIC(uint64_t)
    words[]; /* the element; plain bytes, unless it may be overwritten under a reader's eyes */
};

/* The sequence word of an element that is there. */
static inline uint64_t whole(uint64_t number)
{
    return 2 * number + 2;
}

static inline struct cell *cell_of(struct pawl_broadcast *b, uint64_t number)
{
    return (struct cell *)(void *)((char *)b + b->cells_at + (number & b->mask) * b->cell_bytes);
}

#endif
