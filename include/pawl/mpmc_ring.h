/* SPDX-License-Identifier: MIT */
/* Bounded queue for many producers and many consumers, in which a stopped thread may stop the others.
 *
 * Purpose    Where threads are not stopped for long in the middle of an operation, and one of these counts:
 *            the last nanoseconds of an uncontended operation, batches, elements of hundreds of bytes, which
 *            it copies outside of what threads compete for. Otherwise <pawl/mpmc.h>, which is as fast among
 *            many threads and lock-free.
 * Model      A sequence of at most `capacity` elements of `element_bytes` bytes. push appends, pop takes from
 *            the front. Elements are taken in the order of the pushes. -EAGAIN from push: full, or the pop of
 *            what was in the cell is not finished. -EAGAIN from pop: empty, or the push of the first element
 *            is not finished, even when later elements are complete. After close pushes fail with -EPIPE, and
 *            pops when all is taken. push_n takes places next to each other, pop_n takes neighbours.
 * Algorithm  Each cell has a stamp: 2t: free for ticket t; 2t + 1: filled with it. A push CASes tail from t
 *            to t + 1, if the cell of t is free, then copies, then sets the stamp. A pop does the same with
 *            head.
 *
 *              stamp   [ 9 ][ 11 ][ 12 ][ 7 ]        tickets 4 and 5 inside, 6 claimed and being written,
 *                       head        ^claimed         the pop of ticket 3 is copying
 *
 * Progress   Blocking, though no call waits. A thread that is stopped between its claim and its stamp keeps
 *            the cell: a pusher there keeps all from popping what comes after it, until it goes on; a popper
 *            there keeps all from pushing when they come around to its cell. Killed there, it stops the
 *            queue.
 *            Who has lost a CAS waits for 320 to 640 ns before it tries again.
 * Ordering   P: a push releases the stamp, the pop acquires it: what the pusher did before is visible. R: a
 *            pop releases the stamp, the push that fills the cell again acquires it. Operations on different
 *            cells order nothing.
 * Limits     Tickets have 63 bits and are compared by difference.
 * Memory     384 bytes, and for each cell 8 bytes and element_bytes rounded up to 8. The capacity is rounded
 *            up to a power of two. No pointers: with PAWL_SHARED several processes use it in shared memory.
 * Cost       push and pop: one CAS each, and a store to the cell; push_n and pop_n: one CAS for all. No
 *            fences, but with PAWL_SHARED (one an operation, for those who sleep).
 * fork       The child's copy of a private one is as if the parent's other threads had been killed: unusable
 *            if one was inside an operation.
 * Signals    The forms that do not wait may be called from signal handlers. (One that interrupts a push of
 *            the same thread sees it unfinished, as any other would.)
 * Source     D. Vyukov, "Bounded MPMC queue", 2010. Ours: closing, batches, passing on wake-ups.
 * Checked    tests/queue/mpmc/check.sh, docs/mpmc.md.
 */
#ifndef PAWL_MPMC_RING_H
#define PAWL_MPMC_RING_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <pawl/park.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

PAWL_BEGIN_DECLS

