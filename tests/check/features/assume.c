/* SPDX-License-Identifier: MIT */
/* executions: 1 (only the one in which the store is seen is of interest) */
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int x;

static void *set(void *unused)
{
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, set, NULL);
    int seen = atomic_load_explicit(&x, memory_order_relaxed);
    pawl_check_assume(seen == 1);
    printf("%d\n", seen);
    pthread_join(t, NULL);
    return 0;
}
