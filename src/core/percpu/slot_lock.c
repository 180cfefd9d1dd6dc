/* SPDX-License-Identifier: MIT */
/* The lock of a slot seen from outside: unlock, revoke, restore.
 *
 * Two words, each with one kind of writer: `held` by the slot's own threads, `revoked` by others. The
 * fence between "revoked is set" and "held is read" is what makes two words one lock: a trylock that did
 * not see `revoked` has committed before the fence returns, so its `held` is seen here (Dekker, with
 * the fence of the fast side moved to the slow one). */
#include "region.h"

#include <errno.h>
#include <sched.h>

void pawl_percpu_unlock(struct pawl_percpu_lock *lock)
{
    /* release H: pairs with the acquire in trylock and in revoke, publishes the holder's work */
    pawl_store_release(&lock->held, 0L);
}

/* The lock of this slot, wherever its slice is. NULL with errno. */
static struct pawl_percpu_lock *find(struct pawl_percpu *pc, uint32_t slot, size_t at)
{
    char *slice;

    if (at > pc->bytes || pc->bytes - at < sizeof(struct pawl_percpu_lock) || !pawl_region_use(pc, slot)) {
        errno = EINVAL;
        return NULL;
    }
    slice = pawl_percpu_slice(pc, slot);
    if (slice == NULL)
        errno = EBUSY;
    return slice != NULL ? (struct pawl_percpu_lock *)(void *)(slice + at) : NULL;
}

struct pawl_percpu_lock *pawl_percpu_revoke(struct pawl_percpu *pc, uint32_t slot, size_t at)
{
    struct pawl_percpu_lock *lock = find(pc, slot, at);
    long unrevoked = 0;
    int status;

    if (lock == NULL)
        return NULL;
    /* acquire V: pairs with the release in restore, sees what the last revoker did */
    if (!pawl_cas_acquire(&lock->revoked, &unrevoked, 1L)) {
        errno = EBUSY;
        return NULL;
    }
    status = pawl_percpu_fence(pc, slot);
    if (status != 0) {
        pawl_percpu_restore(lock);
        errno = -status;
        return NULL;
    }
    /* acquire H: pairs with the release in unlock, sees what the last holder did */
    while (pawl_load_acquire(&lock->held) != 0)
        sched_yield();
    return lock;
}

void pawl_percpu_restore(struct pawl_percpu_lock *lock)
{
    /* release V: pairs with the acquire in trylock and in revoke, publishes the revoker's work */
    pawl_store_release(&lock->revoked, 0L);
}
