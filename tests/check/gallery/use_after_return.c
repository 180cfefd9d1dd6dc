/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * Who wakes a waiter writes to its record, which lies on its stack, after having let it go. Repair: last of all it
 * lets it go. */
#include <pthread.h>
#include <stdatomic.h>

struct waiter {
    _Atomic int woken;
    int value;
};
static _Atomic(struct waiter *) waiting;

static void *wake(void *unused)
{
    struct waiter *w;
    while (!(w = atomic_load_explicit(&waiting, memory_order_acquire)))
        ;
#ifdef FIXED
    w->value = 5;
    atomic_store_explicit(&w->woken, 1, memory_order_release);
#else
    atomic_store_explicit(&w->woken, 1, memory_order_release);
    w->value = 5;
#endif
    return unused;
}

static __attribute__((noinline)) void wait_for_it(void)
{
    struct waiter w = {0};
    atomic_store_explicit(&waiting, &w, memory_order_release);
    while (!atomic_load_explicit(&w.woken, memory_order_acquire))
        ;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, wake, NULL);
    wait_for_it();
    pthread_join(t, NULL);
    return 0;
}
