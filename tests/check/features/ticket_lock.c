/* SPDX-License-Identifier: MIT */
/* executions: 6 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_uint next, serving;
static int order;

static void *append(void *digit)
{
    unsigned mine = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    while (atomic_load_explicit(&serving, memory_order_acquire) != mine)
        ;
    order = order * 10 + (int)(long)digit;
    atomic_store_explicit(&serving, mine + 1, memory_order_release);
    return NULL;
}

int main(void)
{
    pthread_t t[3];
    for (long i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, append, (void *)(i + 1));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    printf("%d\n", order);
    return 0;
}
