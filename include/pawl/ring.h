/* SPDX-License-Identifier: MIT */
/* Ring that drops instead of blocking: a full one gives up its oldest entry for the newest.
 *
 * Purpose    What must not hold up its producers and is worth most when it is new: last events before a crash,
 *            market data, samples, a cache of recently used buffers. Many producers, many consumers; each surviving
 *            entry goes to one consumer, in order. Where nothing may be lost take a queue that says "full". Where
 *            every consumer shall see every element take <pawl/broadcast.h>; for records of different sizes
 *            <pawl/logring.h>.
 * Model      A queue of at most `capacity` entries.
 *              push    puts the element behind the newest; a full ring gives its oldest back to the pusher
 *              pop     takes the oldest
 *              view    copies what is inside, takes nothing, writes nothing: through a read-only mapping too
 *            Every entry has a ticket: 0, 1, 2, ... in the order of the pushes. A consumer sees by the tickets what
 *            it did not get.
 * Policies   PAWL_RING_STAMPED    the fast one. One atomic read-modify-write an operation. A thread that is stopped
 *                                 (or killed) between its two steps blocks who comes round to its cell.
 *            PAWL_RING_LOCK_FREE  a stopped thread's cell is skipped, never waited for: it costs the ring that
 *                                 cell until its thread goes on. Push 2, pop 1 read-modify-writes, and one more
 *                                 every 64 tickets. Who meets another leaves it alone for up to 1 us, once.
 * Progress               stamped                                      lock-free
 *            push        blocking: waits for a peer that was stopped  lock-free
 *                        while it worked on the oldest cell
 *            pop         the same                                     lock-free; gives a writer inside the
 *                                                                     oldest cell about 1 us, once
 *            close       the same                                     wait-free
 *            pop_wait    blocking                                     blocking, until there is an entry
 *            view, lost, stuck, size, capacity: wait-free. With the lock-free policy the first four read every cell.
 *            A process killed inside a push or pop of a shared ring: stamped, the ring stands still once it has come
 *            round to that cell; lock-free, one cell is out of service (pawl_ring_stuck counts it), the element
 *            in the dead process's hand is lost, and nothing else happens. One killed inside close: close again.
 * Empty      -EAGAIN means that every entry whose push returned before the call is gone, or taken. A consumer
 *            never sees "empty" while its own push is inside. With the lock-free policy a push into a full ring is
 *            two steps, the oldest out and the new one in; in between the ring may be seen with one entry less
 *            (of a ring of one entry: empty).
 * Overtaken  Lock-free policy only. A push that was given up while it was writing begins again with a new ticket. If
 *            by then `capacity` newer tickets are out and there is no free cell, its element is dropped, as the
 *            oldest: PAWL_RING_OVERTAKEN, and the caller still has it.
 * Ordering   P: a push publishes the element, and what its thread did before, to the pop that takes the entry, to the
 *            push that displaces it, and to a view that shows it.
 *            F1, F2: fences of writers and views, which forbid that a view takes a torn entry for a whole one.
 *            T: who gives out a ticket has seen that all before are given out; so has who acquires tail or head.
 *            Two rings are not ordered with one another.
 * Closing    After pawl_ring_close returns, no push that begins later succeeds. Pops go on until the ring is empty,
 *            then -EPIPE: nothing will ever come again. A push that was inside either is delivered or fails.
 * Memory     Four pairs of cache lines, and a cell an entry: 8 bytes more than the element rounded up to words (16
 *            more with the lock-free policy). The capacity is rounded up to a power of two. No pointers: with
 *            PAWL_SHARED, processes may map it anywhere. Tickets have 62 bits: 7000 years at 20 million a second.
 * Signals    With the lock-free policy push, pop and view may be called from signal handlers, also of a thread
 *            that they interrupt inside. With the other one not.
 * fork       A private ring: the child has its copy; what the parent's other threads were about is unfinished
 *            in it (as if they had been killed). A shared one serves both.
 * Source     Stamped: D. Vyukov's bounded queue with crossbeam's force_push (2022). Lock-free: own; the idea of a
 *            ring that overwrites by tickets is J. Viega's (hatrack, 2022), here without 128-bit words.
 * Checked    tests/queue/ring/check_ring.c; docs/ring.md says what the mutants showed.
 */
#ifndef PAWL_RING_H
#define PAWL_RING_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* For `flags`, one of them, with PAWL_PRIVATE or PAWL_SHARED of <pawl/park.h>. */
enum pawl_ring_policy {
    PAWL_RING_STAMPED = 0,
    PAWL_RING_LOCK_FREE = 2,
};

/* What a push did beside storing its element: bits of its result. */
enum pawl_ring_result {
    PAWL_RING_EVICTED = 1,   /* *evicted holds the entry that had to go */
    PAWL_RING_OVERTAKEN = 2, /* the element was not stored; see above */
};