/* A ring; its cells follow it in memory. The fields are not for programs. */
struct pawl_mpmc_ring {
    /* line 0: constant */
    uint64_t mask;   /* cells - 1 */
    uint64_t stride; /* from cell to cell, in bytes */
    uint64_t element_bytes;
    uint64_t reserved[5];
    /* line 1: read, and written when somebody sleeps or closes */
    struct pawl_handover handover;
    uint64_t reserved_too[2];
    /* line pair 1: written by those who pop */
    PAWL_ATOMIC(uint64_t) head PAWL_LINE_PAIR_ALIGNED; /* twice the next ticket to pop */
    /* line pair 2: written by those who push */
    PAWL_ATOMIC(uint64_t) tail PAWL_LINE_PAIR_ALIGNED; /* twice the next ticket to push, and 1 when closed */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(offsetof(struct pawl_mpmc_ring, handover) == PAWL_CACHELINE, "a line of its own");
PAWL_STATIC_ASSERT(offsetof(struct pawl_mpmc_ring, head) == PAWL_CACHELINE_PAIR, "a line pair of its own");
PAWL_STATIC_ASSERT(offsetof(struct pawl_mpmc_ring, tail) == 2 * (size_t)PAWL_CACHELINE_PAIR,
                   "a line pair of its own");
PAWL_STATIC_ASSERT(sizeof(struct pawl_mpmc_ring) == 3 * (size_t)PAWL_CACHELINE_PAIR, "as the header says");

/* A cell. The element follows it. */
struct pawl_mpmc_ring_cell_ {
    PAWL_ATOMIC(uint64_t) stamp; /* P, R */
};

/* What a ring needs in bytes, from an address that is a multiple of PAWL_CACHELINE_PAIR. 0 with errno EINVAL
 * (a zero, or a capacity above 2^31) or EOVERFLOW (no address space has as much). */
PAWL_API size_t pawl_mpmc_ring_bytes(size_t capacity, size_t element_bytes);

/* An empty open ring in the caller's memory of pawl_mpmc_ring_bytes(). flags: PAWL_PRIVATE or PAWL_SHARED.
 * Returns 0, -EINVAL (an argument, or the alignment), -EOVERFLOW. */
PAWL_API int pawl_mpmc_ring_init(struct pawl_mpmc_ring *q, size_t capacity, size_t element_bytes, int flags)
    PAWL_NONNULL;

/* A private one on the heap. NULL with errno EINVAL, EOVERFLOW, ENOMEM. */
PAWL_API struct pawl_mpmc_ring *pawl_mpmc_ring_open(size_t capacity, size_t element_bytes) PAWL_MUST_USE;

/* Gives back what pawl_mpmc_ring_open() returned, with what is inside. Nobody uses it any more. NULL is
 * allowed. */
PAWL_API void pawl_mpmc_ring_free(struct pawl_mpmc_ring *q);

/* Ends pushing: no push that begins after it has returned succeeds; one that was inside has either failed or
 * its element will be there for a pop. Wakes all who wait. Returns 0, or -EALREADY. Any thread. */
PAWL_API int pawl_mpmc_ring_close(struct pawl_mpmc_ring *q) PAWL_NONNULL;

/* A CAS was lost, for the times-th time in this operation: stays away for a while. */
PAWL_API PAWL_COLD void pawl_mpmc_ring_lost_(unsigned times);

/* Of a pop that found nothing at ticket head / 2: -EAGAIN, or -EPIPE. */
PAWL_API int pawl_mpmc_ring_nothing_(struct pawl_mpmc_ring *q, uint64_t head);

PAWL_API PAWL_INLINE struct pawl_mpmc_ring_cell_ *pawl_mpmc_ring_cell_at_(struct pawl_mpmc_ring *q,
                                                                          uint64_t twice, uint64_t stride)
{
    return (struct pawl_mpmc_ring_cell_ *)(void *)((char *)(q + 1) + (twice / 2 & q->mask) * stride);
}

/* One element of `bytes` bytes, in cells of `stride`: constants, where the compiler shall know them. */
PAWL_API PAWL_INLINE int pawl_mpmc_ring_put_(struct pawl_mpmc_ring *q, const void *element, size_t bytes,
                                             uint64_t stride)
{
    uint64_t tail = pawl_load_relaxed(&q->tail); /* relaxed: a stale one fails in the CAS */
    struct pawl_mpmc_ring_cell_ *cell;
    unsigned lost = 0;

    /* Another turn: another push has claimed the cell, or the ring was closed. */
    for (;;) {
        int64_t behind;

        if (PAWL_UNLIKELY((tail & 1) != 0))
            return -EPIPE;
        cell = pawl_mpmc_ring_cell_at_(q, tail, stride);
        /* acquire R: pairs with the release in pop; what was in the cell has been copied */
        behind = (int64_t)(pawl_load_acquire(&cell->stamp) - tail);
        if (PAWL_LIKELY(behind == 0)) {
            if (PAWL_LIKELY(pawl_cas_relaxed(&q->tail, &tail, tail + 2))) /* relaxed: the stamp publishes */
                break;
            pawl_mpmc_ring_lost_(++lost);
            tail = pawl_load_relaxed(&q->tail); /* relaxed: as above */
        } else if (behind < 0) {
            /* relaxed: it is closed for those who know so by close(), whose store they then see */
            return (pawl_load_relaxed(&q->tail) & 1) == 0 ? -EAGAIN : -EPIPE;
        } else {
            tail = pawl_load_relaxed(&q->tail); /* relaxed: as above */
        }
    }
    memcpy(cell + 1, element, bytes);
    pawl_store_release(&cell->stamp, tail + 1); /* P: publishes the element */
    pawl_handover_pushed(&q->handover, 1);
    return 0;
}

PAWL_API PAWL_INLINE int pawl_mpmc_ring_take_(struct pawl_mpmc_ring *q, void *element, size_t bytes,
                                              uint64_t stride)
{
    uint64_t head = pawl_load_relaxed(&q->head); /* relaxed: a stale one fails in the CAS */
    struct pawl_mpmc_ring_cell_ *cell;
    unsigned lost = 0;

    /* Another turn: another pop has claimed the cell. */
    for (;;) {
        int64_t behind;

        cell = pawl_mpmc_ring_cell_at_(q, head, stride);
        /* acquire P: pairs with the release in push; the element is there */
        behind = (int64_t)(pawl_load_acquire(&cell->stamp) - head - 1);
        if (PAWL_LIKELY(behind == 0)) {
            if (PAWL_LIKELY(pawl_cas_relaxed(&q->head, &head, head + 2))) /* relaxed: the stamp publishes */
                break;
            pawl_mpmc_ring_lost_(++lost);
            head = pawl_load_relaxed(&q->head); /* relaxed: as above */
        } else if (behind < 0) {
            return pawl_mpmc_ring_nothing_(q, head);
        } else {
            head = pawl_load_relaxed(&q->head); /* relaxed: as above */
        }
    }
    memcpy(element, cell + 1, bytes);
    pawl_store_release(&cell->stamp, head + 2 * (q->mask + 1)); /* R: the cell is read, and free */
    pawl_handover_popped(&q->handover, 1);
    return 0;
}

/* Appends a copy of the element. 0; -EAGAIN: full, or as good as; -EPIPE: closed. Any thread. */
PAWL_API PAWL_INLINE int pawl_mpmc_ring_push(struct pawl_mpmc_ring *q, const void *element)
{
    if (PAWL_MAY_HOLD(element, 8) && PAWL_LIKELY(q->element_bytes == 8))
        return pawl_mpmc_ring_put_(q, element, 8, 16);
    return pawl_mpmc_ring_put_(q, element, q->element_bytes, q->stride);
}

/* Takes the first element. 0; -EAGAIN: empty, or as good as; -EPIPE: empty for ever. Any thread. */
PAWL_API PAWL_INLINE int pawl_mpmc_ring_pop(struct pawl_mpmc_ring *q, void *element)
{
    if (PAWL_MAY_HOLD(element, 8) && PAWL_LIKELY(q->element_bytes == 8))
        return pawl_mpmc_ring_take_(q, element, 8, 16);
    return pawl_mpmc_ring_take_(q, element, q->element_bytes, q->stride);
}

/* Appends up to n elements, next to each other. Returns how many, 0 when there is no room (or n is 0), -EPIPE
 * when it is closed. Any thread. */
PAWL_API ptrdiff_t pawl_mpmc_ring_push_n(struct pawl_mpmc_ring *q, const void *elements, size_t n)
    PAWL_NONNULL;

/* Takes up to n elements that followed each other. Returns how many, 0 when there is none to be had, -EPIPE
 * when there never will be. Any thread. */
PAWL_API ptrdiff_t pawl_mpmc_ring_pop_n(struct pawl_mpmc_ring *q, void *elements, size_t n) PAWL_NONNULL;

/* The same as push and pop, but wait: 0, -EPIPE, -ETIMEDOUT. The deadline is that of <pawl/park.h>. Any
 * thread; not from signal handlers. */
PAWL_API int pawl_mpmc_ring_push_wait(struct pawl_mpmc_ring *q, const void *element, uint64_t deadline)
    PAWL_NONNULL;
PAWL_API int pawl_mpmc_ring_pop_wait(struct pawl_mpmc_ring *q, void *element, uint64_t deadline) PAWL_NONNULL;

/* How many elements are inside, with those being pushed: exact while nobody pushes or pops, else an
 * estimate. */
PAWL_API size_t pawl_mpmc_ring_size(struct pawl_mpmc_ring *q) PAWL_NONNULL;

/* Whether a pop would have found nothing. */
PAWL_API bool pawl_mpmc_ring_empty(struct pawl_mpmc_ring *q) PAWL_NONNULL;

/* How many elements it holds at most: what was asked for, rounded up to a power of two. */
PAWL_API PAWL_INLINE size_t pawl_mpmc_ring_capacity(const struct pawl_mpmc_ring *q)
{
    return q->mask + 1;
}

/* Whether it was closed. Elements may be inside. */
PAWL_API PAWL_INLINE bool pawl_mpmc_ring_closed(const struct pawl_mpmc_ring *q)
{
    return pawl_handover_closed(&q->handover);
}

PAWL_END_DECLS
#endif
