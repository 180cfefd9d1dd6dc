/* SPDX-License-Identifier: MIT */
/* expect: assertion failure
 * A free list for each processor, popped by restartable sequences. One that reads the head before the sequence
 * begins pops a node that somebody else took while this thread was switched out, or on another processor. */
#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum { CPUS = 2, THREADS = 2 };

static struct node {
    _Atomic(struct node *) next;
    atomic_int owners;
} nodes[CPUS][2];
static _Atomic(struct node *) heads[CPUS];

static struct node *pop(void)
{
    for (int tries = 0; tries < 2; tries++) {
#ifndef FIXED
        struct node *early = atomic_load_explicit(&heads[0], memory_order_relaxed);
#endif
        unsigned cpu = pawl_check_rseq_begin(CPUS);
        struct node *head = atomic_load_explicit(&heads[cpu], memory_order_relaxed);
#ifndef FIXED
        head = cpu == 0 ? early : head;
#endif
        struct node *next = head ? atomic_load_explicit(&head->next, memory_order_relaxed) : NULL;
        if (!pawl_check_rseq_store())
            continue;
        if (head)
            atomic_store_explicit(&heads[cpu], next, memory_order_relaxed);
        pawl_check_rseq_end();
        return head;
    }
    return NULL;
}

static void *popper(void *unused)
{
    struct node *n = pop();
    if (n)
        assert(atomic_fetch_add_explicit(&n->owners, 1, memory_order_relaxed) == 0);
    return unused;
}

int main(void)
{
    pthread_t t[THREADS];
    for (int cpu = 0; cpu < CPUS; cpu++) {
        atomic_store_explicit(&nodes[cpu][0].next, &nodes[cpu][1], memory_order_relaxed);
        atomic_store_explicit(&heads[cpu], &nodes[cpu][0], memory_order_relaxed);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, popper, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    return 0;
}
