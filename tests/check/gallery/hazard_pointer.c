/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * A hazard pointer that is published only after the pointer was checked again: the remover looks in
 * between, sees no hazard, and frees. Repair: publish, fence, then check. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic(int *) current, hazard;

static void *reader(void *unused)
{
    int *p;
    for (;;) {
        p = atomic_load_explicit(&current, memory_order_acquire);
        if (!p) {
            atomic_store_explicit(&hazard, NULL, memory_order_release); /* or the remover waits for ever */
            return unused;
        }
#ifdef FIXED
        atomic_store_explicit(&hazard, p, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load_explicit(&current, memory_order_relaxed) == p)
            break;
#else
        if (atomic_load_explicit(&current, memory_order_relaxed) == p) {
            atomic_store_explicit(&hazard, p, memory_order_relaxed);
            atomic_thread_fence(memory_order_seq_cst);
            break;
        }
#endif
    }
    assert(*p == 1);
    atomic_store_explicit(&hazard, NULL, memory_order_release);
    return unused;
}

static void *remover(void *unused)
{
    int *p = atomic_exchange_explicit(&current, NULL, memory_order_acq_rel);
    atomic_thread_fence(memory_order_seq_cst);
    while (atomic_load_explicit(&hazard, memory_order_acquire) == p)
        ;
    free(p);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    int *p = malloc(sizeof *p);
    *p = 1;
    atomic_store_explicit(&current, p, memory_order_release);
    pthread_create(&t[0], NULL, reader, NULL);
    pthread_create(&t[1], NULL, remover, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    return 0;
}
