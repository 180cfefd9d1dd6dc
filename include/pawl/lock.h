/* SPDX-License-Identifier: MIT */
/* Locks: the mutex to take (<pawl/mutex.h>), readers and a writer (<pawl/rwlock.h>), and three spin locks.
 *
 * Purpose    struct pawl_mutex unless you can say why not. struct pawl_rwlock where nearly all sections only
 *            read. A spin lock where a section is a few instructions, never sleeps, and the word must be small or
 *            must be spun on: `pawl_spin` is the one to take. Ticket and MCS serve in the order of
 *            arrival, and MCS spins on the waiter's own line; both fall when threads outnumber CPUs,
 *            because the lock is then handed to a thread that is not running: by a factor of 5 to 18 with 4 threads
 *            on 2 CPUs as they yield here, by hundreds where they only spin (docs/lock.md). Take them only
 *            with one pinned thread a CPU. A coarse lock around sections that seldom collide: <pawl/elide.h>.
 * Model      Locked or not. Not recursive.
 * Progress   lock: blocking; a stopped holder stops everybody, with ticket and MCS a stopped waiter does too. All
 *            yield the processor after 5 us of spinning, so that a descheduled holder gets to run.
 *            trylock: wait-free. unlock: wait-free; MCS waits for a successor that is just arriving.
 * Ordering   L: unlock releases, the lock that follows acquires.
 * Errors     Unlocking what is not locked aborts with one line. That another thread holds it is not noticed.
 * Timeouts   The mutex and the rwlock have timed forms. Who spins for longer than it wants to should not
 *            spin; and a ticket, once drawn, cannot be given back.
 * Signals    A handler may use trylock, and lock if it cannot have interrupted a holder.
 * fork       The child's copy of a lock that another thread held stays locked until initialised again.
 *            spin and ticket work in memory shared by processes, MCS does not (its queue is of pointers). A process
 *            that dies as the holder leaves them locked; one that dies with a ticket stops all that come after it.
 * Memory     spin 4 bytes, ticket 16, MCS 8 and 16 a waiter on its stack; zero is unlocked.
 * Cost       RMWs to lock and to unlock, uncontended: spin 1 + 0, ticket 1 + 0, MCS 1 + 1.
 * Source     T. Anderson, 1990 (test-and-test-and-set with back-off); J. Mellor-Crummey and M. Scott,
 *            "Algorithms for scalable synchronization", 1991 (ticket, MCS).
 */
#ifndef PAWL_LOCK_H
#define PAWL_LOCK_H

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/mutex.h>
#include <pawl/rwlock.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* ---- spin: test-and-test-and-set with bounded back-off ---- */

struct pawl_spin {
    PAWL_ATOMIC(uint32_t) locked; /* L */
};

#define PAWL_SPIN_INIT \
    {                  \
        0              \
    }

PAWL_API PAWL_COLD void pawl_spin_lock_slow_(struct pawl_spin *spin);
PAWL_API PAWL_COLD void pawl_spin_not_locked_(void) __attribute__((noreturn));

PAWL_API PAWL_INLINE void pawl_spin_lock(struct pawl_spin *spin)
{
    /* acquire L: pairs with the release in pawl_spin_unlock, sees what earlier holders did */
    if (PAWL_UNLIKELY(pawl_exchange_acquire(&spin->locked, 1u) != 0))
        pawl_spin_lock_slow_(spin);
}

/* Returns 0 or -EBUSY. */
PAWL_API PAWL_INLINE int pawl_spin_trylock(struct pawl_spin *spin)
{
    /* relaxed: a look that spares the line; the exchange decides. acquire L: as above */
    if (pawl_load_relaxed(&spin->locked) != 0 || pawl_exchange_acquire(&spin->locked, 1u) != 0)
        return -EBUSY;
    return 0;
}

PAWL_API PAWL_INLINE void pawl_spin_unlock(struct pawl_spin *spin)
{
    /* relaxed: the caller's own store, if it holds the lock */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&spin->locked) == 0))
        pawl_spin_not_locked_();
    /* release L: pairs with the acquires that take the lock, publishes what this holder did */
    pawl_store_release(&spin->locked, 0u);
}

/* ---- ticket: in the order of arrival ---- */

struct pawl_ticket {
    PAWL_ATOMIC(uint64_t) next;    /* the ticket that the next arrival draws */
    PAWL_ATOMIC(uint64_t) serving; /* L: whose turn it is; written by the holder only */
};

#define PAWL_TICKET_INIT \
    {                    \
        0, 0             \
    }

