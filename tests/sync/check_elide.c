/* SPDX-License-Identifier: MIT */
/* Closures of lock elision for the model checker, whose transactions happen at one point or are given up.
 * Exclusion and publication, in every mixture of elided sections and sections with the lock.
 * -DSPIN: the spin lock. -DTRY: the first thread tries. -DHOLDER: it takes the lock itself, as every section does
 * that was not elided. -DTURNS. -DLEARNING: the first section skips elision.
 * -DATOMIC: the data is atomic, and relaxed, so that only its values tell whether sections excluded one another, and
 * not whether the checker found them ordered.
 * -DUNSUBSCRIBED: the first thread's section is a transaction that has not looked at the lock, which the other one
 * takes. That must fail, or the closures show nothing.
 *
 * Transactions are ordered as they are whole, and the look at the lock is relaxed: there are no orders of elide.c to
 * mutate. */
#include <pawl/elide.h>

#include <assert.h>
#include <pthread.h>

#ifndef TURNS
#define TURNS 1
#endif

#if UNSUBSCRIBED
#include "transaction.h"
#endif

#if SPIN
static struct pawl_elide_spin lock;
#define LOCK() pawl_elide_spin_lock(&lock)
#define TRYLOCK() pawl_elide_spin_trylock(&lock)
#define UNLOCK() pawl_elide_spin_unlock(&lock)
#define TAKE() pawl_spin_lock(&lock.spin)
#define GIVE() pawl_spin_unlock(&lock.spin)
#else
static struct pawl_elide lock;
#define LOCK() pawl_elide_lock(&lock)
#define TRYLOCK() pawl_elide_trylock(&lock)
#define UNLOCK() pawl_elide_unlock(&lock)
#define TAKE() pawl_mutex_lock(&lock.mutex)
#define GIVE() pawl_mutex_unlock(&lock.mutex)
#endif

#if ATOMIC
static PAWL_ATOMIC(int) count, twice;
#define LOAD(word) pawl_load_relaxed(&(word))
#define STORE(word, value) pawl_store_relaxed(&(word), value)
#else
static int count, twice;
#define LOAD(word) (word)
#define STORE(word, value) ((word) = (value))
#endif

static void add_once(void)
{
    int now = LOAD(count);

    assert(LOAD(twice) == 2 * now);
    STORE(count, now + 1);
    STORE(twice, 2 * now + 2);
}

static void *add(void *unused)
{
    (void)unused;
    for (int i = 0; i < TURNS; i++) {
#if UNSUBSCRIBED
        TAKE();
        add_once();
        GIVE();
#else
        LOCK();
        add_once();
        UNLOCK();
#endif
    }
    return NULL;
}

/* Returns how often it has added. */
static int add_here(void)
{
#if HOLDER
    TAKE();
    add_once();
    GIVE();
#elif UNSUBSCRIBED
    if (transaction_begin() != TRANSACTION_STARTED)
        return 0;
    add_once();
    transaction_end();
#elif TRY
    if (TRYLOCK() != 0)
        return 0;
    add_once();
    UNLOCK();
#else
    add(NULL);
    return TURNS;
#endif
    return 1;
}

int main(void)
{
    pthread_t thread;
    int added;

#if LEARNING
    pawl_store_relaxed(&lock.elision.skip, 1u);
#endif
    pthread_create(&thread, NULL, add, NULL);
    added = add_here();
    pthread_join(thread, NULL);
    assert(LOAD(count) == TURNS + added && LOAD(twice) == 2 * (TURNS + added));
    return 0;
}
