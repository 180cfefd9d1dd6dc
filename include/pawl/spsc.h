/* SPDX-License-Identifier: MIT */
/* Bounded queue between one producer and one consumer, by value.
 *
 * Purpose    One thread hands elements to one other: a stage of a pipeline, a core to its neighbour, a process to
 *            another one through shared memory. The fastest queue there is, because nothing is contended. For more
 *            producers <pawl/mpsc.h> and its kin; for pointers without copies the same, element by element.
 * Model      A bounded sequence. push appends unless it is full (-EAGAIN), pop takes the oldest unless it is empty
 *            (-EAGAIN). One thread at a time pushes, one at a time pops; handing a role to another thread or process
 *            needs an order between the two (join, a mutex, the death of the first).
 *            Full: push fails only while at least pawl_spsc_capacity() elements are inside. That is what was asked
 *            for or more, exactly what was asked for below 16 (see Memory for why); somewhat more may fit at times.
 *            Closed: by any thread, for good. Pushes fail with -EPIPE; pops drain, then fail with -EPIPE. A push that
 *            ran while the queue was closed succeeded if and only if its element is delivered.
 * Progress   push, pop, reserve, commit, peek, release and the batch forms: wait-free. _wait forms: blocking.
 *            A stopped thread stops nobody but who waits for its elements or its room.
 * Ordering   E: a push releases, the pop that returns its element acquires.
 *            R: a pop releases its place, the push that fills it again acquires.
 *            S: closing, a store-buffering pair; see pawl_spsc_seal_ in spsc.c.
 * Signals    The try forms may be called from a handler if the role is the handler's alone.
 * fork       The child has a copy of a private queue: pawl_spsc_repair() it if another thread was the producer. A shared
 *            one in shared memory serves both.
 * Memory     pawl_spsc_bytes(), a header of 512 bytes and the blocks, without pointers: PAWL_SHARED works wherever
 *            processes map it.
 *              pair 0   written at init and at the end: geometry, sleepers, closed
 *              pair 1   the room: written by the consumer once in many blocks, read by the producer when it
 *                       seems full
 *              pair 2   the producer's alone: where it pushes, and how far there was room when it last looked
 *              pair 3   the consumer's alone
 *              blocks   a word that says how much of the block is filled, then the elements:
 *
 *                         | block number << 8 | filled |  e0  e1  e2  e3  e4  e5  e6 |      64 bytes, 8-byte elements
 *
 *            An element travels with the word that announces it: a round trip costs what two cache lines cost
 *            that are written by one side and read by the other. Neither side ever reads an index of the other
 *            while elements flow, so that they do not fall into step (docs/spsc.md has the comparison).
 *            Places go back to the producer block by block, in eighths of the queue: therefore the round capacity.
 *            Elements are aligned to the largest power of two that divides their size, up to 64.
 *            Killed in the middle (shared memory): an element that was being pushed is inside, whole, or is not; the
 *            ones that were being popped are popped again. Another process may take the role over: the
 *            producer's after pawl_spsc_repair().
 * Cost       push, pop: no atomic read-modify-write, no fence (PAWL_SHARED: one full fence a push). Lines written
 *            that the other side reads: 1/7 an element of 8 bytes while elements flow, 1 when each is awaited.
 * Source     Own, from J. Giacomoni, T. Moseley, M. Vachharajani, "FastForward", PPoPP 2008 (flow without shared
 *            indices), and P. Lee, T. Bu, G. Chandranmenon, "A lock-free, cache-efficient shared ring buffer", 2009
 *            (room given back in batches).
 * Checked    tests/queue/spsc/check_spsc.c
 */
#ifndef PAWL_SPSC_H
#define PAWL_SPSC_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

PAWL_BEGIN_DECLS

#define PAWL_SPSC_MAX_ELEMENT ((size_t)1 << 20) /* bytes of an element, at most */

/* A position is a word: number of the block << 8 | elements of the block before it. */
#define PAWL_SPSC_BLOCK_ UINT64_C(256)

/* S: how far the end has come; see spsc.c. */
enum pawl_spsc_ending_ { PAWL_SPSC_OPEN_, PAWL_SPSC_SEALING_, PAWL_SPSC_SEALED_ };

