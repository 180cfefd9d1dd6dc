/* SPDX-License-Identifier: MIT */
/* The slow paths of <pawl/rwlock.h>: readers without bias, writers, and who gives and takes the bias.
 *
 * The mutex is held by whoever may change `biased`: writers from lock to unlock, and readers for the moment
 * in which they make the lock biased. So no bias is granted while a writer revokes it, waits, or writes. */
#include <pawl/rwlock.h>

#include <pawl/backoff.h>

#include "bias.h"
#include "fail.h"

#include <errno.h>

extern inline bool pawl_rwlock_rdlock_biased_(struct pawl_rwlock *lock);
extern inline void pawl_rwlock_rdlock(struct pawl_rwlock *lock);
extern inline int pawl_rwlock_timedrdlock(struct pawl_rwlock *lock, uint64_t deadline);
extern inline void pawl_rwlock_rdunlock(struct pawl_rwlock *lock);

#define WRITER PAWL_RWLOCK_WRITER
#define ASLEEP PAWL_RWLOCK_ASLEEP
#define READER PAWL_RWLOCK_READER

#ifndef NOW
#define NOW() pawl_deadline(0) /* the model checker's closures stop the clock */
#endif
#define NO_WAITING UINT64_C(0)        /* a deadline */
#define INHIBIT 9                     /* times the length of a revocation (BRAVO) */
#define RETRY_NS UINT64_C(1000000000) /* after there was no memory for the words */

PAWL_STATIC_ASSERT(sizeof(struct pawl_rwlock) == 48, "the size that the header promises");

void pawl_rwlock_init(struct pawl_rwlock *lock)
{
    /* relaxed, all: nobody has it yet */
    pawl_store_relaxed(&lock->pc, (struct pawl_percpu *)NULL);
    lock->at = 0;
    pawl_store_relaxed(&lock->readers, 0u);
    pawl_store_relaxed(&lock->biased, 0u);
    pawl_mutex_init(&lock->mutex, PAWL_PRIVATE);
    pawl_store_relaxed(&lock->unbiased_until, UINT64_C(0));
    lock->pad = 0;
}

void pawl_rwlock_destroy(struct pawl_rwlock *lock)
{
    struct pawl_percpu *pc = pawl_load_relaxed(&lock->pc); /* relaxed: nobody else uses the lock */

    if (pc != NULL)
        pawl_bias_close(pc, lock->at);
    pawl_rwlock_init(lock);
}

/* ---- giving the bias ---- */

/* With the mutex held. */
static void grant_bias(struct pawl_rwlock *lock)
{
    struct pawl_percpu *pc = pawl_load_relaxed(&lock->pc); /* relaxed: the mutex orders it */

    if (pc == NULL) {
        pc = pawl_bias_open(&lock->at);
        if (pc == NULL) { /* it works without, so try again some time */
            pawl_store_relaxed(&lock->unbiased_until, NOW() + RETRY_NS); /* relaxed: a hint */
            return;
        }
        /* release P: pairs with the acquires in rdlock and rdunlock, publishes `at` and the region */
        pawl_store_release(&lock->pc, pc);
    }
    /* release B: for ThreadSanitizer, which does not know the fence in rdlock */
    pawl_store_release(&lock->biased, 1u);
    pawl_bias_grant(pc, lock->at);
}

/* By a reader, which is counted already: no writer is inside, and none gets in. */
static void offer_bias(struct pawl_rwlock *lock)
{
    /* relaxed: hints. A reader that is biased but has come here runs on a CPU that has no `via` yet. */
    if (pawl_load_relaxed(&lock->biased) == 0 && NOW() < pawl_load_relaxed(&lock->unbiased_until))
        return;
    if (pawl_mutex_trylock(&lock->mutex) == 0) {
        grant_bias(lock);
        pawl_mutex_unlock(&lock->mutex);
    }
}

/* ---- readers without bias ---- */

/* False: a writer is there. */
static bool count_reader(struct pawl_rwlock *lock)
{
    uint32_t readers = pawl_load_relaxed(&lock->readers); /* relaxed: the CAS validates it */

    while ((readers & WRITER) == 0) {
        /* acquire R: pairs with the release in wrunlock, sees what writers did */
        if (pawl_cas_weak_acquire(&lock->readers, &readers, readers + READER))
            return true;
    }
    return false;
}

int pawl_rwlock_rdlock_slow_(struct pawl_rwlock *lock, uint64_t deadline)
{
    if (!count_reader(lock)) {
        int status = pawl_mutex_timedlock(&lock->mutex, deadline);

        if (status != 0)
            return status;
        /* relaxed: the mutex has seen what writers did; while it is held there is none */
        pawl_fetch_add_relaxed(&lock->readers, READER);
        pawl_mutex_unlock(&lock->mutex);
    }
    offer_bias(lock);
    return 0;
}

int pawl_rwlock_tryrdlock(struct pawl_rwlock *lock)
{
    if (pawl_rwlock_rdlock_biased_(lock))
        return 0;
    if (!count_reader(lock))
        return -EBUSY;
    offer_bias(lock);
    return 0;
}

