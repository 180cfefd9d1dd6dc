/* SPDX-License-Identifier: MIT */
/* Bounded queue with up to 64 priorities, for many producers and many consumers, lock-free.
 *
 * Purpose    Work that differs in urgency, in a few classes. For times or other keys of many values take a
 *            tree.
 * Model      One <pawl/mpmc.h> queue for each level, 0 the most urgent, each of the same capacity. push
 *            appends at its level, or fails with -EAGAIN when that level is full. pop takes the first element
 *            of the most urgent level that is not empty, -EAGAIN when all are. After close pushes fail with
 *            -EPIPE, and pops when all is taken. Order: an element whose push has returned when a pop begins
 *            is not passed over by that pop for a less urgent one. So when pushes rest, pops come strictly in
 *            order of the levels. An element that is pushed while a pop runs may be passed over by it.
 *            Elements of one level keep their order. relief: of every `relief` pops, one takes from the level
 *            whose turn it is, the levels being served in rotation: an element with k elements before it at
 *            its level is taken by one of the next (k + 1) * 64 * relief pops, whatever else is pushed. 0:
 *            never, strictly by urgency.
 * Algorithm  A map with a bit for each level that may have elements. A pusher sets the bit when it is not
 *            set. A popper that finds the level empty withdraws the bit, looks at the level once more, and
 *            sets it again if an element has come. Meanwhile that element cannot be seen in the map, so
 *            poppers count themselves in and out when they withdraw: who sees one inside looks at the levels
 *            instead.
 * Progress   push, pop, close: lock-free. A thread that is stopped or killed while it withdraws a bit (a few
 *            instructions) makes each pop look at all levels: they become slower, nothing else. One in front of
 *            setting it has pushed an element that is seen when another pushes at that level, or finds it full.
 * Ordering   As <pawl/mpmc.h>. M: seq_cst: the pusher's element is in the level before it looks at the map,
 *            and the popper's withdrawal is in the map before it looks at the level: not both can miss the
 *            other. W: who misses a bit that was withdrawn sees the withdrawal.
 * Memory     384 bytes, and for each level a queue, see <pawl/mpmc.h>. No pointers: with PAWL_SHARED several
 *            processes use it in shared memory. For elements of more than 8 bytes its remark about lanes
 *            holds for each level.
 * Cost       push: that of the level's queue, and two loads from the line of the map; one atomic operation
 *            there when the level was empty. pop: that of the level's queue, three loads; three or
 *            four atomic operations when it finds a level empty whose bit is set. With relief: one more in
 *            each pop.
 * fork, Signals   As <pawl/mpmc.h>.
 * Source     Ours; the map of queues is the run queue of every scheduler.
 * Checked    tests/queue/prio/check.sh, docs/prio.md.
 */
#ifndef PAWL_PRIO_H
#define PAWL_PRIO_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <pawl/mpmc.h>
#include <pawl/park.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

#define PAWL_PRIO_LEVELS 64u

