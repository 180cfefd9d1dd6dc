/* SPDX-License-Identifier: MIT */
/* Bounded queue of many producers and one consumer, by value, whose push is one fetch_add.
 *
 * Purpose    Requests for one server thread, log records for one writer, also between processes: a fixed amount of
 *            memory, one order of all elements, producers that do not retry. The caller's nodes without bound:
 *            <pawl/mpsc.h>. Higher throughput, with order kept for each producer only: <pawl/mpsc_lanes.h>.
 * Model      One sequence of places. push reserves the next one and fills it; pop takes the oldest element, or says
 *            -EAGAIN: the oldest place is not reserved (empty) or not filled yet. pawl_mpsc_ring_size() counts
 *            reserved ones and tells the two apart.
 *            Full: push fails, before it reserves, only while at least `capacity` elements are inside or reserved.
 *            Pushes that look at the same moment may all see the last free place and all succeed: as many more than
 *            that are inside for a while. There are places for it, see Progress.
 *            Closed: by any thread, for good. Pushes fail with -EPIPE; pops drain, then fail with -EPIPE. A push that
 *            ran while the queue was closed succeeded if and only if its place was reserved before.
 * Progress   push: wait-free, as long as not more than 64 (PAWL_MPSC_RING_AT_ONCE) are between their look and their
 *            reservation at the same time; one that finds itself beyond that waits until the consumer has made
 *            room. pop, pop_n: wait for nobody, but not lock-free: a producer stopped between reserving and filling
 *            hides all that comes after it. One that finds nothing behind a run of eight elements or more looks once
 *            more after 640 ns. _wait forms: blocking.
 * Ordering   E: a push releases, the pop that returns its element acquires.
 *            R: a pop releases its place, the push that reserves it again acquires.
 * Signals    push may be called from signal handlers, and interrupt a push or a pop; but where it would have to wait
 *            (Progress) for the consumer that it interrupted, for ever.
 * fork       The child has a copy of a private queue, in which a push of another thread that was just filling its place
 *            stays unfinished; a shared one in shared memory serves both.
 * Memory     pawl_mpsc_ring_bytes(): four pairs of lines, and for each place a word and the element; places are a power
 *            of two of at least 9/8 capacity + 64. No pointers: PAWL_SHARED works wherever processes map it.
 *            A producer killed between reserving and filling leaves a place that nobody fills: the consumer stays in front
 *            of it until pawl_mpsc_ring_skip(). The consumer killed while popping: its elements are popped
 *            again by who takes over. A closer killed: close again, that wakes who sleeps.
 * Cost       push: one fetch_add (PAWL_SHARED: and one full fence); two lines written, the producers' counter and
 *            the element's. pop: no atomic read-modify-write; 1/8 of a line an element and less.
 * Source     The sequence word of each place is D. Vyukov's bounded queue; reserving by fetch_add after a look at a
 *            count that the consumer publishes in steps is ours.
 * Checked    tests/queue/mpsc/check_mpsc_ring.c
 */
#ifndef PAWL_MPSC_RING_H
#define PAWL_MPSC_RING_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

PAWL_BEGIN_DECLS

#define PAWL_MPSC_RING_MAX_ELEMENT ((size_t)1 << 20) /* bytes of an element, at most */

#ifndef PAWL_MPSC_RING_AT_ONCE    /* closures for the model checker make do with few */
#define PAWL_MPSC_RING_AT_ONCE 64 /* pushes that never wait for one another */
#endif

/* A ticket is a position times two; the lowest bit says: closed (of the tail), filled (of a place). */
#define PAWL_MPSC_RING_STEP_ UINT64_C(2)
#define PAWL_MPSC_RING_BIT_ UINT64_C(1)

struct pawl_mpsc_ring {
    /* pair 0: written at init, and at the end */
    uint64_t mask;               /* places, a power of two, minus 1 */
    uint64_t places;             /* the same as a distance of tickets */
    uint64_t limit;              /* what a push finds full, as a distance from `room` */
    uint64_t lag;                /* the consumer gives room back in steps of this distance */
    PAWL_ATOMIC(uint64_t) final; /* where it ended; valid once it is closed */
    uint32_t place_bytes;        /* from one place to the next */
    uint32_t element_bytes;      /* size of an element */
    uint32_t apart;              /* lines between a line and the next in order; 0: none */
    uint32_t ahead;              /* how long before its place is filled a line is fetched, as a distance */
    struct pawl_handover handover;
    /* pair 1: written by the consumer once in many elements */
    PAWL_ATOMIC(uint64_t) room PAWL_LINE_PAIR_ALIGNED; /* R: places before this one are free again */
    /* pair 2: the producers' */
    PAWL_ATOMIC(uint64_t) tail PAWL_LINE_PAIR_ALIGNED; /* the next ticket, and whether it is closed */
    /* pair 3: the consumer's */
    PAWL_ATOMIC(uint64_t) head PAWL_LINE_PAIR_ALIGNED; /* what it pops next */
    uint64_t room_given;                               /* what it stored to room */
    uint64_t nothing_at;                               /* where it found nothing last */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_mpsc_ring) == (size_t)4 * PAWL_CACHELINE_PAIR, "four pairs of lines");
