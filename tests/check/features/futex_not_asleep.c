/* SPDX-License-Identifier: MIT */
/* executions: 20 (20 by hand: the orders of the three stores, what the look may read of them, and who came first to the
 * futex; who finds another value than expected was never asleep, and nobody wakes it) */
#define _GNU_SOURCE
#include <assert.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint word;

static void *waker(void *woken)
{
    atomic_store(&word, 1);
    *(long *)woken = syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 2);
    return NULL;
}

static void *sleeper(void *slept)
{
    atomic_store(&word, 1);
    *(long *)slept = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL);
    return NULL;
}

static void *storer(void *unused)
{
    atomic_store(&word, 1);
    return unused;
}

int main(void)
{
    pthread_t t[3];
    long woken, slept;
    pthread_create(&t[0], NULL, waker, &woken);
    pthread_create(&t[1], NULL, sleeper, &slept);
    pthread_create(&t[2], NULL, storer, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert(woken == 0 && slept == -1);
    printf("never asleep\n");
    return 0;
}
