/* SPDX-License-Identifier: MIT */
/* Closures of nested elision for the model checker: a section of an outer lock, with one of an inner lock inside.
 * Transactions nest flat: the inner one is part of the outer one, an abort of the inner one undoes both. What the outer
 * lock protects is changed before and after the inner section, so that the half of an outer section shows.
 *
 * The other thread has a section of the inner lock, -DOUTER=1: of the outer one; -DHOLDER=1: which it takes itself, as
 * every section does that was not elided. -DPLAIN=1: the inner lock is a mutex that is not elided.
 * -DCROSSED=1: the outer lock is let go before the inner one. -DSKIP_INNER=1, -DSKIP_OUTER=1: learnt to skip, so that
 * one lock is taken for real, in the other's transaction or around it. -DALONE=1: the inner lock's word is not
 * looked at, as if its begin had not been there. That must fail, or the closures show nothing.
 * Built with -DTRANSACTIONS_NEST=1. */
#include <pawl/check.h>
#include <pawl/elide.h>

#include <assert.h>
#include <pthread.h>

#if OUTER
#define OTHERS 0 /* other sections of the inner lock */
#else
#define OTHERS 1
#endif

#if PLAIN
static struct pawl_elide_spin outer;
static struct pawl_mutex inner;
#define INNER_HOLDER_TAKE() pawl_mutex_lock(&inner)
#define INNER_HOLDER_GIVE() pawl_mutex_unlock(&inner)
#else
static struct pawl_elide_spin outer, inner;
#define INNER_HOLDER_TAKE() pawl_spin_lock(&inner.spin)
#define INNER_HOLDER_GIVE() pawl_spin_unlock(&inner.spin)
#endif

/* Atomic, and relaxed: only values tell whether sections excluded one another. */
static PAWL_ATOMIC(int) before, after; /* of the outer lock: equal outside of its sections */
static PAWL_ATOMIC(int) count, twice;  /* of the inner one */

static void add_to(PAWL_ATOMIC(int) * word, int n)
{
    pawl_store_relaxed(word, pawl_load_relaxed(word) + n);
}

static void add_inside(void)
{
    assert(pawl_load_relaxed(&twice) == 2 * pawl_load_relaxed(&count));
    add_to(&count, 1);
    add_to(&twice, 2);
}

static void look_outside(void)
{
    assert(pawl_load_relaxed(&before) == pawl_load_relaxed(&after));
}

/* ---- the inner lock, in a section of the outer one ---- */

static void lock_inner(void)
{
#if ALONE
    if ((pawl_load_relaxed(&outer.spin.locked) & 1) != 0)
        pawl_elide_spin_lock(&inner);
#elif PLAIN
    /* In a transaction a mutex that is taken makes its system call, which aborts: the execution in which the outer
     * lock's begin gave up is another one. */
    if ((pawl_load_relaxed(&outer.spin.locked) & 1) != 0)
        pawl_mutex_lock(&inner);
    else
        pawl_check_assume(pawl_mutex_trylock(&inner) == 0);
#else
    pawl_elide_spin_lock(&inner);
#endif
}

static void unlock_inner(void)
{
#if ALONE
    if ((pawl_load_relaxed(&outer.spin.locked) & 1) != 0)
        pawl_elide_spin_unlock(&inner);
#elif PLAIN
    pawl_mutex_unlock(&inner);
#else
    pawl_elide_spin_unlock(&inner);
#endif
}

/* ---- the other thread ---- */

static void *enter_other(void *unused)
{
    (void)unused;
#if OUTER && HOLDER
    pawl_spin_lock(&outer.spin);
    look_outside();
    pawl_spin_unlock(&outer.spin);
#elif OUTER
    pawl_elide_spin_lock(&outer);
    look_outside();
    pawl_elide_spin_unlock(&outer);
#elif HOLDER || PLAIN
    INNER_HOLDER_TAKE();
    add_inside();
    INNER_HOLDER_GIVE();
#else
    pawl_elide_spin_lock(&inner);
    add_inside();
    pawl_elide_spin_unlock(&inner);
#endif
    return NULL;
}

int main(void)
{
    pthread_t thread;

#if SKIP_INNER
    pawl_store_relaxed(&inner.elision.skip, 1u);
#endif
#if SKIP_OUTER
    pawl_store_relaxed(&outer.elision.skip, 1u);
#endif
    pthread_create(&thread, NULL, enter_other, NULL);
    pawl_elide_spin_lock(&outer);
    add_to(&before, 1);
    lock_inner();
    add_inside();
#if CROSSED
    add_to(&after, 1);
    pawl_elide_spin_unlock(&outer);
    unlock_inner();
#else
    unlock_inner();
    add_to(&after, 1);
    pawl_elide_spin_unlock(&outer);
#endif
    pthread_join(thread, NULL);
    look_outside();
    assert(pawl_load_relaxed(&count) == OTHERS + 1);
    assert(pawl_load_relaxed(&twice) == 2 * (OTHERS + 1));
    return 0;
}