PAWL_STATIC_ASSERT(offsetof(struct pawl_mpsc_ring, room) == PAWL_CACHELINE_PAIR, "pair 0 is read only");

/* A place: the word, then the element. */
struct pawl_mpsc_ring_place_ {
    PAWL_ATOMIC(uint64_t) filled; /* E: the ticket | 1 once it is filled */
    PAWL_FLEXIBLE unsigned char element[];
};

/* ---- making ---- */

/* Memory for a queue, to be aligned to 128. 0 and errno: EINVAL (an argument is 0, or an element larger than
 * PAWL_MPSC_RING_MAX_ELEMENT), EOVERFLOW. */
PAWL_API size_t pawl_mpsc_ring_bytes(size_t capacity, size_t element_bytes);

/* An empty queue in memory of the caller, pawl_mpsc_ring_bytes() of it. flags: PAWL_PRIVATE or PAWL_SHARED. Returns 0,
 * -EINVAL (also for flags it does not know, and memory not aligned), -EOVERFLOW. */
PAWL_API int pawl_mpsc_ring_init(struct pawl_mpsc_ring *q, size_t capacity, size_t element_bytes, int flags)
    PAWL_NONNULL PAWL_MUST_USE;

/* The same on the heap, private. NULL and errno, also ENOMEM. */
PAWL_API struct pawl_mpsc_ring *pawl_mpsc_ring_open(size_t capacity, size_t element_bytes) PAWL_MUST_USE;

/* Gives back what pawl_mpsc_ring_open made, with what is still inside. NULL is nothing. */
PAWL_API void pawl_mpsc_ring_free(struct pawl_mpsc_ring *q);

/* What was asked for: pushes that fit in any case. Any thread. */
PAWL_API size_t pawl_mpsc_ring_capacity(const struct pawl_mpsc_ring *q) PAWL_NONNULL;

/* Elements inside or reserved: exact while nobody moves, else some recent number. Any thread. */
PAWL_API size_t pawl_mpsc_ring_size(const struct pawl_mpsc_ring *q) PAWL_NONNULL;

/* Ends it: no push that begins after the return succeeds. Wakes who waits. Any thread: 0, or -EALREADY. */
PAWL_API int pawl_mpsc_ring_close(struct pawl_mpsc_ring *q) PAWL_NONNULL;

/* ---- inside ---- */

PAWL_API PAWL_COLD void pawl_mpsc_ring_wait_for_place_(struct pawl_mpsc_ring *q, uint64_t ticket);
PAWL_API void pawl_mpsc_ring_give_room_(struct pawl_mpsc_ring *q, uint64_t head);
/* -EAGAIN, -EPIPE; 0: look again. */
PAWL_API int pawl_mpsc_ring_nothing_(struct pawl_mpsc_ring *q, uint64_t head);

/* Where a ticket's place stands. Of words, four follow each other in a line, and the next line is 36 further on: else the
 * processor of the consumer would take the lines for a stream, and fetch those ahead of it out of the producers' hands. */
PAWL_API PAWL_INLINE struct pawl_mpsc_ring_place_ *pawl_mpsc_ring_place_of_(const struct pawl_mpsc_ring *q,
                                                                            uint64_t ticket)
{
    uint64_t index = (ticket / PAWL_MPSC_RING_STEP_) & q->mask;

    index = (index + (index & ~(uint64_t)3) * q->apart) & q->mask;
    return (struct pawl_mpsc_ring_place_ *)((uintptr_t)(q + 1) + index * q->place_bytes);
}

/* Fetches the line of a place that will be filled soon, to write to it: the next fetch_add waits until this push's stores
 * have got their lines, and fetches nothing meanwhile. */
PAWL_API PAWL_INLINE void pawl_mpsc_ring_fetch_(const struct pawl_mpsc_ring *q, uint64_t ticket)
{
    pawl_prefetch_write(pawl_mpsc_ring_place_of_(q, ticket + q->ahead));
}

PAWL_API PAWL_INLINE void pawl_mpsc_ring_copy_(const struct pawl_mpsc_ring *q, void *to, const void *from)
{
    if (PAWL_MAY_HOLD(to, 8) && PAWL_MAY_HOLD(from, 8) && PAWL_LIKELY(q->element_bytes == sizeof(uint64_t)))
        memcpy(to, from, sizeof(uint64_t));
    else if (PAWL_MAY_HOLD(to, PAWL_CACHELINE) && PAWL_MAY_HOLD(from, PAWL_CACHELINE) &&
             q->element_bytes == PAWL_CACHELINE) /* without a call */
        memcpy(to, from, PAWL_CACHELINE);
    else
        memcpy(to, from, q->element_bytes);
}

/* ---- producers ---- */

