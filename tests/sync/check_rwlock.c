/* SPDX-License-Identifier: MIT */
/* Closures of the rwlock for the model checker. -DBIASED: readers count on their CPUs (in the locked slots: the
 * checker's kernel has no rseq), and the writer revokes that. */
#include <pawl/rwlock.h>

#include <assert.h>
#include <pthread.h>

#ifndef READERS
#define READERS 1
#endif

static struct pawl_rwlock lock;
static int a, b; /* plain: the lock is all that orders them */

static void *read_both(void *unused)
{
    (void)unused;
    pawl_rwlock_rdlock(&lock);
    assert(a == b);
    pawl_rwlock_rdunlock(&lock);
    return NULL;
}

static void write_both(void)
{
    pawl_rwlock_wrlock(&lock);
    assert(a == b);
    a++;
    b++;
    pawl_rwlock_wrunlock(&lock);
}

int main(void)
{
    pthread_t readers[READERS];

#if BIASED
    pawl_rwlock_rdlock(&lock);
    assert(pawl_load_relaxed(&lock.biased) == 1);
    pawl_rwlock_rdunlock(&lock);
#else
    pawl_store_relaxed(&lock.unbiased_until, UINT64_MAX);
#endif
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, read_both, NULL);
    write_both();
#if WRITES > 1
    write_both();
#endif
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert(a == b);
    return 0;
}
