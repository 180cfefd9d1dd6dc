/* SPDX-License-Identifier: MIT */
/* How a reader takes bytes out of a ring that is written while it reads: logring_format.h says why it may believe them. */
#ifndef PAWL_CORE_QUEUE_LOGRING_READ_H
#define PAWL_CORE_QUEUE_LOGRING_READ_H

#include "logring_format.h"

#include <pawl/seqlock.h>

/* Copies [position, position + bytes), which lie on one page, before the tail. False: they are being overwritten, or were. */
static inline bool pawl_logring_copy_(const struct pawl_logring_ring_ *ring, uint64_t ring_bytes,
                                      uint64_t position, void *to, size_t bytes)
{
    pawl_words_load(to, &ring->data[(position & (ring_bytes - 1)) / 8], bytes);
    pawl_fence_acquire(); /* I2: the copy before the look at the intent; pairs with I1 in the writer */
    /* relaxed: the fences order it */
    return pawl_logring_distance_(pawl_load_relaxed(&ring->intent), position) <= ring_bytes;
}

/* The counts of the ring at this tail. False: it has moved on. */
static inline bool pawl_logring_written_(const struct pawl_logring_ring_ *ring, uint64_t tail,
                                         uint64_t written[PAWL_LOGRING_CLASSES])
{
    for (unsigned c = 0; c < PAWL_LOGRING_CLASSES; c++)
        written[c] = pawl_load_relaxed(&ring->written[c][tail >> c & 1]); /* relaxed: I1 and I2 */
    pawl_fence_acquire(); /* I2: the counts before the second look; the writer's next store to them is behind I1 */
    return pawl_load_relaxed(&ring->tail) == tail;
}

#endif