/* Appends a copy. Returns 0, -EAGAIN (full), -EPIPE (closed). Any thread. */
PAWL_API PAWL_INLINE int pawl_mpsc_ring_push(struct pawl_mpsc_ring *q, const void *element)
{
    /* acquire: the tail before the room, so that what is found full was full when the room was read. Pairs with
     * nothing: the fetch_add does not release. */
    uint64_t tail = pawl_load_acquire(&q->tail);
    uint64_t room = pawl_load_acquire(
        &q->room); /* acquire R: pairs with the release in _give_room_, see below */
    struct pawl_mpsc_ring_place_ *place;
    uint64_t ticket;

    if (PAWL_UNLIKELY((tail & PAWL_MPSC_RING_BIT_) != 0))
        return -EPIPE;
    /* A tail that is older than the room is a negative distance: not full */
    if (PAWL_UNLIKELY((int64_t)(tail - room - q->limit) >= 0))
        return -EAGAIN;
    /* relaxed: a number that nobody else has; the place publishes */
    ticket = pawl_fetch_add_relaxed(&q->tail, PAWL_MPSC_RING_STEP_);
    if (PAWL_UNLIKELY((ticket & PAWL_MPSC_RING_BIT_) != 0))
        return -EPIPE;
    /* R: within `places` of a room that was acquired, the element that was there before has been popped */
    if (PAWL_UNLIKELY(ticket - room >= q->places))
        pawl_mpsc_ring_wait_for_place_(q, ticket);
    place = pawl_mpsc_ring_place_of_(q, ticket);
    pawl_mpsc_ring_copy_(q, place->element, element);
    /* release E: pairs with the acquire in pawl_mpsc_ring_pop, publishes the element */
    pawl_store_release(&place->filled, ticket | PAWL_MPSC_RING_BIT_);
    pawl_mpsc_ring_fetch_(q, ticket);
    pawl_handover_pushed(&q->handover, 1);
    return 0;
}

/* Appends n copies (n > 0), in order and with nothing between them, for one fetch_add: all or none. n must not be larger
 * than the capacity (-EINVAL). Returns 0, -EAGAIN, -EPIPE. Any thread. */
PAWL_API int pawl_mpsc_ring_push_n(struct pawl_mpsc_ring *q, const void *elements, size_t n) PAWL_NONNULL;

/* Waits for room until the deadline: 0, -EPIPE, -ETIMEDOUT. */
PAWL_API int pawl_mpsc_ring_push_wait(struct pawl_mpsc_ring *q, const void *element, uint64_t deadline)
    PAWL_NONNULL;

/* ---- the consumer ---- */

/* Takes the oldest. Returns 0, -EAGAIN (see Model), -EPIPE (closed and drained). */
PAWL_API PAWL_INLINE int pawl_mpsc_ring_pop(struct pawl_mpsc_ring *q, void *element)
{
    uint64_t head = pawl_load_relaxed(&q->head); /* relaxed: the consumer's own */
    struct pawl_mpsc_ring_place_ *place = pawl_mpsc_ring_place_of_(q, head);

    /* acquire E: pairs with the release in pawl_mpsc_ring_push, sees the element */
    while (PAWL_UNLIKELY(pawl_load_acquire(&place->filled) != (head | PAWL_MPSC_RING_BIT_))) {
        int status = pawl_mpsc_ring_nothing_(q, head);

        if (status != 0)
            return status;
    }
    pawl_mpsc_ring_copy_(q, element, place->element);
    head += PAWL_MPSC_RING_STEP_;
    pawl_fence_compiler();              /* who is killed before the next line has not popped it */
    pawl_store_relaxed(&q->head, head); /* relaxed: others read it for pawl_mpsc_ring_size(); room releases */
    if (PAWL_UNLIKELY(head - q->room_given >= q->lag))
        pawl_mpsc_ring_give_room_(q, head);
    return 0;
}

/* Takes up to n of the oldest. Returns how many (0: none), or -EPIPE. */
PAWL_API ptrdiff_t pawl_mpsc_ring_pop_n(struct pawl_mpsc_ring *q, void *elements, size_t n) PAWL_NONNULL;

/* Waits for an element until the deadline: 0, -EPIPE, -ETIMEDOUT. */
PAWL_API int pawl_mpsc_ring_pop_wait(struct pawl_mpsc_ring *q, void *element, uint64_t deadline) PAWL_NONNULL;

/* Gives up the oldest place, which is reserved and not filled, because its producer is dead: a producer that is merely
 * slow would overwrite a later element. Returns 0, or -EAGAIN: the oldest place is filled or not reserved. */
PAWL_API int pawl_mpsc_ring_skip(struct pawl_mpsc_ring *q) PAWL_NONNULL;

/* ---- for tests ---- */

/* Empties a queue that nobody uses and lets it begin at a position (mod 2^63). */
PAWL_API void pawl_mpsc_ring_start_at_(struct pawl_mpsc_ring *q, uint64_t position);

PAWL_END_DECLS
#endif
