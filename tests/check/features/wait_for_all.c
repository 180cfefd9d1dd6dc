/* SPDX-License-Identifier: MIT */
/* executions: 1 or more (a round of a hundred loads is a wait, too) */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { FLAGS = 100 };
static atomic_int flag[FLAGS];

static void *finish(void *unused)
{
    atomic_store_explicit(&flag[FLAGS - 1], 1, memory_order_release);
    return unused;
}

static bool all_are_set(void)
{
    bool all = true;
    for (int i = 0; i < FLAGS; i++)
        all &= atomic_load_explicit(&flag[i], memory_order_acquire) != 0;
    return all;
}

int main(void)
{
    pthread_t t;
    for (int i = 0; i < FLAGS - 1; i++)
        atomic_store_explicit(&flag[i], 1, memory_order_relaxed);
    pthread_create(&t, NULL, finish, NULL);
    while (!all_are_set()) {
    }
    pthread_join(t, NULL);
    return 0;
}
