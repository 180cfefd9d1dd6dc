/* SPDX-License-Identifier: MIT */
/* Bounded broadcast: one or many producers, and every consumer sees every element, in the same order.
 *
 * Purpose    Stages that all look at the same stream: a journal, a replicator and the business logic; market
 *            data and its readers; events and their subscribers. One copy in, none made for further
 *            consumers. To share elements out among consumers, each to one of them: <pawl/mpmc.h>.
 * Model      A sequence of elements, numbered from 0, of which the last `capacity` are kept. Each consumer
 *            has a position in it. A consumer may depend on others: it sees an element when all of those have
 *            popped it, and what they wrote into it (peek).
 *            Back-pressure: push returns -EAGAIN while the slowest subscribed consumer is `capacity` elements
 *            behind. PAWL_BROADCAST_OVERWRITE: push always succeeds; a consumer that was too slow goes on at
 *            a later element and is told how many it lost.
 *
 *              element   ... 95 96 97 98 99 | 100 ...         next push: 100
 *                            ^     ^     ^
 *                       cons. 1  c. 0  c. 2            back-pressure: 100 waits if its cell is that of 96
 *
 * Closing    After pawl_broadcast_close, pushes return -EPIPE, and a pop does so when its consumer has seen
 *            all. With PAWL_BROADCAST_ONE_PRODUCER the producer closes, or somebody after its last push.
 * Progress   One producer: push is wait-free (it looks at the consumers' positions once in a while,
 *            O(consumers)). Many producers: their claims are lock-free, but elements appear in the order of
 *            the claims: one that is stopped between claim and publication holds up all consumers there, and
 *            with back-pressure at last the other producers; with OVERWRITE a producer that comes round to
 *            its cell. So it is not lock-free. pop: wait-free with back-pressure; with OVERWRITE lock-free
 *            (it repeats when it was overtaken). A consumer that is stopped holds up producers under
 *            back-pressure, until somebody unsubscribes it.
 * Ordering   P: push releases, the pop of each consumer acquires. D: a pop releases, pops of consumers that
 *            depend on it acquire. R: a pop releases, the push that writes the cell again acquires.
 *            S: two fences, that a consumer is either seen by producers or begins behind what they may
 *            overwrite.
 * Waiting    The _wait forms, by flag: sleep (after a few microseconds; a push or pop then pays a look at a
 *            line that nobody writes while nobody sleeps), PAWL_BROADCAST_YIELD, or PAWL_BROADCAST_SPIN (a
 *            CPU for each waiter).
 * Memory     Head 512 bytes, 128 a consumer, 8 + element_bytes (rounded up to 8) a cell. No pointers: with
 *            PAWL_SHARED it may be mapped by several processes, anywhere. A consumer that was killed:
 *            unsubscribe it; one that was killed while it subscribed has a number, too, that nobody was told. A
 *            closer: close again, that wakes who sleeps. A producer that was killed inside push: as one that is
 *            stopped, for ever.
 * Cost       push: one producer 0 RMW, many 1 RMW a batch; 0 fences (PAWL_SHARED: 1); lines written: the
 *            cell, the head. pop: 0 RMW, 0 fences (PAWL_SHARED: 2); lines written: its position.
 * fork       A private one is copied.
 * Signals    None of these functions may be called in a handler that interrupts another of them.
 * Source     M. Thompson et al., "Disruptor", 2011; cells with sequence words after D. Vyukov; overwriting as
 *            a seqlock a cell (H.-J. Boehm, 2012).
 * Checked    tests/queue/broadcast/check_broadcast.c, check.sh.
 */
#ifndef PAWL_BROADCAST_H
#define PAWL_BROADCAST_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <pawl/park.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* For init and open, beside PAWL_PRIVATE or PAWL_SHARED of <pawl/park.h>. */
enum pawl_broadcast_flags {
    PAWL_BROADCAST_ONE_PRODUCER = 2, /* one thread at a time pushes and closes */
    PAWL_BROADCAST_OVERWRITE = 4,    /* producers wait for nobody */
    PAWL_BROADCAST_YIELD = 8,        /* who waits yields the processor */
    PAWL_BROADCAST_SPIN = 16,        /* who waits spins */
};

#define PAWL_BROADCAST_CONSUMERS_MAX 64u
#define PAWL_BROADCAST_ELEMENT_MAX 65536u

struct pawl_broadcast_consumer {
    PAWL_ATOMIC(uint64_t) position PAWL_LINE_PAIR_ALIGNED; /* number of the next element. D, R */
    PAWL_ATOMIC(uint32_t) state;                           /* free, being subscribed, subscribed. S */
    uint64_t after;                                        /* bit i: it depends on consumer i */
    PAWL_ATOMIC(uint64_t) lost;
};

struct pawl_broadcast {
    /* read-only */
    uint64_t mask PAWL_LINE_PAIR_ALIGNED; /* cells - 1 */
    uint64_t cells_at;                    /* offset of the cells from here; the consumers stand before them */
    uint32_t element_bytes;
    uint32_t cell_bytes;
    uint32_t consumers;
    uint32_t flags;
    /* producers write. head: number of the next element, and bit 63: closed */
    PAWL_ATOMIC(uint64_t) head PAWL_LINE_PAIR_ALIGNED;
    PAWL_ATOMIC(uint64_t) gate; /* no subscribed consumer is before it */
    /* read, as long as nobody sleeps */
    struct pawl_handover waiting PAWL_LINE_PAIR_ALIGNED;
    PAWL_ATOMIC(uint32_t) chained PAWL_LINE_PAIR_ALIGNED; /* whether some consumer depends on another */
    PAWL_FLEXIBLE struct pawl_broadcast_consumer consumer[];
};

