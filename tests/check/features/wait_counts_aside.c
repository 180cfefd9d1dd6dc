/* SPDX-License-Identifier: MIT */
/* executions: 5 (the loop counts its rounds in thread-specific data, which no load sees: flag seen at round 0, 1, 2, 3
 * or never) */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum { ROUNDS = 4 };
static atomic_int flag;
static pthread_key_t rounds;

static void *setter(void *unused)
{
    atomic_store_explicit(&flag, 1, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_key_create(&rounds, NULL);
    pthread_create(&t, NULL, setter, NULL);
    while ((uintptr_t)pthread_getspecific(rounds) < ROUNDS &&
           !atomic_load_explicit(&flag, memory_order_relaxed))
        pthread_setspecific(rounds, (void *)((uintptr_t)pthread_getspecific(rounds) + 1));
    printf("%d\n", (int)(uintptr_t)pthread_getspecific(rounds));
    pthread_join(t, NULL);
    return 0;
}
