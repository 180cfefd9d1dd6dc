/* SPDX-License-Identifier: MIT */
/* expect: nondeterminism
 * A program that asks the outside world does not do the same twice. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int x;

static void *writer(void *unused)
{
#ifdef FIXED
    atomic_store_explicit(&x, 1, memory_order_relaxed);
#else
    atomic_store_explicit(&x, rand(), memory_order_relaxed);
#endif
    return unused;
}

int main(void)
{
    pthread_t t[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, writer, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    return atomic_load(&x) < 0;
}
