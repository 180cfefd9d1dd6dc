/* SPDX-License-Identifier: MIT */
/* The common contract, out of line. */
#include "../sync/fail.h"
#include "epoch.h"

#include <pawl/reclaim.h>

extern inline struct pawl_reclaim pawl_reclaim_by_rcu(struct pawl_rcu *rcu);
extern inline struct pawl_reclaim pawl_reclaim_by_epoch(struct pawl_epoch *epoch);
extern inline struct pawl_reclaim pawl_reclaim_by_hazard(struct pawl_hazard *hazard);
extern inline void pawl_reclaim_enter(const struct pawl_reclaim *by, struct pawl_guard *guard);
extern inline struct pawl_hazard_slot *pawl_guard_slot_(struct pawl_guard *guard, unsigned int index);
extern inline void pawl_reclaim_announce(struct pawl_guard *guard, unsigned int index, const void *object);
extern inline void pawl_reclaim_leave(struct pawl_guard *guard);

struct pawl_hazard_slot *pawl_guard_slot_slow_(struct pawl_guard *guard, unsigned int index)
{
    guard->slot[index] = pawl_hazard_take(guard->by->domain.hazard);
    if (guard->slot[index] == NULL)
        pawl_sync_fail("pawl_reclaim_protect",
                       "no memory for a hazard slot beyond eight: leave operations before others");
    return guard->slot[index];
}

void pawl_reclaim_retire(const struct pawl_reclaim *by, struct pawl_retired *retired,
                         void (*reclaim)(struct pawl_retired *))
{
    switch (by->kind) {
    case PAWL_RECLAIM_RCU:
        pawl_rcu_call_in(by->domain.rcu, retired, reclaim);
        break;
    case PAWL_RECLAIM_EPOCH:
        pawl_epoch_retire(by->domain.epoch, retired, reclaim);
        break;
    case PAWL_RECLAIM_HAZARD:
        pawl_hazard_retire(by->domain.hazard, retired, reclaim);
        break;
    }
}

void pawl_reclaim_flush(const struct pawl_reclaim *by)
{
    switch (by->kind) {
    case PAWL_RECLAIM_RCU:
        pawl_rcu_barrier_in(by->domain.rcu);
        break;
    case PAWL_RECLAIM_EPOCH:
        pawl_epoch_drain(by->domain.epoch);
        break;
    case PAWL_RECLAIM_HAZARD:
        (void)pawl_hazard_collect(by->domain.hazard);
        break;
    }
}
