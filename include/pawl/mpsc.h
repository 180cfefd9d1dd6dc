/* SPDX-License-Identifier: MIT */
/* Unbounded queue of the caller's own nodes: many producers, one consumer, a push that never waits and never fails.
 *
 * Purpose    Mail for a thread, an actor, an event loop: whoever has something for it pushes a structure that carries a
 *            node. Nothing is allocated, nothing is copied. Bounded, by value, or through shared memory:
 *            <pawl/mpsc_ring.h>. The highest throughput, with order kept for each producer only: <pawl/mpsc_lanes.h>.
 * Model      One sequence of nodes. push appends; pop takes the oldest, or says -EAGAIN: empty.
 *            -EBUSY: a producer was stopped between the two steps of its push; what it pushed, and what was pushed
 *            before it and not collected yet, is inside but not reachable until it goes on.
 *            Closed: by any thread, for good. Pushes fail with -EPIPE; pops drain, then fail with -EPIPE.
 * Progress   push, push_n: wait-free, whatever the others do. pop, pop_all: never wait, but lock-free they are not:
 *            while a producer is stopped between its two steps (two instructions apart) they say -EBUSY.
 *            close: waits for the pushes that are just running. _wait: blocking.
 * Ordering   N: a push releases, the pop that returns its node acquires. P: sections of RCU around pushes, which
 *            close waits for.
 * Signals    push may be called from signal handlers, also in one that interrupted a push, a pop or a close.
 * fork       The child has a copy: nodes in it are the child's copies. A push of another thread that was between its
 *            steps leaves the child's pops at -EBUSY for good.
 * Memory     8 bytes a node, 256 + 128 a queue. A node belongs to the queue from push until pop returned it; then it may
 *            be freed or pushed again at once. Private: nodes are pointers.
 * Cost       push: one exchange and one store into the caller's own node; one line written that others write; no
 *            fence (without membarrier: two, of RCU). pop: no atomic instruction, but one exchange for all nodes
 *            that have come since the last one.
 * Source     The chain of exchanges is Vyukov's and liburcu's wait-free queue turned around: a node points to the one
 *            before it, so that a producer writes nothing but its own node and the top. The consumer takes the whole
 *            chain and reverses it, as with the stack of R. K. Treiber, 1986.
 * Checked    tests/queue/mpsc/check_mpsc.c
 */
#ifndef PAWL_MPSC_H
#define PAWL_MPSC_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/handover.h>
#include <pawl/rcu.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* In the caller's structure; pawl_mpsc_of() leads back. Not to be initialised. */
struct pawl_mpsc_node {
    PAWL_ATOMIC(struct pawl_mpsc_node *)
    next; /* N: who came before; after it was collected: who comes after */
};

/* The object that a `struct pawl_mpsc_node *` is the `member` of. */
#define pawl_mpsc_of(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

struct pawl_mpsc {
    /* pair 0: read by all, written when somebody sleeps and at the end */
    struct pawl_handover handover;
    PAWL_ATOMIC(uint32_t) closing; /* P: pushes begin no more */
    uint32_t reserved;
    /* pair 1: the producers' */
    PAWL_ATOMIC(struct pawl_mpsc_node *) top PAWL_LINE_PAIR_ALIGNED; /* N: the last that came */
    /* pair 2: the consumer's */
    struct pawl_mpsc_node *ready PAWL_LINE_PAIR_ALIGNED; /* collected, the oldest first */
    struct pawl_mpsc_node *turned;                       /* part of a collection, turned around already */
    struct pawl_mpsc_node *unturned;                     /* its rest, the latest first; NULL: none */
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_mpsc) == (size_t)3 * PAWL_CACHELINE_PAIR, "three pairs of lines");

/* What `next` is between the two steps of a push. */
#define PAWL_MPSC_UNLINKED_ ((struct pawl_mpsc_node *)1)

/* Empty and open. */
PAWL_API void pawl_mpsc_init(struct pawl_mpsc *q) PAWL_NONNULL;

/* On the heap: NULL and errno ENOMEM. */
PAWL_API struct pawl_mpsc *pawl_mpsc_open(void) PAWL_MUST_USE;

/* Gives it back; nobody uses it any more. Nodes inside are the caller's to find before. NULL is nothing. */
PAWL_API void pawl_mpsc_free(struct pawl_mpsc *q);