void pawl_rwlock_rdunlock_slow_(struct pawl_rwlock *lock)
{
    /* release R: pairs with the acquire in readers_gone, the section is over (the fence in rdunlock says so as well,
     * but not to ThreadSanitizer). Below zero, so to speak, when the reader came biased and its count has not been
     * moved here yet. */
    uint32_t before = pawl_fetch_sub_release(&lock->readers, READER);

    if (before == (READER | WRITER | ASLEEP))
        pawl_futex_wake(&lock->readers, 1, PAWL_PRIVATE);
}

/* ---- writers ---- */

/* Moves the readers that are counted on their CPUs to `readers`. */
static void revoke_bias(struct pawl_rwlock *lock)
{
    long sum;

    pawl_store_release(&lock->biased, 0u); /* release B: as in grant_bias */
    /* relaxed: the mutex orders it */
    sum = pawl_bias_revoke(pawl_load_relaxed(&lock->pc), lock->at);
    pawl_fetch_add_relaxed(&lock->readers,
                           (uint32_t)sum * READER); /* relaxed: wraps; readers_gone acquires */
}

static bool readers_gone(struct pawl_rwlock *lock, uint32_t *readers)
{
    /* acquire R: pairs with the release in rdunlock_slow_, sees what the readers did */
    *readers = pawl_load_acquire(&lock->readers);
    return *readers / READER == 0;
}

/* The writer is announced and no count is left on a CPU. Returns 0 or -ETIMEDOUT. */
static int wait_for_readers(struct pawl_rwlock *lock, uint64_t deadline)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    uint32_t readers;

    for (int status = 0;;) {
        if (readers_gone(lock, &readers))
            return 0;
        if (status != 0 || deadline == NO_WAITING)
            return -ETIMEDOUT;
        if (pawl_backoff_again(&backoff))
            continue;
        /* relaxed: publishes nothing; the last reader sees the bit in the word that it changes */
        if ((readers & ASLEEP) == 0 && !pawl_cas_relaxed(&lock->readers, &readers, readers | ASLEEP))
            continue;
        status = pawl_futex_wait(&lock->readers, readers | ASLEEP, deadline, PAWL_PRIVATE);
    }
}

/* With the mutex held. Returns 0 or -ETIMEDOUT. */
static int keep_readers_out(struct pawl_rwlock *lock, uint64_t deadline)
{
    bool biased = pawl_load_relaxed(&lock->biased) != 0; /* relaxed: the mutex orders it */
    uint64_t begin = biased ? NOW() : 0;
    int status;

    /* relaxed: readers_gone acquires, also from readers that have left already: this one continues the release
     * sequence of each of them */
    pawl_fetch_or_relaxed(&lock->readers, WRITER);
    if (biased)
        revoke_bias(lock);
    status = wait_for_readers(lock, deadline);
    if (biased) {
        uint64_t now = NOW();

        /* relaxed: a hint */
        pawl_store_relaxed(&lock->unbiased_until, now + (now - begin) * INHIBIT);
    }
    return status;
}

static void let_readers_in(struct pawl_rwlock *lock)
{
    /* release R: pairs with the acquire in count_reader, publishes what the writer did */
    if ((pawl_fetch_and_release(&lock->readers, ~(WRITER | ASLEEP)) & WRITER) == 0)
        pawl_sync_fail("pawl_rwlock_wrunlock", "no writer holds the lock");
    pawl_mutex_unlock(&lock->mutex);
}

int pawl_rwlock_timedwrlock(struct pawl_rwlock *lock, uint64_t deadline)
{
    int status = pawl_mutex_timedlock(&lock->mutex, deadline);

    if (status != 0)
        return status;
    status = keep_readers_out(lock, deadline);
    if (status != 0)
        let_readers_in(lock);
    return status;
}

void pawl_rwlock_wrlock(struct pawl_rwlock *lock)
{
    (void)pawl_rwlock_timedwrlock(lock, PAWL_FOREVER);
}

/* Readers are inside, as far as can be seen without a revocation. */
static bool looks_read(struct pawl_rwlock *lock)
{
    uint32_t sum = pawl_load_relaxed(&lock->readers) / READER; /* relaxed: hints, all */

    if (pawl_load_relaxed(&lock->biased) != 0)
        sum += (uint32_t)pawl_bias_sum(pawl_load_relaxed(&lock->pc), lock->at);
    return (sum & (UINT32_MAX / READER)) != 0;
}

int pawl_rwlock_trywrlock(struct pawl_rwlock *lock)
{
    if (pawl_mutex_trylock(&lock->mutex) != 0)
        return -EBUSY;
    if (looks_read(lock)) {
        pawl_mutex_unlock(&lock->mutex);
        return -EBUSY;
    }
    if (keep_readers_out(lock, NO_WAITING) != 0) {
        let_readers_in(lock);
        return -EBUSY;
    }
    return 0;
}

void pawl_rwlock_wrunlock(struct pawl_rwlock *lock)
{
    let_readers_in(lock);
}

void pawl_rwlock_downgrade(struct pawl_rwlock *lock)
{
    /* relaxed: the writer's own section goes on */
    if ((pawl_fetch_add_relaxed(&lock->readers, READER) & WRITER) == 0)
        pawl_sync_fail("pawl_rwlock_downgrade", "no writer holds the lock");
    let_readers_in(lock);
}
