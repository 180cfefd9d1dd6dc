/* SPDX-License-Identifier: MIT */
/* The waiting halves of the spin locks. */
#include <pawl/lock.h>

#include <pawl/backoff.h>

#include "fail.h"

extern inline void pawl_spin_lock(struct pawl_spin *spin);
extern inline int pawl_spin_trylock(struct pawl_spin *spin);
extern inline void pawl_spin_unlock(struct pawl_spin *spin);
extern inline void pawl_ticket_lock(struct pawl_ticket *lock);
extern inline int pawl_ticket_trylock(struct pawl_ticket *lock);
extern inline void pawl_ticket_unlock(struct pawl_ticket *lock);
extern inline void pawl_mcs_lock(struct pawl_mcs *lock, struct pawl_mcs_node *node);
extern inline int pawl_mcs_trylock(struct pawl_mcs *lock, struct pawl_mcs_node *node);
extern inline void pawl_mcs_unlock(struct pawl_mcs *lock, struct pawl_mcs_node *node);

PAWL_STATIC_ASSERT(sizeof(struct pawl_spin) == 4 && sizeof(struct pawl_ticket) == 16 &&
                       sizeof(struct pawl_mcs) == 8 && sizeof(struct pawl_mcs_node) == 16,
                   "the sizes that the header promises");

void pawl_spin_lock_slow_(struct pawl_spin *spin)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    do {
        do
            pawl_backoff_wait(&backoff);
        while (pawl_load_relaxed(&spin->locked) != 0);       /* relaxed: a look; the exchange decides */
    } while (pawl_exchange_acquire(&spin->locked, 1u) != 0); /* acquire L: as in pawl_spin_lock */
}

void pawl_spin_not_locked_(void)
{
    pawl_sync_fail("pawl_spin_unlock", "the lock is not locked");
}

/* Rounds stay short: being late for one's turn makes everybody late. */
void pawl_ticket_wait_(struct pawl_ticket *lock, uint64_t mine)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    while (pawl_load_acquire(&lock->serving) != mine) /* acquire L: as in pawl_ticket_lock */
        pawl_backoff_wait(&backoff);
}

void pawl_ticket_not_locked_(void)
{
    pawl_sync_fail("pawl_ticket_unlock", "the lock is not locked");
}

void pawl_mcs_wait_(struct pawl_mcs_node *before, struct pawl_mcs_node *node)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    /* release N: publishes this node to the one before */
    pawl_store_release(&before->next, node);
    /* acquire L: pairs with the release in pawl_mcs_pass_, sees what earlier holders did */
    while (pawl_load_acquire(&node->granted) == 0)
        pawl_backoff_wait(&backoff);
}

void pawl_mcs_pass_(struct pawl_mcs *lock, struct pawl_mcs_node *node)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    struct pawl_mcs_node *next;

    /* relaxed: a locked lock has a tail, which this thread or a later one stored */
    if (pawl_load_relaxed(&lock->tail) == NULL)
        pawl_sync_fail("pawl_mcs_unlock", "the lock is not locked");
    /* acquire N: pairs with the release in pawl_mcs_wait_, the node is whole. Somebody has exchanged the
     * tail and is about to say who it is. */
    while ((next = pawl_load_acquire(&node->next)) == NULL)
        pawl_backoff_wait(&backoff);
    /* release L: pairs with the acquire in pawl_mcs_wait_, publishes what this holder did */
    pawl_store_release(&next->granted, 1u);
}
