/* SPDX-License-Identifier: MIT */
/* executions: any (an exchange that fails to lock is a write of the same value)
 * A lock that spins on exchange. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_flag flag = ATOMIC_FLAG_INIT;
static int order;

static void *append(void *digit)
{
    while (atomic_flag_test_and_set_explicit(&flag, memory_order_acquire))
        ;
    order = order * 10 + (int)(long)digit;
    atomic_flag_clear_explicit(&flag, memory_order_release);
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, append, (void *)(i + 1));
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    printf("%d\n", order);
    return 0;
}
