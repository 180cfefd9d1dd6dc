/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * A reader still uses a block that the remover frees at once. Repair: join the reader first. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic(int *) shared;

static void *reader(void *unused)
{
    int *p = atomic_load_explicit(&shared, memory_order_acquire);
    if (p && *p != 5)
        abort();
    return unused;
}

int main(void)
{
    pthread_t t;
    int *p = malloc(sizeof *p);
    *p = 5;
    atomic_store_explicit(&shared, p, memory_order_release);
    pthread_create(&t, NULL, reader, NULL);
#ifdef FIXED
    pthread_join(t, NULL);
    free(p);
#else
    atomic_store_explicit(&shared, NULL, memory_order_release);
    free(p);
    pthread_join(t, NULL);
#endif
    return 0;
}
