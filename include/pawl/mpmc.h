/* SPDX-License-Identifier: MIT */
/* Bounded queue for many producers and many consumers, lock-free.
 *
 * Purpose    The hand-over between any number of threads when no thread may hold up another: one that is
 *            preempted, stopped by a debugger or killed in the middle of an operation stops nobody. Also
 *            between processes. For one producer and one consumer there are faster shapes; <pawl/mpmc_ring.h>
 *            copies large elements in parallel, and a stopped thread stops the others there.
 * Model      A sequence of at most `capacity` elements of `element_bytes` bytes, any size from 1. push
 *            appends, pop takes from the front. -EAGAIN: full, or empty. After close pushes fail with -EPIPE,
 *            and pops do when what was inside is gone. Linearizable, for all elements of up to 8 bytes; for
 *            larger ones too, but for the -EAGAIN of a push to whom all lanes are taken (Lanes).
 *            push_n and pop_n are single operations after each other, of which they do as many as they can.
 *
 *                        head                tail
 *                         v                   v
 *              [ 8 ][ 9 ][ 2*][ 3*][ 4*][ 5*][ 6 ][ 7 ]     * filled, and with which ticket; else: free for
 *
 * Algorithm  Tickets number the elements. A cell holds an element and a stamp: free for ticket t, or filled
 *            with t. Both change by one CAS, so there is nothing in between.
 *
 *              push    goes from `tail` to the first cell that is not filled, and CASes it from (free, t) to
 *                      (filled, t). It finds an older ticket still there: full
 *              pop     goes from `head` to the first cell that is not popped, reads it, and CASes it from
 *                      (filled, t) to (free, t + cells). It finds it free: empty
 *              close   sets a bit in the first cell that is not filled: no push gets past it
 *
 *            Each goes over a cell only when it has seen it filled, or popped: so tickets are filled in
 *            order, and popped in order. tail and head are hints where to begin, left behind by plain stores;
 *            the cells say what is true.
 * Lanes      Elements of more than 8 bytes lie in slots, and a cell holds a slot's number and the ticket's
 *            lap, in one word. There are `PAWL_MPMC_LANES` slots more than cells: a pusher takes one from a
 *            lane, its CPU's if it is free, copies the element there, swaps it for the cell's old slot, and
 *            leaves that in the lane. A popper copies first and then frees the cell: what it copied is whole
 *            if the cell was still the same. PAWL_MPMC_LANES threads that are stopped, or were killed, inside
 *            pushes of one queue leave no lane: from then on pushes of large elements return -EAGAIN. Small
 *            elements have no such limit.
 * Progress   push, pop, push_n, pop_n, close, size: lock-free. An operation is repeated only because another
 *            one succeeded. The waiting forms block.
 *            Two cases wait for a bounded time: who has lost a CAS, 320 to 640 ns; and a pop that finds nothing when
 *            eight or more were popped since one found nothing, 320 ns; again only if eight more were popped meanwhile.
 *            A thread killed inside: its push has happened or not, its pop has taken the element with it or
 *            not. Nothing is left to repair; killed in a push of a large element it takes a lane with it.
 * Ordering   P: push releases, the pop that returns the element acquires: what the pusher did before is
 *            visible to who pops. H: pop releases the cell, the push that fills it again acquires it.
 *            Z: the CASes and loads of cells that decide about full and empty are seq_cst. It forbids that
 *            one thread is told "full" because of an element for which another one, which has popped the one
 *            before, is told "empty".
 *            W: two fences, that a push without a lane either finds one or is seen by who leaves the next one.
 *            Operations on different queues are not ordered among each other, as everywhere in C11.
 * Limits     Tickets are compared by difference. A thread must not sleep inside an operation while exactly a
 *            multiple of 2^62 elements go through the queue (2^55 with elements of more than 8 bytes).
 * Memory     384 bytes, and 16 a cell for elements of up to 8 bytes. Larger ones: 8 a cell, and a slot of
 *            element_bytes rounded up to 8 for each cell and lane, and 8 KiB for the lanes. The capacity is
 *            rounded up to a power of two: pawl_mpmc_capacity() tells. No pointers: with PAWL_SHARED several
 *            processes use it in shared memory, mapped anywhere.
 * Cost       Elements of up to 8 bytes: push: one CAS of a pair, pop: one CAS of a word of it; each a store
 *            to its own line of hints. Larger: push: one exchange on a lane, one CAS on a cell, a store to
 *            the lane; pop: one CAS. Batches: the same for each element, but one exchange and one store of
 *            the hint in all. No fences, but with PAWL_SHARED (one an operation, for those who sleep).
 *            pop copies large elements before it knows that they are its own: under contention some copies
 *            are in vain. Elements of many hundred bytes are better handed over by address, or with
 *            <pawl/mpmc_ring.h>.
 * fork       The child's copy of a private queue is its own. What other threads of the parent were doing in
 * it
 *            has happened or not, as if they were killed.
 * Signals    The forms that do not wait may be called from signal handlers.
 * Source     Ours. The cell that holds element and ticket and is changed at once is of P. Tsigas, Y. Zhang,
 *            2001, the hints are of theirs too; the slot that changes hands is the index queue of R.
 *            Nikolaev's SCQ, 2019, which needs two rings and four times the atomic operations.
 * Checked    tests/queue/mpmc/check.sh: what was explored; docs/mpmc.md: which mutants survive, and why.
 */
