/* SPDX-License-Identifier: MIT */
/* executions: 5 (a loop that counts is no wait: the flag is seen at try 1, 2, 3, 4, or never) */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int flag;

static void *setter(void *unused)
{
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t;
    int tries = 0;
    pthread_create(&t, NULL, setter, NULL);
    while (tries < 4 && !atomic_load_explicit(&flag, memory_order_relaxed))
        tries++;
    printf("%d\n", tries);
    pthread_join(t, NULL);
    return 0;
}