/* Ends it: no push that begins after the return succeeds, all that succeeded are inside. Waits for the pushes that are
 * just running, so not inside a section of RCU (it aborts), nor from a signal handler. Wakes the consumer. Any
 * thread: 0, or -EALREADY (which does not wait). */
PAWL_API int pawl_mpsc_close(struct pawl_mpsc *q) PAWL_NONNULL;

/* ---- producers ---- */

/* Appends the chain that ends in `last`, which `first` is to follow up: both steps of a push. */
PAWL_API PAWL_INLINE int pawl_mpsc_append_(struct pawl_mpsc *q, struct pawl_mpsc_node *first,
                                           struct pawl_mpsc_node *last, size_t n)
{
    struct pawl_mpsc_node *before;

    pawl_rcu_read_lock(); /* P: close waits for the end of this section */
    /* relaxed P: who sees 0 is in a section that began before the grace period of close ended */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&q->closing) != 0)) {
        pawl_rcu_read_unlock();
        return -EPIPE;
    }
    pawl_store_relaxed(&first->next, PAWL_MPSC_UNLINKED_); /* relaxed: the exchange publishes it */
    /* release N: pairs with the acquire of the exchange in mpsc.c, publishes the node and what it is part of.
     * The exchanges form one release sequence: the collector of the last sees the nodes of all. */
    before = pawl_exchange_release(&q->top, last);
    /* release N: pairs with the acquire in mpsc.c that looks for this link, publishes nothing that the exchange has
     * not, but the reuse of the node by the consumer must come after it */
    pawl_store_release(&first->next, before);
    pawl_handover_pushed(&q->handover, n);
    pawl_rcu_read_unlock();
    return 0;
}

/* Appends a node. Returns 0, or -EPIPE: closed, the node is still the caller's. Any thread, signal handlers too. */
PAWL_API PAWL_INLINE int pawl_mpsc_push(struct pawl_mpsc *q, struct pawl_mpsc_node *node)
{
    return pawl_mpsc_append_(q, node, node, 1);
}

/* Appends n nodes (n > 0), in order and with nothing between them, for one exchange. Returns 0, or -EPIPE and all are
 * still the caller's. */
PAWL_API int pawl_mpsc_push_n(struct pawl_mpsc *q, struct pawl_mpsc_node *const *nodes, size_t n)
    PAWL_NONNULL;

/* ---- the consumer ---- */

PAWL_API int pawl_mpsc_collect_(struct pawl_mpsc *q);

/* Takes the oldest node. Returns 0, -EAGAIN (empty), -EBUSY (see Model), -EPIPE (closed and empty). */
PAWL_API PAWL_INLINE int pawl_mpsc_pop(struct pawl_mpsc *q, struct pawl_mpsc_node **node)
{
    if (q->ready == (struct pawl_mpsc_node *)0) {
        int status = pawl_mpsc_collect_(q);

        if (status != 0)
            return status;
    }
    *node = q->ready;
    q->ready = pawl_load_relaxed(&q->ready->next); /* relaxed: the consumer's own since it was collected */
    return 0;
}

/* Takes all that are reachable, as a chain from the oldest to the last: pawl_mpsc_next() leads through it. Returns as
 * pawl_mpsc_pop. */
PAWL_API int pawl_mpsc_pop_all(struct pawl_mpsc *q, struct pawl_mpsc_node **first) PAWL_NONNULL;

/* The node after one of such a chain; NULL: it was the last. To be asked before the node is freed or pushed. */
PAWL_API PAWL_INLINE struct pawl_mpsc_node *pawl_mpsc_next(struct pawl_mpsc_node *node)
{
    return pawl_load_relaxed(&node->next); /* relaxed: the consumer's own since it was collected */
}

/* pawl_mpsc_pop, but waits while it is empty or busy: 0, -EPIPE, -ETIMEDOUT. */
PAWL_API int pawl_mpsc_pop_wait(struct pawl_mpsc *q, struct pawl_mpsc_node **node, uint64_t deadline)
    PAWL_NONNULL;

/* Whether pop would say -EAGAIN or -EPIPE. By the consumer. */
PAWL_API bool pawl_mpsc_empty(const struct pawl_mpsc *q) PAWL_NONNULL;

PAWL_END_DECLS
#endif
