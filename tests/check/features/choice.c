/* SPDX-License-Identifier: MIT */
/* executions: 12 (2 x 3 choices, and what the reader sees of the second) */
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int x;

static void *set(void *unused)
{
    int first = (int)pawl_check_choose(2), second = (int)pawl_check_choose(4);
    pawl_check_assume(second < 3);
    atomic_store_explicit(&x, 1 + first * 3 + second, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, set, NULL);
    printf("%d\n", atomic_load_explicit(&x, memory_order_relaxed));
    pthread_join(t, NULL);
    return 0;
}
