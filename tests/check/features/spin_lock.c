/* SPDX-License-Identifier: MIT */
/* executions: 2 (the spinner's rounds are one event) */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int locked;
static int order;

static void *append(void *digit)
{
    int expected = 0;
    while (!atomic_compare_exchange_strong_explicit(&locked, &expected, 1, memory_order_acquire,
                                                    memory_order_relaxed))
        expected = 0;
    order = order * 10 + (int)(long)digit;
    atomic_store_explicit(&locked, 0, memory_order_release);
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