/* Bytes for a broadcast that keeps `capacity` elements (rounded up to a power of two) of element_bytes each,
 * for up to `consumers` at a time. 0 with errno: EINVAL (a zero; more than 2^40 elements, 65536 bytes or
 * 64 consumers), EOVERFLOW. */
PAWL_API size_t pawl_broadcast_bytes(size_t capacity, size_t element_bytes, unsigned consumers);

/* Makes it in memory of that size, aligned to 128. Returns 0 or -EINVAL, -EOVERFLOW. */
PAWL_API int pawl_broadcast_init(struct pawl_broadcast *b, size_t capacity, size_t element_bytes,
                                 unsigned consumers, int flags) PAWL_MUST_USE PAWL_NONNULL;

/* The same on the heap: NULL with errno; pawl_broadcast_free(NULL) is allowed. */
PAWL_API struct pawl_broadcast *pawl_broadcast_open(size_t capacity, size_t element_bytes, unsigned consumers,
                                                    int flags) PAWL_MUST_USE;
PAWL_API void pawl_broadcast_free(struct pawl_broadcast *b);

/* How many elements are kept: what was asked for, rounded up. */
PAWL_API PAWL_INLINE size_t pawl_broadcast_capacity(const struct pawl_broadcast *b)
{
    return b->mask + 1;
}

/* For tests: an empty one, nobody subscribed, whose first element has this number (below 2^63). */
PAWL_API PAWL_COLD void pawl_broadcast_start_at_(struct pawl_broadcast *b, uint64_t number);

/* ---- producers ---- */

/* Copies an element in. Returns 0; -EAGAIN: the slowest consumer is `capacity` behind; -EPIPE: closed. */
PAWL_API int pawl_broadcast_push(struct pawl_broadcast *b, const void *element) PAWL_NONNULL;

/* Copies elements[0..n) in, in order and without others between them. Returns how many, 0 to n (fewer than n
 * under back-pressure only; at most `capacity` at once), or -EPIPE. */
PAWL_API ptrdiff_t pawl_broadcast_push_n(struct pawl_broadcast *b, const void *elements, size_t n)
    PAWL_NONNULL;

/* Waits for room. Returns 0, -ETIMEDOUT, -EPIPE. */
PAWL_API int pawl_broadcast_push_wait(struct pawl_broadcast *b, const void *element, uint64_t deadline)
    PAWL_NONNULL;

/* Ends pushing, and the waits of all. Returns 0, or -EALREADY. */
PAWL_API int pawl_broadcast_close(struct pawl_broadcast *b) PAWL_NONNULL;

/* ---- consumers ---- */

/* A consumer that begins at the next element to be pushed, and after those of the consumers in `after` (bit
 * i: consumer i), which are subscribed and stay so as long as it is. Returns its number; -ENOSPC: all numbers
 * are taken; -EINVAL: one of `after` is not subscribed. Any thread; then one thread at a time uses the
 * number. */
PAWL_API int pawl_broadcast_subscribe(struct pawl_broadcast *b, uint64_t after) PAWL_NONNULL;

/* The number is free again, producers do not wait for it. Any thread, also for a consumer that is no more. */
PAWL_API void pawl_broadcast_unsubscribe(struct pawl_broadcast *b, int consumer) PAWL_NONNULL;

/* Copies the next element out. Returns 0; -EAGAIN: not there yet, or not popped by those it depends on;
 * -EPIPE: closed, and all seen. */
PAWL_API int pawl_broadcast_pop(struct pawl_broadcast *b, int consumer, void *element) PAWL_NONNULL;

/* Copies up to n out. Returns how many, 0 to n, or -EPIPE. */
PAWL_API ptrdiff_t pawl_broadcast_pop_n(struct pawl_broadcast *b, int consumer, void *elements, size_t n)
    PAWL_NONNULL;

/* Waits for it. Returns 0, -ETIMEDOUT, -EPIPE. */
PAWL_API int pawl_broadcast_pop_wait(struct pawl_broadcast *b, int consumer, void *element, uint64_t deadline)
    PAWL_NONNULL;

/* The next element in place, aligned to 8, or NULL with errno EAGAIN, EPIPE as pop; EINVAL with OVERWRITE,
 * where nothing stays in place. It may be written, for the consumers that depend on this one. _release
 * pops it. */
PAWL_API void *pawl_broadcast_peek(struct pawl_broadcast *b, int consumer) PAWL_NONNULL;
PAWL_API void pawl_broadcast_release(struct pawl_broadcast *b, int consumer) PAWL_NONNULL;

/* How many elements the consumer has lost to overwriting, since it subscribed. */
PAWL_API PAWL_INLINE uint64_t pawl_broadcast_lost(const struct pawl_broadcast *b, int consumer)
{
    return pawl_load_relaxed(&b->consumer[consumer].lost); /* relaxed: a statistic of its own */
}

/* How many were pushed that the consumer has not popped, about. */
PAWL_API uint64_t pawl_broadcast_behind(const struct pawl_broadcast *b, int consumer) PAWL_NONNULL;

PAWL_END_DECLS
#endif
