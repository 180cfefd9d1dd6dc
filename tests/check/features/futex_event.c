/* SPDX-License-Identifier: MIT */
/* executions: any
 * Two waiters on a futex, one waker that wakes one at a time. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

long syscall(long number, ...);
static atomic_uint tokens;

static void *take(void *unused)
{
    for (;;) {
        unsigned seen = atomic_load_explicit(&tokens, memory_order_relaxed);
        if (seen == 0)
            syscall(SYS_futex, &tokens, FUTEX_WAIT_PRIVATE, 0, NULL);
        else if (atomic_compare_exchange_strong_explicit(&tokens, &seen, seen - 1, memory_order_acquire,
                                                         memory_order_relaxed))
            return unused;
    }
}

int main(void)
{
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, take, NULL);
    for (int i = 0; i < 2; i++) {
        atomic_fetch_add_explicit(&tokens, 1, memory_order_release);
        syscall(SYS_futex, &tokens, FUTEX_WAKE_PRIVATE, 1);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    printf("%u\n", atomic_load_explicit(&tokens, memory_order_relaxed));
    return 0;
}
