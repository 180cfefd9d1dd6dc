/* SPDX-License-Identifier: MIT */
/* Two threads, two variables: which values can the loads see?
 *
 *     T1: x = 1; r1 = x; r2 = y;        T2: y = 2; r3 = x; r4 = y;
 *
 * With every access sequentially consistent there are 20 interleavings, and three outcomes. A store
 * buffer adds one: each thread may see its own store first.
 *
 *     pawl-cc tso.c -o tso
 *     ./tso --model=sc --interleavings --outcomes
 *     ./tso --model=tso --outcomes
 *     ./tso --outcomes
 *
 * The example of Eddie Kohler's notes on memory models.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int x, y;
static int r1, r2, r3, r4;

static void *first(void *unused)
{
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    r1 = atomic_load_explicit(&x, memory_order_relaxed);
    r2 = atomic_load_explicit(&y, memory_order_relaxed);
    return unused;
}

static void *second(void *unused)
{
    atomic_store_explicit(&y, 2, memory_order_relaxed);
    r3 = atomic_load_explicit(&x, memory_order_relaxed);
    r4 = atomic_load_explicit(&y, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t a, b;
    pthread_create(&a, NULL, first, NULL);
    pthread_create(&b, NULL, second, NULL);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    printf("r1 r2 = %d %d, r3 r4 = %d %d\n", r1, r2, r3, r4);
    return 0;
}
