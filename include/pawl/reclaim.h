/* SPDX-License-Identifier: MIT */
/* One contract over the three ways to reclaim: for structures that leave the choice to their user.
 *
 * Purpose    A lock-free list, map or queue is written once, against this, and opened over rcu, an epoch or
 *            hazard pointers.
 *            Programs that know which one they use include its header instead. docs/reclaim.md says when to
 *            take which.
 * Model      An operation of the structure:
 *
 *              struct pawl_guard guard;
 *              pawl_reclaim_enter(&by, &guard);
 *              node = pawl_reclaim_protect(&guard, 0, &head);      slot 0: for hazard pointers; the others
 *            ignore it
 *              next = pawl_reclaim_protect(&guard, 1, &node->next);
 *              ... unlink node: pawl_reclaim_retire(&by, &node->retired, free_node);
 *              pawl_reclaim_leave(&guard);
 *
 *            What protect returned is valid until leave (rcu, epoch), or until the slot is used again
 *            (hazard): write for the latter. As with hazard pointers the source must be reachable when it is
 *            read again, so links of
 *            unlinked nodes are marked and a traversal that meets one starts over.
 *            Objects have their `struct pawl_retired` at the same offset throughout a domain of hazard
 *            pointers.
 * Progress, Ordering, Signals, fork   as in the header of the one that is used; over hazard pointers enter
 * is as take. A handler may
 *            enter and leave, not retire.
 * Cost       That of the one used, and a branch on its kind that is the same all the time.
 */
#ifndef PAWL_RECLAIM_H
#define PAWL_RECLAIM_H

#include <pawl/config.h>
#include <pawl/epoch.h>
#include <pawl/hazard.h>
#include <pawl/rcu.h>

PAWL_BEGIN_DECLS

enum pawl_reclaim_kind { PAWL_RECLAIM_RCU, PAWL_RECLAIM_EPOCH, PAWL_RECLAIM_HAZARD };

/* Which one, and its domain. The domain is the caller's to open and close. */
struct pawl_reclaim {
    enum pawl_reclaim_kind kind;
    union {
        struct pawl_rcu *rcu;
        struct pawl_epoch *epoch;
        struct pawl_hazard *hazard;
    } domain;
};

#define PAWL_GUARD_SLOTS 4u

/* One operation of one thread. */
struct pawl_guard {
    const struct pawl_reclaim *by;
    struct pawl_hazard_slot *slot[PAWL_GUARD_SLOTS]; /* of hazard pointers; NULL until first used */
};

PAWL_API PAWL_INLINE struct pawl_reclaim pawl_reclaim_by_rcu(struct pawl_rcu *rcu)
{
    struct pawl_reclaim by;

    by.kind = PAWL_RECLAIM_RCU;
    by.domain.rcu = rcu;
    return by;
}

PAWL_API PAWL_INLINE struct pawl_reclaim pawl_reclaim_by_epoch(struct pawl_epoch *epoch)
{
    struct pawl_reclaim by;

    by.kind = PAWL_RECLAIM_EPOCH;
    by.domain.epoch = epoch;
    return by;
}

PAWL_API PAWL_INLINE struct pawl_reclaim pawl_reclaim_by_hazard(struct pawl_hazard *hazard)
{
    struct pawl_reclaim by;

    by.kind = PAWL_RECLAIM_HAZARD;
    by.domain.hazard = hazard;
    return by;
}

/* Begins an operation. Operations nest; over hazard pointers two at a time take no memory. */
PAWL_API PAWL_INLINE void pawl_reclaim_enter(const struct pawl_reclaim *by, struct pawl_guard *guard)
{
    guard->by = by;
    if (by->kind == PAWL_RECLAIM_RCU)
        pawl_rcu_read_lock_in(by->domain.rcu);
    else if (by->kind == PAWL_RECLAIM_EPOCH)
        pawl_epoch_pin(by->domain.epoch);
    else
        for (unsigned int i = 0; i < PAWL_GUARD_SLOTS; i++)
            guard->slot[i] = NULL;
}

PAWL_API PAWL_COLD struct pawl_hazard_slot *pawl_guard_slot_slow_(struct pawl_guard *guard,
                                                                  unsigned int index);

/* The guard's slot, taken at its first use. Aborts when a thread has so many guards that there is no memory
 * for slots. */
PAWL_API PAWL_INLINE struct pawl_hazard_slot *pawl_guard_slot_(struct pawl_guard *guard, unsigned int index)
{
    struct pawl_hazard_slot *slot = guard->slot[index];

    return PAWL_LIKELY(slot != NULL) ? slot : pawl_guard_slot_slow_(guard, index);
}

/* The pointer in *source, an atomic one; see above for how long it is valid. `index` is below
 * PAWL_GUARD_SLOTS. Acquire: sees
 * what was stored in the object before it was published. */
#define pawl_reclaim_protect(guard, index, source) \
    ((guard)->by->kind != PAWL_RECLAIM_HAZARD      \
         ? pawl_load_acquire(source)               \
         : pawl_hazard_protect(pawl_guard_slot_((guard), (index)), (source)))

/* For pointers with tag bits: announces `object`; it is safe if it is found reachable by a load after
 * this. */
PAWL_API PAWL_INLINE void pawl_reclaim_announce(struct pawl_guard *guard, unsigned int index,
                                                const void *object)
{
    if (guard->by->kind == PAWL_RECLAIM_HAZARD)
        pawl_hazard_set(pawl_guard_slot_(guard, index), object);
}

PAWL_API PAWL_INLINE void pawl_reclaim_leave(struct pawl_guard *guard)
{
    const struct pawl_reclaim *by = guard->by;

    if (by->kind == PAWL_RECLAIM_RCU)
        pawl_rcu_read_unlock_in(by->domain.rcu);
    else if (by->kind == PAWL_RECLAIM_EPOCH)
        pawl_epoch_unpin(by->domain.epoch);
    else
        for (unsigned int i = 0; i < PAWL_GUARD_SLOTS; i++)
            if (guard->slot[i] != NULL)
                pawl_hazard_give(by->domain.hazard, guard->slot[i]);
}

/* Has `reclaim` called with `retired` when nobody can have the object any more. It is unlinked already.
 * Where it runs differs: rcu's worker, or some thread in retire. Inside an operation or not. */
PAWL_API void pawl_reclaim_retire(const struct pawl_reclaim *by, struct pawl_retired *retired,
                                  void (*reclaim)(struct pawl_retired *)) PAWL_NONNULL;

/* Reclaims what can be reclaimed now: of the calling thread and of ended ones; over rcu all, which waits.
 * Outside of operations. For tests, and for threads that have retired much and now go to sleep. */
PAWL_API void pawl_reclaim_flush(const struct pawl_reclaim *by) PAWL_NONNULL;

PAWL_END_DECLS
#endif