struct pawl_spsc {
    /* pair 0 */
    uint64_t mask;                /* blocks, a power of two, minus 1 */
    uint64_t limit;               /* blocks that may be in use, as a distance of positions */
    uint64_t lag;                 /* the consumer gives room back in steps of this distance */
    uint64_t capacity;            /* elements that fit in any case */
    uint32_t block_bytes;         /* from one block to the next */
    uint32_t element_bytes;       /* size of an element */
    uint32_t first;               /* offset of the first element in a block */
    uint32_t per_block;           /* elements of a block, 1 to 255 */
    PAWL_ATOMIC(uint32_t) ending; /* S: the consumer's decision that nothing will come */
    uint32_t of_words;            /* 8-byte elements in blocks of one line */
    struct pawl_handover handover;
    /* pair 1: next to pair 0, because it hardly ever changes: a processor that loads from pair 0 fetches the line
     * after it too, unasked, and would take it from whom it belongs to */
    PAWL_ATOMIC(uint64_t) room PAWL_LINE_PAIR_ALIGNED; /* R: blocks before this one are free again */
    /* pair 2: the producer's */
    PAWL_ATOMIC(uint64_t) tail PAWL_LINE_PAIR_ALIGNED; /* where it pushes next */
    uint64_t room_seen;                                /* what room was when it last looked */
    /* pair 3: the consumer's */
    PAWL_ATOMIC(uint64_t) head PAWL_LINE_PAIR_ALIGNED; /* what it pops next */
    uint64_t filled;                                   /* how far the block was filled when it last looked */
    uint64_t room_given;                               /* what it stored to room */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_spsc) == (size_t)4 * PAWL_CACHELINE_PAIR, "four pairs of lines");
PAWL_STATIC_ASSERT(offsetof(struct pawl_spsc, room) == PAWL_CACHELINE_PAIR, "pair 0 is read only");

/* ---- making ---- */

/* Memory for a queue of at least `capacity` elements of `element_bytes`: to be aligned to 128. 0 and errno:
 * EINVAL (an argument is 0, or an element larger than PAWL_SPSC_MAX_ELEMENT), EOVERFLOW. */
PAWL_API size_t pawl_spsc_bytes(size_t capacity, size_t element_bytes);

/* An empty queue in memory of the caller, pawl_spsc_bytes() of it. flags: PAWL_PRIVATE, or PAWL_SHARED for several
 * processes. Returns 0, -EINVAL (also for flags it does not know, and memory not aligned), -EOVERFLOW. */
PAWL_API int pawl_spsc_init(struct pawl_spsc *q, size_t capacity, size_t element_bytes, int flags)
    PAWL_NONNULL PAWL_MUST_USE;

/* The same on the heap, private. NULL and errno, also ENOMEM. */
PAWL_API struct pawl_spsc *pawl_spsc_open(size_t capacity, size_t element_bytes) PAWL_MUST_USE;

/* Gives back what pawl_spsc_open made, with what is still inside. Nobody uses it any more. NULL is nothing. */
PAWL_API void pawl_spsc_free(struct pawl_spsc *q);

/* Pushes that fit in any case. Any thread. */
PAWL_API size_t pawl_spsc_capacity(const struct pawl_spsc *q) PAWL_NONNULL;

/* Elements inside: exact while neither side moves, else a number that it had or could have had. Any thread. */
PAWL_API size_t pawl_spsc_size(const struct pawl_spsc *q) PAWL_NONNULL;

/* Ends it: no push that begins after the return succeeds. Wakes who waits. Any thread, any number of times: 0, or
 * -EALREADY. */
PAWL_API int pawl_spsc_close(struct pawl_spsc *q) PAWL_NONNULL;

/* ---- inside ---- */

PAWL_API PAWL_COLD ptrdiff_t pawl_spsc_settle_(struct pawl_spsc *q, uint64_t from, size_t pushed);
PAWL_API PAWL_COLD int pawl_spsc_seal_(struct pawl_spsc *q);
/* Pushes and pops up to n without telling anybody; for the queues that are made of lanes. */
PAWL_API size_t pawl_spsc_fill_(struct pawl_spsc *q, const void *elements, size_t n);
PAWL_API size_t pawl_spsc_drain_(struct pawl_spsc *q, void *elements, size_t n);
PAWL_API bool pawl_spsc_look_for_room_(struct pawl_spsc *q, uint64_t at);
PAWL_API void pawl_spsc_give_room_(struct pawl_spsc *q, uint64_t at);

/* The most common shape, for which the compiler knows the numbers: a line of seven elements of 8 bytes. An operation
 * asks once and hands the answer down as `words`: between its stores the compiler would load all of the shape anew. */
#define PAWL_SPSC_WORDS_ 7u

PAWL_API PAWL_INLINE bool pawl_spsc_of_words_(const struct pawl_spsc *q)
{
    return PAWL_LIKELY(q->of_words != 0);
}