/* Positions are tickets times four; the low bits of a word of the ring or a cell are its state. */
struct pawl_ring {
    /* read by all */
    uint64_t mask; /* cells - 1 */
    uint64_t lap;  /* cells * 4 */
    size_t cell_bytes;
    size_t element_bytes;
    uint32_t flags;
    uint32_t magic; /* 'ring' once it is initialised */
    struct pawl_handover handover;
    char pad0[PAWL_CACHELINE_PAIR - 4 * 8 - 8 - sizeof(struct pawl_handover)];
    /* written by producers */
    PAWL_ATOMIC(uint64_t) tail; /* T: where the next push goes; bit 0: closed */
    PAWL_ATOMIC(uint64_t) lost; /* stamped: entries displaced; written by who displaces, one at a time */
    char pad1[PAWL_CACHELINE_PAIR - 16];
    /* written by consumers */
    PAWL_ATOMIC(uint64_t) head;      /* the oldest entry, or before it; stamped: bit 0: closing */
    PAWL_ATOMIC(uint64_t) head_hint; /* lock-free: usually the oldest entry */
    PAWL_ATOMIC(uint64_t) waited;    /* lock-free: the word of a cell whose writer was given its time */
    char pad2[PAWL_CACHELINE_PAIR - 24];
    /* written by producers, lock-free policy: with every push, while the tail moves seldom */
    PAWL_ATOMIC(uint64_t) tail_hint; /* T: usually where the next push goes */
    char pad3[PAWL_CACHELINE_PAIR - 8];
    /* the cells follow */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_ring) == 4 * (size_t)PAWL_CACHELINE_PAIR,
                   "four pairs of lines, then the cells");

/* ---- making one ---- */

/* The bytes of a ring, for memory of the caller, aligned to PAWL_CACHELINE_PAIR. 0 with errno: EINVAL (no capacity,
 * no bytes, unknown flags), EOVERFLOW. */
PAWL_API size_t pawl_ring_bytes(size_t capacity, size_t element_bytes, int flags) PAWL_MUST_USE;

/* Initialises that memory. 0, -EINVAL (also: not aligned), -EOVERFLOW. Alone. */
PAWL_API int pawl_ring_init(struct pawl_ring *ring, size_t capacity, size_t element_bytes, int flags)
    PAWL_NONNULL;

/* The same on the heap: NULL with errno EINVAL, EOVERFLOW, ENOMEM. Given back by pawl_ring_free, which takes NULL, when
 * nobody uses it any more; what is inside is forgotten: pop until -EPIPE before, if it must not be. */
PAWL_API struct pawl_ring *pawl_ring_open(size_t capacity, size_t element_bytes, int flags) PAWL_MUST_USE;
PAWL_API void pawl_ring_free(struct pawl_ring *ring);

/* ---- using it ---- */

/* Puts a copy of *element in. Unless `evicted` is NULL, an entry that had to go is copied there.
 * Returns 0; PAWL_RING_EVICTED; with the lock-free policy also PAWL_RING_OVERTAKEN, or both; -EPIPE: closed.
 * Any thread. Never waits for room. */
PAWL_API int pawl_ring_push(struct pawl_ring *ring, const void *element, void *evicted)
    __attribute__((nonnull(1, 2)));

/* Takes the oldest entry, and its ticket unless `ticket` is NULL.
 * Returns 0, -EAGAIN: empty, -EPIPE: closed and empty for ever. Any thread. */
PAWL_API int pawl_ring_pop(struct pawl_ring *ring, void *element, uint64_t *ticket)
    __attribute__((nonnull(1, 2)));

/* Takes up to `count` entries, with their tickets unless `tickets` is NULL. Returns how many; with none, -EAGAIN or
 * -EPIPE. They are neighbours only if nobody else pops. */
PAWL_API ptrdiff_t pawl_ring_pop_n(struct pawl_ring *ring, void *elements, uint64_t *tickets, size_t count)
    __attribute__((nonnull(1, 2)));

/* pawl_ring_pop that waits for an entry until the deadline (<pawl/park.h>): 0, -ETIMEDOUT, -EPIPE. */
PAWL_API int pawl_ring_pop_wait(struct pawl_ring *ring, void *element, uint64_t *ticket, uint64_t deadline)
    __attribute__((nonnull(1, 2)));

/* Ends pushing, and wakes who waits. 0, or -EALREADY. Any thread. */
PAWL_API int pawl_ring_close(struct pawl_ring *ring) PAWL_NONNULL;

/* ---- looking at it: the ring may be mapped read-only ---- */

/* Copies the entries to elements[0..], and their tickets, oldest first; room for pawl_ring_capacity() of each. All that it shows were inside together at one moment of the call, each whole; no entry is missing
 * that was inside when the call began and still is at that moment. Returns how many. */
PAWL_API size_t pawl_ring_view(const struct pawl_ring *ring, void *elements, uint64_t *tickets) PAWL_NONNULL;

/* Entries displaced so far. Only grows; exact when no push is running. */
PAWL_API uint64_t pawl_ring_lost(const struct pawl_ring *ring) PAWL_NONNULL;

/* Lock-free policy: cells whose writer was given up and has not come back. Approximate. */
PAWL_API size_t pawl_ring_stuck(const struct pawl_ring *ring) PAWL_NONNULL;

/* Entries inside, approximately: tickets given out and not passed by. */
PAWL_API size_t pawl_ring_size(const struct pawl_ring *ring) PAWL_NONNULL;

PAWL_API PAWL_INLINE size_t pawl_ring_capacity(const struct pawl_ring *ring)
{
    return (size_t)ring->mask + 1;
}

PAWL_END_DECLS
#endif
