/* SPDX-License-Identifier: MIT */
/* expect: livelock
 * A spinning reader waits for a flag that one path of the writer never sets. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static atomic_int flag, hurry;

static void *waiter(void *unused)
{
    atomic_store_explicit(&hurry, 1, memory_order_relaxed);
    while (!atomic_load_explicit(&flag, memory_order_acquire))
        sched_yield();
    return unused;
}

static void *writer(void *unused)
{
#ifndef FIXED
    if (atomic_load_explicit(&hurry, memory_order_relaxed))
#endif
        atomic_store_explicit(&flag, 1, memory_order_release);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, waiter, NULL);
    pthread_create(&t[1], NULL, writer, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    return 0;
}
