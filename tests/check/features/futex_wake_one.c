/* SPDX-License-Identifier: MIT */
/* executions: 80
 * Of two that sleep on a futex one is woken, either; then the other. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_uint word;
static atomic_int order;

static void *sleeper(void *number)
{
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL);
    atomic_store_explicit(&order, *(int *)number, memory_order_relaxed);
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    int one = 1, two = 2;
    pthread_create(&t[0], NULL, sleeper, &one);
    pthread_create(&t[1], NULL, sleeper, &two);
    long woken = syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
    atomic_store(&word, 1);
    woken = woken * 10 + syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 2);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    printf("%ld, %d was last\n", woken, atomic_load(&order));
    return 0;
}