PAWL_API PAWL_COLD void pawl_ticket_wait_(struct pawl_ticket *lock, uint64_t mine);
PAWL_API PAWL_COLD void pawl_ticket_not_locked_(void) __attribute__((noreturn));

PAWL_API PAWL_INLINE void pawl_ticket_lock(struct pawl_ticket *lock)
{
    /* relaxed: the number only; the load below acquires */
    uint64_t mine = pawl_fetch_add_relaxed(&lock->next, UINT64_C(1));

    /* acquire L: pairs with the release in pawl_ticket_unlock, sees what earlier holders did */
    if (PAWL_UNLIKELY(pawl_load_acquire(&lock->serving) != mine))
        pawl_ticket_wait_(lock, mine);
}

/* Returns 0 or -EBUSY. */
PAWL_API PAWL_INLINE int pawl_ticket_trylock(struct pawl_ticket *lock)
{
    uint64_t mine = pawl_load_acquire(&lock->serving); /* acquire L: as above */

    /* relaxed: draws the ticket that is served already, if nobody else did */
    return pawl_cas_relaxed(&lock->next, &mine, mine + 1) ? 0 : -EBUSY;
}

PAWL_API PAWL_INLINE void pawl_ticket_unlock(struct pawl_ticket *lock)
{
    uint64_t mine = pawl_load_relaxed(&lock->serving); /* relaxed: only the holder writes it */

    /* relaxed: never older than the draw of the caller, if it holds the lock */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&lock->next) == mine))
        pawl_ticket_not_locked_();
    /* release L: pairs with the acquires above, publishes what this holder did */
    pawl_store_release(&lock->serving, mine + 1);
}

/* ---- MCS: in the order of arrival, each spins on its own node ---- */

/* A waiter or the holder; from lock to unlock the caller keeps it where it is. */
struct pawl_mcs_node {
    PAWL_ATOMIC(struct pawl_mcs_node *) next; /* N: who comes after */
    PAWL_ATOMIC(uint32_t) granted;            /* L: set by the one before */
    uint32_t pad;
};

struct pawl_mcs {
    PAWL_ATOMIC(struct pawl_mcs_node *) tail; /* T: who came last; NULL: unlocked */
};

#define PAWL_MCS_INIT             \
    {                             \
        (struct pawl_mcs_node *)0 \
    }

PAWL_API PAWL_COLD void pawl_mcs_wait_(struct pawl_mcs_node *before, struct pawl_mcs_node *node);
PAWL_API PAWL_COLD void pawl_mcs_pass_(struct pawl_mcs *lock, struct pawl_mcs_node *node);

PAWL_API PAWL_INLINE void pawl_mcs_lock(struct pawl_mcs *lock, struct pawl_mcs_node *node)
{
    struct pawl_mcs_node *before;

    /* relaxed: published by the exchange */
    pawl_store_relaxed(&node->next, (struct pawl_mcs_node *)0);
    pawl_store_relaxed(&node->granted, 0u);
    /* release T: publishes the node to the next arrival. acquire: pairs with the release in unlock, sees
     * what earlier holders did, and with the release T of the one before */
    before = pawl_exchange_acq_rel(&lock->tail, node);
    if (PAWL_UNLIKELY(before != (struct pawl_mcs_node *)0))
        pawl_mcs_wait_(before, node);
}

/* Returns 0 or -EBUSY. */
PAWL_API PAWL_INLINE int pawl_mcs_trylock(struct pawl_mcs *lock, struct pawl_mcs_node *node)
{
    struct pawl_mcs_node *nobody = (struct pawl_mcs_node *)0;

    pawl_store_relaxed(&node->next, (struct pawl_mcs_node *)0); /* relaxed: as above */
    pawl_store_relaxed(&node->granted, 0u);
    return pawl_cas_acq_rel(&lock->tail, &nobody, node) ? 0 : -EBUSY; /* acq_rel T: as above */
}

PAWL_API PAWL_INLINE void pawl_mcs_unlock(struct pawl_mcs *lock, struct pawl_mcs_node *node)
{
    struct pawl_mcs_node *last = node;

    /* relaxed: who is there is looked at again in pawl_mcs_pass_. release T: pairs with the acquire in lock,
     * publishes what this holder did */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&node->next) != (struct pawl_mcs_node *)0 ||
                      !pawl_cas_release(&lock->tail, &last, (struct pawl_mcs_node *)0)))
        pawl_mcs_pass_(lock, node);
}

PAWL_END_DECLS
#endif