/* The address of the block of a position. */
PAWL_API PAWL_INLINE uintptr_t pawl_spsc_at_(const struct pawl_spsc *q, bool words, uint64_t at)
{
    uint64_t index = (at / PAWL_SPSC_BLOCK_) & q->mask;

    return (uintptr_t)(q + 1) + (words ? index * PAWL_CACHELINE : index * q->block_bytes);
}

PAWL_API PAWL_INLINE PAWL_ATOMIC(uint64_t) *
    pawl_spsc_block_(const struct pawl_spsc *q, bool words, uint64_t at)
{
    return (PAWL_ATOMIC(uint64_t) *)pawl_spsc_at_(q, words, at);
}

PAWL_API PAWL_INLINE unsigned char *pawl_spsc_element_(const struct pawl_spsc *q, bool words, uint64_t at)
{
    uint64_t index = at % PAWL_SPSC_BLOCK_;

    return (unsigned char *)pawl_spsc_at_(q, words, at) +
           (words ? (index + 1) * sizeof(uint64_t) : q->first + index * q->element_bytes);
}

PAWL_API PAWL_INLINE uint32_t pawl_spsc_per_block_(const struct pawl_spsc *q, bool words)
{
    return words ? PAWL_SPSC_WORDS_ : q->per_block;
}

/* The position after n more elements of the same block. */
PAWL_API PAWL_INLINE uint64_t pawl_spsc_after_(const struct pawl_spsc *q, bool words, uint64_t at, size_t n)
{
    uint64_t next = at + n;

    if (PAWL_UNLIKELY(next % PAWL_SPSC_BLOCK_ == pawl_spsc_per_block_(q, words))) {
        next = (at | (PAWL_SPSC_BLOCK_ - 1)) + 1;
        pawl_fence_compiler(); /* a branch: the next operation would wait for what a conditional move waits for */
    }
    return next;
}

/* Copies an element: words and lines in place, the rest by a call. */
PAWL_API PAWL_INLINE void pawl_spsc_copy_(const struct pawl_spsc *q, bool words, void *to, const void *from)
{
    if (PAWL_MAY_HOLD(to, 8) && PAWL_MAY_HOLD(from, 8) && words) {
        memcpy(to, from, sizeof(uint64_t));
    } else if (PAWL_MAY_HOLD(to, PAWL_CACHELINE) && PAWL_MAY_HOLD(from, PAWL_CACHELINE) &&
               q->element_bytes == PAWL_CACHELINE) {
        memcpy(to, from, PAWL_CACHELINE);
    } else {
        memcpy(to, from, q->element_bytes);
    }
}

/* By the producer: whether the block of its position is free; else the queue is full. */
PAWL_API PAWL_INLINE bool pawl_spsc_has_room_(struct pawl_spsc *q, uint64_t at)
{
    return at % PAWL_SPSC_BLOCK_ != 0 || PAWL_LIKELY(at - q->room_seen < q->limit) ||
           pawl_spsc_look_for_room_(q, at);
}

/* By the producer: places that are free in the block of its position; 0: the queue is full. */
PAWL_API PAWL_INLINE size_t pawl_spsc_places_(struct pawl_spsc *q, bool words, uint64_t at)
{
    return pawl_spsc_has_room_(q, at) ? pawl_spsc_per_block_(q, words) - at % PAWL_SPSC_BLOCK_ : 0;
}

/* By the producer: shows the n elements that it has written from `at` on, all in one block. */
PAWL_API PAWL_INLINE void pawl_spsc_show_(struct pawl_spsc *q, bool words, uint64_t at, size_t n)
{
    /* release E: pairs with the acquire in pawl_spsc_there_, publishes the elements */
    pawl_store_release(pawl_spsc_block_(q, words, at), at + n);
    pawl_fence_compiler(); /* who is killed before the next line leaves it to pawl_spsc_repair() */
    pawl_store_relaxed(&q->tail,
                       pawl_spsc_after_(q, words, at, n)); /* relaxed: others read it for pawl_spsc_size() */
}

/* By the producer, after it showed `pushed` elements from `from` on: wakes who waits for them, and looks whether the
 * consumer has given up meanwhile. Returns how many will be delivered, or -EPIPE. */
PAWL_API PAWL_INLINE ptrdiff_t pawl_spsc_pushed_(struct pawl_spsc *q, uint64_t from, size_t pushed)
{
    pawl_handover_pushed(&q->handover, pushed); /* its fence is also the producer's half of S */
    /* relaxed S: a stale OPEN is what the fences exclude if the consumer did not see the elements */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&q->ending) != PAWL_SPSC_OPEN_))
        return pawl_spsc_settle_(q, from, pushed);
    return (ptrdiff_t)pushed;
}

