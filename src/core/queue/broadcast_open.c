/* SPDX-License-Identifier: MIT */
/* Making a broadcast: sizes, and what stands in its memory at first. */
#include "broadcast.h"

#include <errno.h>
#include <stdlib.h>

#define CAPACITY_MAX ((size_t)1 << 40)
#define ALL_FLAGS                                                                                  \
    (PAWL_SHARED | PAWL_BROADCAST_ONE_PRODUCER | PAWL_BROADCAST_OVERWRITE | PAWL_BROADCAST_YIELD | \
     PAWL_BROADCAST_SPIN)

PAWL_STATIC_ASSERT(sizeof(struct pawl_broadcast) == (size_t)4 * PAWL_CACHELINE_PAIR,
                   "the size that the header promises");
PAWL_STATIC_ASSERT(sizeof(struct pawl_broadcast_consumer) == PAWL_CACHELINE_PAIR, "consumers apart");

static size_t cells_for(size_t capacity)
{
    size_t cells = 1;

    while (cells < capacity)
        cells *= 2;
    return cells;
}

static size_t cell_bytes_for(size_t element_bytes)
{
    return sizeof(struct cell) + (element_bytes + 7) / 8 * 8;
}

size_t pawl_broadcast_bytes(size_t capacity, size_t element_bytes, unsigned consumers)
{
    size_t bytes;

    if (capacity == 0 || capacity > CAPACITY_MAX || element_bytes == 0 ||
        element_bytes > PAWL_BROADCAST_ELEMENT_MAX || consumers == 0 ||
        consumers > PAWL_BROADCAST_CONSUMERS_MAX) {
        errno = EINVAL;
        return 0;
    }
    if (__builtin_mul_overflow(cells_for(capacity), cell_bytes_for(element_bytes), &bytes) ||
        bytes > SIZE_MAX / 4) {
        errno = EOVERFLOW;
        return 0;
    }
    bytes += sizeof(struct pawl_broadcast) + consumers * sizeof(struct pawl_broadcast_consumer);
    return (bytes + PAWL_CACHELINE_PAIR - 1) / PAWL_CACHELINE_PAIR * PAWL_CACHELINE_PAIR;
}

void pawl_broadcast_start_at_(struct pawl_broadcast *b, uint64_t number)
{
    /* relaxed, all: nobody else has it yet */
    pawl_store_relaxed(&b->head, number);
    pawl_store_relaxed(&b->gate, number);
    for (uint64_t i = 0; i <= b->mask; i++)
        pawl_store_relaxed(&cell_of(b, number + i)->sequence, whole(number + i - b->mask - 1));
    for (uint32_t i = 0; i < b->consumers; i++) {
        pawl_store_relaxed(&b->consumer[i].position, number);
        pawl_store_relaxed(&b->consumer[i].state, (uint32_t)FREE);
        pawl_store_relaxed(&b->consumer[i].lost, UINT64_C(0));
        b->consumer[i].after = 0;
    }
}

int pawl_broadcast_init(struct pawl_broadcast *b, size_t capacity, size_t element_bytes, unsigned consumers,
                        int flags)
{
    int saved = errno, status = 0;

    if (pawl_broadcast_bytes(capacity, element_bytes, consumers) == 0)
        status = -errno;
    errno = saved;
    if (status != 0)
        return status;
    if ((flags & ~ALL_FLAGS) != 0 || (uintptr_t)b % PAWL_CACHELINE_PAIR != 0)
        return -EINVAL;
    b->mask = cells_for(capacity) - 1;
    b->cells_at = sizeof *b + consumers * sizeof b->consumer[0];
    b->element_bytes = (uint32_t)element_bytes;
    b->cell_bytes = (uint32_t)cell_bytes_for(element_bytes);
    b->consumers = consumers;
    b->flags = (uint32_t)flags;
    pawl_handover_init(&b->waiting, flags & PAWL_SHARED);
    pawl_store_relaxed(&b->chained, 0u); /* relaxed: nobody else has it yet */
    pawl_broadcast_start_at_(b, 0);
    return 0;
}

struct pawl_broadcast *pawl_broadcast_open(size_t capacity, size_t element_bytes, unsigned consumers,
                                           int flags)
{
    size_t bytes = pawl_broadcast_bytes(capacity, element_bytes, consumers);
    struct pawl_broadcast *b = bytes != 0 ? aligned_alloc(PAWL_CACHELINE_PAIR, bytes) : NULL;
    int status;

    if (b == NULL)
        return NULL; /* errno is set */
    status = pawl_broadcast_init(b, capacity, element_bytes, consumers, flags);
    if (status == 0)
        return b;
    free(b);
    errno = -status;
    return NULL;
}

void pawl_broadcast_free(struct pawl_broadcast *b)
{
    free(b);
}
