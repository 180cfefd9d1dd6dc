/* SPDX-License-Identifier: MIT */
/* executions: 2 (exit() ends the program, but the other thread may have stored before) */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

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
    printf("%d\n", atomic_load_explicit(&x, memory_order_relaxed));
    exit(0);
}
