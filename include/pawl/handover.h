/* SPDX-License-Identifier: MIT */
/* Waiting and closing for queues: who sleeps until there is an element, or room, and how nobody pays for it.
 *
 * Purpose    The part that the queues of this library share: each has one of these beside its cells. Take it for a
 *            queue of your own: it turns "try to push" and "try to pop" into calls that wait.
 * Model      Two eventcounts, for those who wait for elements and for those who wait for room, and a flag.
 *
 *              pushing: publish n elements, then pawl_handover_pushed(h, n)       wakes up to n who wait to pop
 *              popping: free n places, then pawl_handover_popped(h, n)            wakes up to n who wait to push
 *
 *            An attempt is a function of the queue that tries once, and returns -EAGAIN where waiting may help.
 * Progress   closed: wait-free; pushed, popped, close: while nobody sleeps, else lock-free (and a system call where
 *            somebody is woken), as the notifications of <pawl/park.h>. The waiting
 *            forms: blocking, until the attempt does something else than fail, or the deadline passes.
 * Ordering   F: between the caller's publication and its look at the sleepers stands a fence, and so between a
 *            sleeper's announcement and its last attempt: they cannot miss each other. The sleeper's is a heavy one
 *            (<pawl/fence.h>), so that the other costs nothing. With PAWL_SHARED both are ordinary: the heavy one
 *            does not reach other processes.
 *            C: close releases, closed acquires.
 *            Nothing else: elements are published by the queue's own cells.
 * Memory     48 bytes without pointers. pushed and popped only read it, as long as nobody sleeps: it stands on a
 *            line of its own, which all threads then share.
 *            A process killed while it waits in a shared one, or between its publication and its look at the
 *            sleepers, takes at most one wake-up with it (of a batch, all of its own): an element may then lie
 *            there although others sleep, until the next push; or room, until the next pop. Where all may sleep by
 *            then, give the waits deadlines.
 * Cost       pushed and popped: a load, and a fence only with PAWL_SHARED or where there is no membarrier. A waiting
 *            form that succeeds soon: the attempt. One that sleeps: membarrier, two atomic operations, futex.
 * fork       As the eventcounts: the child may use its copy.
 */
#ifndef PAWL_HANDOVER_H
#define PAWL_HANDOVER_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/fence.h>
#include <pawl/park.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_handover {
    struct pawl_eventcount items; /* who waits to pop */
    struct pawl_eventcount room;  /* who waits to push */
    PAWL_ATOMIC(uint32_t) closed; /* C */
    uint32_t flags;
    uint64_t reserved;
};

/* Open, nobody waits. flags: PAWL_PRIVATE or PAWL_SHARED. Zeroed memory is an open private one. */
PAWL_API void pawl_handover_init(struct pawl_handover *h, int flags) PAWL_NONNULL;

/* F: the caller's publication before its look at the sleepers. */
PAWL_API PAWL_INLINE void pawl_handover_fence_(const struct pawl_handover *h)
{
    if (PAWL_UNLIKELY((h->flags & PAWL_SHARED) != 0))
        pawl_fence_seq_cst();
    else
        pawl_fence_light();
}

/* After n elements were made visible. Any thread; signal handlers too, if the queue allows. */
PAWL_API PAWL_INLINE void pawl_handover_pushed(struct pawl_handover *h, size_t n)
{
    pawl_handover_fence_(h);
    /* relaxed: a stale "nobody" is what F excludes where it matters */
    if (PAWL_UNLIKELY((pawl_load_relaxed(&h->items.state) & PAWL_EVENTCOUNT_WAITERS_) != 0))
        pawl_eventcount_wake_(&h->items, n);
}

/* After n places were made free. As pawl_handover_pushed. */
PAWL_API PAWL_INLINE void pawl_handover_popped(struct pawl_handover *h, size_t n)
{
    pawl_handover_fence_(h);
    /* relaxed: as in pawl_handover_pushed */
    if (PAWL_UNLIKELY((pawl_load_relaxed(&h->room.state) & PAWL_EVENTCOUNT_WAITERS_) != 0))
        pawl_eventcount_wake_(&h->room, n);
}

/* Calls attempt(op) until it returns something else than -EAGAIN, and returns that; or -ETIMEDOUT. Spins a few
 * microseconds, then sleeps. At least one attempt is made, whatever the deadline. */
PAWL_API int pawl_handover_pop_wait(struct pawl_handover *h, int (*attempt)(void *op), void *op,
                                    uint64_t deadline) __attribute__((nonnull(1, 2)));

/* The same for who waits for room. */
PAWL_API int pawl_handover_push_wait(struct pawl_handover *h, int (*attempt)(void *op), void *op,
                                     uint64_t deadline) __attribute__((nonnull(1, 2)));

/* Whether it was closed. acquire C. */
PAWL_API PAWL_INLINE bool pawl_handover_closed(const struct pawl_handover *h)
{
    return pawl_load_acquire(&h->closed) != 0; /* C: pairs with the exchange in pawl_handover_close */
}

/* Marks it closed and wakes all, whose attempts must now see it. A queue that needs more for its pushes to end
 * (a bit in its tail) does that before. Returns 0, or -EALREADY. Any thread. */
PAWL_API int pawl_handover_close(struct pawl_handover *h) PAWL_NONNULL;

PAWL_END_DECLS
#endif