/* By the consumer: whether it has said that nothing will come; it must not look any more. */
PAWL_API PAWL_INLINE bool pawl_spsc_sealed_(const struct pawl_spsc *q)
{
    return PAWL_UNLIKELY(pawl_load_relaxed(&q->ending) == PAWL_SPSC_SEALED_); /* relaxed: its own decision */
}

/* By the consumer: elements that are there in the block of its position. */
PAWL_API PAWL_INLINE size_t pawl_spsc_there_(struct pawl_spsc *q, bool words, uint64_t at)
{
    uint64_t there = q->filled - at; /* of an earlier block: a huge number */

    if (there - 1 >= PAWL_SPSC_BLOCK_) {
        uint64_t filled;

        if (pawl_spsc_sealed_(q))
            return 0;
        /* acquire E: pairs with the release in pawl_spsc_show_, sees the elements */
        filled = pawl_load_acquire(pawl_spsc_block_(q, words, at));
        there = filled - at;
        if (there - 1 >= PAWL_SPSC_BLOCK_)
            return 0; /* nothing yet, or the block is filled for an earlier lap */
        q->filled = filled;
    }
    return there;
}

/* By the consumer: it has taken n elements of the block. */
PAWL_API PAWL_INLINE void pawl_spsc_taken_(struct pawl_spsc *q, bool words, uint64_t at, size_t n)
{
    uint64_t next = pawl_spsc_after_(q, words, at, n);

    pawl_fence_compiler();              /* who is killed before the next line has not popped them */
    pawl_store_relaxed(&q->head, next); /* relaxed: others read it for pawl_spsc_size(); room releases */
    if (PAWL_UNLIKELY(next - q->room_given >= q->lag))
        pawl_spsc_give_room_(q, next);
}

/* By the consumer, when nothing is there: gives back what room there is. 0: look again; -EAGAIN, -EPIPE. */
PAWL_API PAWL_INLINE int pawl_spsc_empty_(struct pawl_spsc *q, uint64_t at)
{
    if (PAWL_UNLIKELY(at - q->room_given >= PAWL_SPSC_BLOCK_))
        pawl_spsc_give_room_(q, at);
    return PAWL_UNLIKELY(pawl_handover_closed(&q->handover)) ? pawl_spsc_seal_(q) : -EAGAIN;
}

/* ---- one element ---- */

/* push and pop, where `words` is a number that the compiler knows. */
PAWL_API PAWL_INLINE int pawl_spsc_push_as_(struct pawl_spsc *q, bool words, const void *element)
{
    uint64_t at = pawl_load_relaxed(&q->tail); /* relaxed: the producer's own */

    if (PAWL_UNLIKELY(pawl_handover_closed(&q->handover)))
        return -EPIPE;
    if (PAWL_UNLIKELY(!pawl_spsc_has_room_(q, at)))
        return -EAGAIN;
    pawl_spsc_copy_(q, words, pawl_spsc_element_(q, words, at), element);
    pawl_spsc_show_(q, words, at, 1);
    return PAWL_LIKELY(pawl_spsc_pushed_(q, at, 1) > 0) ? 0 : -EPIPE;
}

PAWL_API PAWL_INLINE int pawl_spsc_pop_as_(struct pawl_spsc *q, bool words, void *element)
{
    uint64_t at = pawl_load_relaxed(&q->head); /* relaxed: the consumer's own */

    while (PAWL_UNLIKELY(pawl_spsc_there_(q, words, at) == 0)) {
        int status = pawl_spsc_empty_(q, at);

        if (status != 0)
            return status;
    }
    pawl_spsc_copy_(q, words, element, pawl_spsc_element_(q, words, at));
    pawl_spsc_taken_(q, words, at, 1);
    return 0;
}

/* Appends a copy. Returns 0, -EAGAIN (full), -EPIPE (closed). By the producer. */
PAWL_API PAWL_INLINE int pawl_spsc_push(struct pawl_spsc *q, const void *element)
{
    return pawl_spsc_of_words_(q) ? pawl_spsc_push_as_(q, true, element)
                                  : pawl_spsc_push_as_(q, false, element);
}

