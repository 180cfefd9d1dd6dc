/* SPDX-License-Identifier: MIT */
/* Unbounded queue for many producers and many consumers, lock-free.
 *
 * Purpose    When producers must never be refused. Memory grows with what is inside: where consumers can fall
 *            behind for long take <pawl/mpmc.h>, whose producers notice.
 * Model      A sequence of elements of `element_bytes` bytes, any size from 1. push appends, pop takes from
 *            the front. -EAGAIN from pop: empty. After close pushes fail with -EPIPE, and pops when all is
 *            taken. Linearizable.
 * Algorithm  A list of <pawl/mpmc.h> queues. Producers push into the last one, which wraps around as ever;
 *            when it is full it is closed, and a new one is linked behind it. Consumers pop from the first
 *            one, until it is closed and empty; then it is unlinked.
 *
 *              head -> [ closed, being emptied ] -> [ closed, full ] -> [ open ] <- tail
 *
 *            A queue that never holds more than `segment` elements stays in one segment and allocates
 *            nothing.
 * Progress   push, pop: lock-free, but for malloc and free: once in `segment` pushes at most. A thread
 *            stopped anywhere stops nobody.
 * Ordering   As <pawl/mpmc.h>; N: the segment is published by the CAS that links it.
 * Memory     384 bytes, and segments: 512 bytes, and 16 a cell for elements of up to 8 bytes; see
 *            <pawl/mpmc.h> for larger ones. Segments are reclaimed by hazard pointers, all lists of the
 *            process in one domain (128 bytes a thread). Who unlinks one scans at once: at most one for each
 *            thread that is inside an operation waits to be freed. Private: of one process.
 * Cost       As <pawl/mpmc.h>, and a hazard pointer: two stores and a few loads. Once a segment, a malloc and
 *            a membarrier.
 * fork       The child's copy is its own. A segment that another thread of the parent was using when it was
 *            unlinked leaks in the child.
 * Signals    pop and the pushes that need no new segment may be called from signal handlers, but which those
 *            are nobody knows: do not push there.
 * Source     The list of closed rings is LSCQ of R. Nikolaev, 2019, after LCRQ of A. Morrison, Y. Afek, 2013.
 * Checked    tests/queue/mpmc/check.sh, docs/mpmc.md.
 */
#ifndef PAWL_MPMC_LIST_H
#define PAWL_MPMC_LIST_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <pawl/park.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

#define PAWL_MPMC_LIST_SEGMENT 1024u

struct pawl_mpmc_list_segment_;

/* A list. The fields are not for programs. */
struct pawl_mpmc_list {
    /* line 0: constant */
    size_t element_bytes;
    size_t segment; /* elements in a segment */
    uint64_t reserved[6];
    /* line 1: read, and written when somebody sleeps or closes */
    struct pawl_handover handover;
    uint64_t reserved_too[2];
    /* line pairs 1 and 2: written once a segment */
    PAWL_ATOMIC(struct pawl_mpmc_list_segment_ *) head PAWL_LINE_PAIR_ALIGNED; /* N */
    PAWL_ATOMIC(struct pawl_mpmc_list_segment_ *)
    tail PAWL_LINE_PAIR_ALIGNED; /* N: the last segment, or one before */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_mpmc_list) == 3 * (size_t)PAWL_CACHELINE_PAIR, "as the header says");

/* An empty open list, with one segment. segment: how many elements a segment holds, up to 2^31; 0 is
 * PAWL_MPMC_LIST_SEGMENT. NULL with errno EINVAL, EOVERFLOW, ENOMEM. */
PAWL_API struct pawl_mpmc_list *pawl_mpmc_list_open(size_t element_bytes, size_t segment) PAWL_MUST_USE;

/* Gives it back, with what is inside. Nobody uses it any more. NULL is allowed. */
PAWL_API void pawl_mpmc_list_free(struct pawl_mpmc_list *list);

/* Ends pushing: no push that begins after it has returned succeeds; one that was inside has either failed or
 * its element is there for a pop. Wakes all who wait. Returns 0, -EALREADY, or -ENOMEM (no hazard pointer: it
 * is not closed). Any thread. */
PAWL_API int pawl_mpmc_list_close(struct pawl_mpmc_list *list) PAWL_NONNULL;

/* Appends a copy of the element. 0; -EPIPE: closed; -ENOMEM. Any thread. */
PAWL_API int pawl_mpmc_list_push(struct pawl_mpmc_list *list, const void *element) PAWL_NONNULL;

/* Takes the first element. 0; -EAGAIN: empty; -EPIPE: empty for ever; -ENOMEM: no hazard pointer. Whatever it
 * returns, what stands in *element may have been overwritten. Any thread. */
PAWL_API int pawl_mpmc_list_pop(struct pawl_mpmc_list *list, void *element) PAWL_NONNULL;

/* Appends n elements in their order; others' may come in between. Returns n, or fewer if memory ran out or it
 * was closed in between; -EPIPE or -ENOMEM if none was appended. Any thread. */
PAWL_API ptrdiff_t pawl_mpmc_list_push_n(struct pawl_mpmc_list *list, const void *elements, size_t n)
    PAWL_NONNULL;

/* Takes up to n elements that followed each other. Returns how many, 0 when it is empty, -EPIPE when it is
 * for ever, -ENOMEM. Any thread. */
PAWL_API ptrdiff_t pawl_mpmc_list_pop_n(struct pawl_mpmc_list *list, void *elements, size_t n) PAWL_NONNULL;

/* The same as pop, but waits while it is empty: 0, -EPIPE, -ETIMEDOUT, -ENOMEM. The deadline is that of
 * <pawl/park.h>. Any thread. */
PAWL_API int pawl_mpmc_list_pop_wait(struct pawl_mpmc_list *list, void *element, uint64_t deadline)
    PAWL_NONNULL;

/* How many elements are inside: exact while nobody pushes or pops, else an estimate. Any thread. */
PAWL_API size_t pawl_mpmc_list_size(struct pawl_mpmc_list *list) PAWL_NONNULL;

/* Whether it was closed. Elements may be inside. */
PAWL_API PAWL_INLINE bool pawl_mpmc_list_closed(const struct pawl_mpmc_list *list)
{
    return pawl_handover_closed(&list->handover);
}

PAWL_END_DECLS
#endif
