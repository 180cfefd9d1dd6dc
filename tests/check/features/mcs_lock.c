/* SPDX-License-Identifier: MIT */
/* executions: any
 * A queue lock whose nodes are thread-local variables: another thread writes to them through a pointer. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

struct node {
    _Atomic(struct node *) next;
    atomic_int locked;
};
static _Thread_local struct node mine;
static _Atomic(struct node *) tail;
static int order;

static void *append(void *digit)
{
    atomic_store_explicit(&mine.next, NULL, memory_order_relaxed);
    atomic_store_explicit(&mine.locked, 1, memory_order_relaxed);
    struct node *before = atomic_exchange_explicit(&tail, &mine, memory_order_acq_rel);
    if (before) {
        atomic_store_explicit(&before->next, &mine, memory_order_release);
        while (atomic_load_explicit(&mine.locked, memory_order_acquire))
            ;
    }
    order = order * 10 + (int)(long)digit;
    struct node *self = &mine, *after = atomic_load_explicit(&mine.next, memory_order_acquire);
    if (!after) {
        if (atomic_compare_exchange_strong_explicit(&tail, &self, NULL, memory_order_release,
                                                    memory_order_relaxed))
            return NULL;
        while (!(after = atomic_load_explicit(&mine.next, memory_order_acquire)))
            ;
    }
    atomic_store_explicit(&after->locked, 0, memory_order_release);
    return NULL;
}

int main(void)
{
    pthread_t t[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, append, (void *)(i + 1));
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    printf("%d\n", order);
    return 0;
}
