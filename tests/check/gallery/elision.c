/* SPDX-License-Identifier: MIT */
/* expect: data race
 * A lock that transactions elide: one that does not look at the lock runs beside its owner. */
#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static atomic_int lock;
static int counter;

static bool elided(void)
{
    if (pawl_check_choose(2))
        return false; /* the processor gave up */
    pawl_check_atomic_begin();
#ifdef FIXED
    if (atomic_load_explicit(&lock, memory_order_relaxed)) {
        pawl_check_atomic_abort();
        return false;
    }
#endif
    counter++;
    pawl_check_atomic_end();
    return true;
}

static void *worker(void *unused)
{
    if (elided())
        return unused;
    while (atomic_exchange_explicit(&lock, 1, memory_order_acquire))
        ;
    counter++;
    atomic_store_explicit(&lock, 0, memory_order_release);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, worker, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    assert(counter == 2);
    return 0;
}
