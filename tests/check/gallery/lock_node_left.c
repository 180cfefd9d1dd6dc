/* SPDX-License-Identifier: MIT */
/* expect: memory error
 * A queue lock with its node on the stack, whose unlock() lets the successor go twice: the second time it may have
 * returned. Repair: once. (MCS: Mellor-Crummey and Scott 1991.) */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

struct node {
    _Atomic(struct node *) next;
    _Atomic int waits;
};
static _Atomic(struct node *) tail;
static int counter;

static void lock(struct node *n)
{
    atomic_store_explicit(&n->next, NULL, memory_order_relaxed);
    atomic_store_explicit(&n->waits, 1, memory_order_relaxed);
    struct node *before = atomic_exchange_explicit(&tail, n, memory_order_acq_rel);
    if (!before)
        return;
    atomic_store_explicit(&before->next, n, memory_order_release);
    while (atomic_load_explicit(&n->waits, memory_order_acquire))
        ;
}

static void unlock(struct node *n)
{
    struct node *next = atomic_load_explicit(&n->next, memory_order_acquire), *own = n;
    if (!next && atomic_compare_exchange_strong_explicit(&tail, &own, NULL, memory_order_release,
                                                         memory_order_relaxed))
        return;
    while (!next)
        next = atomic_load_explicit(&n->next, memory_order_acquire);
    atomic_store_explicit(&next->waits, 0, memory_order_release);
#ifndef FIXED
    atomic_store_explicit(&next->waits, 0, memory_order_release);
#endif
}

static __attribute__((noinline)) void count(void)
{
    struct node n;
    lock(&n);
    counter++;
    unlock(&n);
}

static void *twice(void *unused)
{
    count();
    count();
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, twice, NULL);
    count();
    pthread_join(t, NULL);
    return counter != 3;
}
