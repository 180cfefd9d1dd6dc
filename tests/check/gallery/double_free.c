/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * Two threads both find the last reference. Repair: one atomic operation decides. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int references = 2;
static void *block;

static void *put(void *unused)
{
#ifdef FIXED
    if (atomic_fetch_sub_explicit(&references, 1, memory_order_acq_rel) == 1)
        free(block);
#else
    atomic_fetch_sub_explicit(&references, 1, memory_order_acq_rel);
    if (atomic_load_explicit(&references, memory_order_acquire) == 0)
        free(block);
#endif
    return unused;
}

int main(void)
{
    pthread_t t[2];
    block = malloc(16);
    for (int i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, put, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    return 0;
}
