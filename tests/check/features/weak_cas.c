/* SPDX-License-Identifier: MIT */
/* executions: 2 (the exchange finds 0 and comes first, or finds 1 and fails)
 * With --spurious, and gcc, one more: it finds 0 and fails. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int x;

static void *set(void *unused)
{
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t;
    int expected = 0;
    pthread_create(&t, NULL, set, NULL);
    _Bool done = atomic_compare_exchange_weak_explicit(&x, &expected, 2, memory_order_relaxed,
                                                       memory_order_relaxed);
    pthread_join(t, NULL);
    printf("%d %d %d\n", done, expected, atomic_load_explicit(&x, memory_order_relaxed));
    return 0;
}