#ifndef PAWL_MPMC_H
#define PAWL_MPMC_H

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

#define PAWL_MPMC_LANES 64u

/* A queue; cells, lanes and slots follow it in memory. The fields are not for programs. */
struct pawl_mpmc {
    /* line 0: constant */
    uint64_t mask;          /* cells - 1 */
    uint64_t step;          /* what a cell's stamp grows by from one lap to the next */
    uint64_t lanes, slots;  /* where they begin, in bytes from here; 0: elements are in the cells */
    uint32_t element_bytes; /* of one element */
    uint32_t slot_words;    /* of 8 bytes, of one slot */
    uint32_t lap_shift;     /* ticket >> lap_shift << stamp_shift is the stamp of what is free for it */
    uint32_t stamp_shift;   /* the two bits below: closed, filled */
    uint64_t reserved[2];
    /* line 1: read, and written when somebody sleeps or closes */
    struct pawl_handover handover;
    PAWL_ATOMIC(uint32_t) lane_wanted; /* W: a push found all lanes taken */
    uint32_t reserved_too[3];
    /* line pair 1: written by those who pop */
    PAWL_ATOMIC(uint64_t) head PAWL_LINE_PAIR_ALIGNED; /* T: all tickets before it are popped */
    PAWL_ATOMIC(uint64_t) empty_at;                    /* where a pop found nothing last */
    /* line pair 2: written by those who push */
    PAWL_ATOMIC(uint64_t) tail PAWL_LINE_PAIR_ALIGNED; /* T: all tickets before it are filled */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(offsetof(struct pawl_mpmc, handover) == PAWL_CACHELINE, "a line of its own");
PAWL_STATIC_ASSERT(offsetof(struct pawl_mpmc, head) == PAWL_CACHELINE_PAIR, "a line pair of its own");
PAWL_STATIC_ASSERT(offsetof(struct pawl_mpmc, tail) == 2 * (size_t)PAWL_CACHELINE_PAIR,
                   "a line pair of its own");
PAWL_STATIC_ASSERT(sizeof(struct pawl_mpmc) == 3 * (size_t)PAWL_CACHELINE_PAIR, "as the header says");

/* What a queue needs in bytes, from an address that is a multiple of PAWL_CACHELINE_PAIR. 0 with errno EINVAL
 * (a zero, or a capacity above 2^31) or EOVERFLOW (no address space has as much). */
PAWL_API size_t pawl_mpmc_bytes(size_t capacity, size_t element_bytes);

/* An empty open queue in the caller's memory of pawl_mpmc_bytes(). flags: PAWL_PRIVATE or PAWL_SHARED.
 * Returns 0, -EINVAL (an argument, or the alignment), -EOVERFLOW. */
PAWL_API int pawl_mpmc_init(struct pawl_mpmc *q, size_t capacity, size_t element_bytes, int flags)
    PAWL_NONNULL;

/* A private one on the heap. NULL with errno EINVAL, EOVERFLOW, ENOMEM. */
PAWL_API struct pawl_mpmc *pawl_mpmc_open(size_t capacity, size_t element_bytes) PAWL_MUST_USE;

/* Gives back what pawl_mpmc_open() returned, with what is inside. Nobody uses it any more. NULL is
 * allowed. */
PAWL_API void pawl_mpmc_free(struct pawl_mpmc *q);

/* Ends pushing: no push that begins after it has returned succeeds, and one that was inside has either failed
 * or its element is there for a pop. Wakes all who wait. Returns 0, or -EALREADY. Any thread. */
PAWL_API int pawl_mpmc_close(struct pawl_mpmc *q) PAWL_NONNULL;

/* The first ticket that is not filled, and the first one that is not popped; all before `from` are. */
PAWL_API uint64_t pawl_mpmc_seek_tail_(struct pawl_mpmc *q, uint64_t from);
PAWL_API uint64_t pawl_mpmc_seek_head_(struct pawl_mpmc *q, uint64_t from);
/* A pop that found nothing at the ticket: whether it shall look again, having stayed away for a while. */
PAWL_API PAWL_COLD bool pawl_mpmc_again_(struct pawl_mpmc *q, uint64_t ticket);
/* A CAS was lost, for the times-th time in this operation: stays away for a while. */
PAWL_API PAWL_COLD void pawl_mpmc_lost_(unsigned times);
/* Elements of any size but 8. */
PAWL_API int pawl_mpmc_push_any_(struct pawl_mpmc *q, const void *element);
PAWL_API int pawl_mpmc_pop_any_(struct pawl_mpmc *q, void *element);

/* Where elements are in the cells: lo is the element, hi the stamp: four times the ticket that the cell is
 * free for or filled with, and these. */
enum { PAWL_MPMC_FILLED_ = 1, PAWL_MPMC_CLOSED_ = 2 };

/* Where a ticket's cell stands among others: those of one line follow each other, the next line is 36 further on. Else the
 * processor of who pops takes its line for a stream and fetches those ahead of it, out of the hands of who pushes. */
enum { PAWL_MPMC_LINE_PAIRS_ = 4, PAWL_MPMC_LINE_WORDS_ = 8, PAWL_MPMC_LINES_BETWEEN_ = 36 };

PAWL_API PAWL_INLINE uint64_t pawl_mpmc_place_(const struct pawl_mpmc *q, uint64_t ticket, uint64_t in_line)
{
    return (ticket + (ticket & ~(in_line - 1)) * PAWL_MPMC_LINES_BETWEEN_) & q->mask;
}

PAWL_API PAWL_INLINE struct pawl_pair *pawl_mpmc_cell_(struct pawl_mpmc *q, uint64_t ticket)
{
    return (struct pawl_pair *)(void *)(q + 1) + pawl_mpmc_place_(q, ticket, PAWL_MPMC_LINE_PAIRS_);
}

/* Pushes fetch the line this many lines on, for writing: nothing else does, and the CAS would wait for it twice, to read
 * and to write. Pops do not: where few elements are inside, they would take it from a push. */
#define PAWL_MPMC_LINES_AHEAD_ UINT64_C(4)

/* Replaces the stamp alone, if it is still `*seen`, of which `lo` was read: the word is not written, and
 * nobody writes it without the stamp. Where accesses of one size are asked for, both. */
PAWL_API PAWL_INLINE bool pawl_mpmc_restamp_(struct pawl_pair *cell, const struct pawl_pair *seen,
                                             uint64_t stamp)
{
#if PAWL_INSTRUMENTED || PAWL_PAIR_LOCKED
    struct pawl_pair expected = *seen, desired = *seen;

    desired.hi = stamp;
    return pawl_cas_pair_seq_cst(cell, &expected, desired);
#else
    uint64_t expected = seen->hi;

    return pawl_cas_seq_cst((PAWL_ATOMIC(uint64_t) *)(void *)&cell->hi, &expected, stamp);
#endif
}

/* Fills the first free cell from *ticket on, and counts *ticket up: the hint is left to the caller. */
PAWL_API PAWL_INLINE int pawl_mpmc_fill_(struct pawl_mpmc *q, uint64_t *ticket, uint64_t value)
{
    uint64_t tail = *ticket;
    unsigned lost = 0;

    /* Another turn: another push has filled the cell, or the queue was closed. */
    for (;;) {
        struct pawl_pair *cell = pawl_mpmc_cell_(q, tail);
        struct pawl_pair seen, filled;
        uint64_t ahead;

        /* acquire H: with the CAS in pop. seq_cst Z: after the ticket before was seen filled. */
        seen.hi = pawl_pair_hi(cell, __ATOMIC_SEQ_CST);
        seen.lo = pawl_pair_lo(cell,
                               __ATOMIC_RELAXED); /* relaxed: the CAS finds out whether it belongs to hi */
        ahead = seen.hi - 4 * tail;
        if (PAWL_LIKELY(ahead == 0)) {
            filled.lo = value;
            filled.hi = 4 * tail + PAWL_MPMC_FILLED_;
            /* release P: publishes the caller's work, and that all before are filled, to pop and to seek.
             * Z. */
            if (PAWL_LIKELY(pawl_cas_pair_seq_cst(cell, &seen, filled)))
                break;
            pawl_mpmc_lost_(++lost);
        } else if ((int64_t)ahead < 0 || ahead == PAWL_MPMC_CLOSED_) {
            return (seen.hi & PAWL_MPMC_CLOSED_) == 0 ? -EAGAIN : -EPIPE;
        } else {
            tail = pawl_mpmc_seek_tail_(q, tail);
        }
    }
    pawl_prefetch_write(pawl_mpmc_cell_(q, tail + PAWL_MPMC_LINES_AHEAD_ * PAWL_MPMC_LINE_PAIRS_));
    *ticket = tail + 1;
    return 0;
}

/* Pops the first cell that is not popped from *ticket on, and counts *ticket up, as pawl_mpmc_fill_(). */
PAWL_API PAWL_INLINE int pawl_mpmc_drain_(struct pawl_mpmc *q, uint64_t *ticket, uint64_t *value)
{
    uint64_t head = *ticket;
    unsigned lost = 0;

    /* Another turn: another pop has taken the element. */
    for (;;) {
        struct pawl_pair *cell = pawl_mpmc_cell_(q, head);
        struct pawl_pair seen;
        uint64_t ahead;

        /* acquire P: with the CAS in pawl_mpmc_fill_(). seq_cst Z: after the ticket before was seen
         * popped. */
        seen.hi = pawl_pair_hi(cell, __ATOMIC_SEQ_CST);
        ahead = (seen.hi & ~(uint64_t)PAWL_MPMC_CLOSED_) - 4 * head;
        if (PAWL_LIKELY(ahead == PAWL_MPMC_FILLED_)) {
            seen.lo = pawl_pair_lo(cell, __ATOMIC_RELAXED); /* relaxed: as new as hi, or the CAS fails */
            /* release H: who fills the cell again knows that all before are popped. Z. The mark of a queue
             * that was closed when it was full stays. */
            if (PAWL_LIKELY(pawl_mpmc_restamp_(cell, &seen, seen.hi + q->step - PAWL_MPMC_FILLED_))) {
                *value = seen.lo;
                *ticket = head + 1;
                return 0;
            }
            pawl_mpmc_lost_(++lost);
        } else if ((int64_t)ahead <= 0) {
            return (seen.hi & PAWL_MPMC_CLOSED_) == 0 ? -EAGAIN : -EPIPE;
        } else {
            head = pawl_mpmc_seek_head_(q, head);
        }
    }
}

PAWL_API PAWL_INLINE int pawl_mpmc_push_word_(struct pawl_mpmc *q, uint64_t value)
{
    uint64_t tail = pawl_load_acquire(&q->tail); /* T: with the store below; all before it are seen filled */
    int status = pawl_mpmc_fill_(q, &tail, value);

    if (PAWL_UNLIKELY(status != 0))
        return status;
    /* release T: with the load above. A slow thread may set it back; then others go over filled cells. */
    pawl_store_release(&q->tail, tail);
    pawl_handover_pushed(&q->handover, 1);
    return 0;
}

PAWL_API PAWL_INLINE int pawl_mpmc_pop_word_(struct pawl_mpmc *q, uint64_t *value)
{
    uint64_t head = pawl_load_acquire(&q->head); /* T: with the store below; all before it are seen popped */
    int status;

    while (PAWL_UNLIKELY((status = pawl_mpmc_drain_(q, &head, value)) != 0))
        if (status != -EAGAIN || !pawl_mpmc_again_(q, head))
            return status;
    pawl_store_release(&q->head, head); /* T: as that of the tail */
    pawl_handover_popped(&q->handover, 1);
    return 0;
}

/* Appends a copy of the element. 0; -EAGAIN: full; -EPIPE: closed. Any thread. */
PAWL_API PAWL_INLINE int pawl_mpmc_push(struct pawl_mpmc *q, const void *element)
{
    uint64_t value;

    if (!PAWL_MAY_HOLD(element, 8) || PAWL_UNLIKELY(q->element_bytes != sizeof value))
        return pawl_mpmc_push_any_(q, element);
    memcpy(&value, element, sizeof value);
    return pawl_mpmc_push_word_(q, value);
}

/* Takes the first element. 0; -EAGAIN: empty; -EPIPE: empty for ever. Whatever it returns, what stands in
 * *element may have been overwritten. Any thread. */
PAWL_API PAWL_INLINE int pawl_mpmc_pop(struct pawl_mpmc *q, void *element)
{
    uint64_t value;
    int status;

    if (!PAWL_MAY_HOLD(element, 8) || PAWL_UNLIKELY(q->element_bytes != sizeof value))
        return pawl_mpmc_pop_any_(q, element);
    status = pawl_mpmc_pop_word_(q, &value);
    if (PAWL_LIKELY(status == 0))
        memcpy(element, &value, sizeof value);
    return status;
}

/* Appends up to n elements, in their order; others' may come in between. Returns how many, 0 when it is full
 * (or n is 0), -EPIPE when it is closed and none was appended. Any thread. */
PAWL_API ptrdiff_t pawl_mpmc_push_n(struct pawl_mpmc *q, const void *elements, size_t n) PAWL_NONNULL;

/* Takes up to n elements that followed each other. Returns how many, 0 when it is empty, -EPIPE when it is
 * for ever. What stands behind those in `elements` may have been overwritten. Any thread. */
PAWL_API ptrdiff_t pawl_mpmc_pop_n(struct pawl_mpmc *q, void *elements, size_t n) PAWL_NONNULL;

/* The same as push and pop, but wait while it is full or empty: 0, -EPIPE, -ETIMEDOUT. The deadline is that
 * of <pawl/park.h>. Any thread; not from signal handlers. */
PAWL_API int pawl_mpmc_push_wait(struct pawl_mpmc *q, const void *element, uint64_t deadline) PAWL_NONNULL;
PAWL_API int pawl_mpmc_pop_wait(struct pawl_mpmc *q, void *element, uint64_t deadline) PAWL_NONNULL;

/* How many elements are inside: exact while nobody pushes or pops, else a number it had or could have had. */
PAWL_API size_t pawl_mpmc_size(struct pawl_mpmc *q) PAWL_NONNULL;

/* Whether a pop would have found nothing. */
PAWL_API bool pawl_mpmc_empty(struct pawl_mpmc *q) PAWL_NONNULL;

/* How many elements it holds at most: what was asked for, rounded up to a power of two. */
PAWL_API PAWL_INLINE size_t pawl_mpmc_capacity(const struct pawl_mpmc *q)
{
    return q->mask + 1;
}

/* Whether it was closed. Elements may be inside. */
PAWL_API PAWL_INLINE bool pawl_mpmc_closed(const struct pawl_mpmc *q)
{
    return pawl_handover_closed(&q->handover);
}

PAWL_END_DECLS
#endif
