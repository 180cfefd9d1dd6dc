/* SPDX-License-Identifier: MIT */
/* expect: deadlock
 * A consumer finds the queue empty and goes to sleep; the producer looks for sleepers in between and finds
 * none. Repair: sleep on the value that was seen, so that a change makes the sleep return at once. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint items, sleeping;

static void futex_wait(atomic_uint *word, unsigned value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL);
}

static void futex_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static void *consumer(void *unused)
{
#ifdef FIXED
    while (atomic_load_explicit(&items, memory_order_acquire) == 0)
        futex_wait(&items, 0);
#else
    if (atomic_load_explicit(&items, memory_order_acquire) == 0) {
        atomic_store(&sleeping, 1);
        futex_wait(&sleeping, 1);
    }
#endif
    return unused;
}

static void *producer(void *unused)
{
    atomic_store_explicit(&items, 1, memory_order_release);
#ifdef FIXED
    futex_wake(&items);
#else
    if (atomic_load(&sleeping)) {
        atomic_store(&sleeping, 0);
        futex_wake(&sleeping);
    }
#endif
    return unused;
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, consumer, NULL);
    pthread_create(&t[1], NULL, producer, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    return 0;
}