/* Takes the oldest. Returns 0, -EAGAIN (empty), -EPIPE (closed, and nothing will come). By the consumer. */
PAWL_API PAWL_INLINE int pawl_spsc_pop(struct pawl_spsc *q, void *element)
{
    return pawl_spsc_of_words_(q) ? pawl_spsc_pop_as_(q, true, element)
                                  : pawl_spsc_pop_as_(q, false, element);
}

/* The same, but waits for room or an element until the deadline (<pawl/park.h>): also -ETIMEDOUT. */
PAWL_API int pawl_spsc_push_wait(struct pawl_spsc *q, const void *element, uint64_t deadline) PAWL_NONNULL;
PAWL_API int pawl_spsc_pop_wait(struct pawl_spsc *q, void *element, uint64_t deadline) PAWL_NONNULL;

/* ---- many ---- */

/* Appends up to n, in order, from an array. Returns how many (0: full), or -EPIPE. By the producer. */
PAWL_API ptrdiff_t pawl_spsc_push_n(struct pawl_spsc *q, const void *elements, size_t n) PAWL_NONNULL;

/* Takes up to n of the oldest. Returns how many (0: empty), or -EPIPE. By the consumer. */
PAWL_API ptrdiff_t pawl_spsc_pop_n(struct pawl_spsc *q, void *elements, size_t n) PAWL_NONNULL;

/* ---- without copies ---- */

/* Up to `wanted` (> 0) places that lie one after the other: *places is the first. Returns how many (the rest of a
 * block: 7 for elements of 8 bytes, 15 for those of 64), -EAGAIN, -EPIPE. Fill them in order, and commit; what is not
 * committed is reserved again next time. By the producer. */
PAWL_API PAWL_INLINE ptrdiff_t pawl_spsc_reserve(struct pawl_spsc *q, void **places, size_t wanted)
{
    uint64_t at = pawl_load_relaxed(&q->tail); /* relaxed: the producer's own */
    bool words = pawl_spsc_of_words_(q);
    size_t n;

    if (PAWL_UNLIKELY(pawl_handover_closed(&q->handover)))
        return -EPIPE;
    n = pawl_spsc_places_(q, words, at);
    if (PAWL_UNLIKELY(n == 0))
        return -EAGAIN;
    *places = pawl_spsc_element_(q, words, at);
    return (ptrdiff_t)(n < wanted ? n : wanted);
}

/* Appends the first n of those, n > 0 and at most what reserve returned. Returns 0, or -EPIPE: closed meanwhile and
 * not delivered. By the producer. */
PAWL_API PAWL_INLINE int pawl_spsc_commit(struct pawl_spsc *q, size_t n)
{
    uint64_t at = pawl_load_relaxed(&q->tail); /* relaxed: the producer's own */

    pawl_spsc_show_(q, pawl_spsc_of_words_(q), at, n);
    return PAWL_LIKELY(pawl_spsc_pushed_(q, at, n) > 0) ? 0 : -EPIPE;
}

/* The oldest elements that lie one after the other: *elements is the first. Returns how many, -EAGAIN, -EPIPE. They
 * stay in the queue until released. By the consumer. */
PAWL_API PAWL_INLINE ptrdiff_t pawl_spsc_peek(struct pawl_spsc *q, const void **elements)
{
    uint64_t at = pawl_load_relaxed(&q->head); /* relaxed: the consumer's own */
    bool words = pawl_spsc_of_words_(q);
    size_t n;

    while (PAWL_UNLIKELY((n = pawl_spsc_there_(q, words, at)) == 0)) {
        int status = pawl_spsc_empty_(q, at);

        if (status != 0)
            return status;
    }
    *elements = pawl_spsc_element_(q, words, at);
    return (ptrdiff_t)n;
}

/* Removes the first n of those, n > 0 and at most what peek returned. By the consumer. */
PAWL_API PAWL_INLINE void pawl_spsc_release(struct pawl_spsc *q, size_t n)
{
    /* relaxed: the consumer's own */
    pawl_spsc_taken_(q, pawl_spsc_of_words_(q), pawl_load_relaxed(&q->head), n);
}

/* ---- after a process was killed ---- */

/* By who takes over from a producer that was killed in the middle of a push, before its own first one. Wakes the
 * consumer, if there is something that it was not told of. Harmless where nothing is to be repaired. */
PAWL_API void pawl_spsc_repair(struct pawl_spsc *q) PAWL_NONNULL;

/* ---- for tests ---- */

/* Empties a queue that nobody uses and lets it begin at a block of that number (mod 2^56). */
PAWL_API void pawl_spsc_start_at_(struct pawl_spsc *q, uint64_t block);

PAWL_END_DECLS
#endif