/* A queue; its levels follow it in memory. The fields are not for programs. */
struct pawl_prio {
    /* line 0: constant */
    uint64_t level_bytes; /* from level to level */
    uint64_t capacity;    /* of a level, in elements */
    uint64_t relief;
    uint32_t levels;
    uint32_t reserved;
    uint64_t reserved_too[4];
    /* line 1: read, and written when somebody sleeps or closes */
    struct pawl_handover handover; /* of those who wait to pop */
    uint64_t reserved_again[2];
    /* line pair 1: written when levels become empty, and when they were */
    PAWL_ATOMIC(uint64_t) map PAWL_LINE_PAIR_ALIGNED; /* M, W: bit i: level i may have elements */
    PAWL_ATOMIC(uint64_t) withdrawals; /* W: | how many have ended : 48 | are going on : 16 | */
    /* line pair 2: with relief, written by those who pop */
    PAWL_ATOMIC(uint64_t) pops PAWL_LINE_PAIR_ALIGNED;
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(offsetof(struct pawl_prio, handover) == PAWL_CACHELINE, "a line of its own");
PAWL_STATIC_ASSERT(offsetof(struct pawl_prio, map) == PAWL_CACHELINE_PAIR, "a line pair of its own");
PAWL_STATIC_ASSERT(sizeof(struct pawl_prio) == 3 * (size_t)PAWL_CACHELINE_PAIR, "as the header says");

/* What a queue needs in bytes, from an address that is a multiple of PAWL_CACHELINE_PAIR: `levels` from 1 to
 * PAWL_PRIO_LEVELS, of `capacity` elements each. 0 with errno EINVAL or EOVERFLOW. */
PAWL_API size_t pawl_prio_bytes(unsigned levels, size_t capacity, size_t element_bytes);

/* An empty open queue in the caller's memory of pawl_prio_bytes(). flags: PAWL_PRIVATE or PAWL_SHARED.
 * Returns 0, -EINVAL, -EOVERFLOW. */
PAWL_API int pawl_prio_init(struct pawl_prio *q, unsigned levels, size_t capacity, size_t element_bytes,
                            unsigned relief, int flags) PAWL_NONNULL;

/* A private one on the heap. NULL with errno EINVAL, EOVERFLOW, ENOMEM. */
PAWL_API struct pawl_prio *pawl_prio_open(unsigned levels, size_t capacity, size_t element_bytes,
                                          unsigned relief) PAWL_MUST_USE;

/* Gives back what pawl_prio_open() returned, with what is inside. Nobody uses it any more. NULL is
 * allowed. */
PAWL_API void pawl_prio_free(struct pawl_prio *q);

/* Ends pushing at all levels: no push that begins after it has returned succeeds; one that was inside has
 * either failed or its element is there for a pop. Wakes all who wait. Returns 0, or -EALREADY. Any
 * thread. */
PAWL_API int pawl_prio_close(struct pawl_prio *q) PAWL_NONNULL;

/* Appends a copy of the element at the level. 0; -EAGAIN: the level is full; -EPIPE: closed; -EINVAL: there
 * is no such level. Any thread. */
PAWL_API int pawl_prio_push(struct pawl_prio *q, unsigned level, const void *element) PAWL_NONNULL;

/* Takes the first element of the most urgent level, and says which (level may be NULL). 0; -EAGAIN: empty;
 * -EPIPE: empty for ever. Whatever it returns, what stands in *element may have been overwritten. Any
 * thread. */
PAWL_API int pawl_prio_pop(struct pawl_prio *q, void *element, unsigned *level)
    __attribute__((nonnull(1, 2)));

/* The same, but wait while the level is full, or all are empty: 0, -EPIPE, -ETIMEDOUT, -EINVAL. The deadline
 * is that of <pawl/park.h>. Any thread; not from signal handlers. */
PAWL_API int pawl_prio_push_wait(struct pawl_prio *q, unsigned level, const void *element, uint64_t deadline)
    PAWL_NONNULL;
PAWL_API int pawl_prio_pop_wait(struct pawl_prio *q, void *element, unsigned *level, uint64_t deadline)
    __attribute__((nonnull(1, 2)));

/* How many elements are at a level (0 where there is none): exact while nobody pushes or pops, else a number
 * it had or could have had. Any thread. */
PAWL_API size_t pawl_prio_size(struct pawl_prio *q, unsigned level) PAWL_NONNULL;

/* How many elements a level holds at most: what was asked for, rounded up to a power of two. */
PAWL_API size_t pawl_prio_capacity(const struct pawl_prio *q) PAWL_NONNULL;

/* Whether it was closed. Elements may be inside. */
PAWL_API PAWL_INLINE bool pawl_prio_closed(const struct pawl_prio *q)
{
    return pawl_handover_closed(&q->handover);
}

PAWL_END_DECLS
#endif
