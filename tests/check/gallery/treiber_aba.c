/* SPDX-License-Identifier: MIT */
/* expect: assertion failure
 * Treiber's stack on a pool of nodes that are used again: between a popper's load of `next` and its
 * compare-exchange the same node is popped and pushed back, and the compare-exchange succeeds (ABA).
 * Repair: a tag beside the index, counted up by every change. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

enum { NODES = 2, NONE = 0 };
static atomic_uint top; /* index + 1 in the low half, tag in the high half */
static atomic_uint next[NODES + 1];
static atomic_int owner[NODES + 1];

static unsigned tagged(unsigned index, unsigned old)
{
#ifdef FIXED
    return index | ((old >> 16) + 1) << 16;
#else
    (void)old;
    return index;
#endif
}

static unsigned pop(void)
{
    unsigned old = atomic_load_explicit(&top, memory_order_acquire);
    while ((old & 0xffff) != NONE) {
        unsigned after = atomic_load_explicit(&next[old & 0xffff], memory_order_relaxed) & 0xffff;
        if (atomic_compare_exchange_strong_explicit(&top, &old, tagged(after, old), memory_order_acquire,
                                                    memory_order_acquire))
            return old & 0xffff;
    }
    return NONE;
}

static void push(unsigned node)
{
    unsigned old = atomic_load_explicit(&top, memory_order_relaxed);
    do
        atomic_store_explicit(&next[node], old & 0xffff, memory_order_relaxed);
    while (!atomic_compare_exchange_strong_explicit(&top, &old, tagged(node, old), memory_order_release,
                                                    memory_order_relaxed));
}

static unsigned take(void)
{
    unsigned node = pop();
    if (node != NONE)
        assert(atomic_exchange_explicit(&owner[node], 1, memory_order_relaxed) == 0);
    return node;
}

static void give(unsigned node)
{
    atomic_store_explicit(&owner[node], 0, memory_order_relaxed);
    push(node);
}

static void *popper(void *unused)
{
    take();
    return unused;
}

static void *shuffler(void *unused)
{
    unsigned a = take();
    take();
    if (a != NONE)
        give(a);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    for (unsigned n = 1; n <= NODES; n++)
        push(n);
    pthread_create(&t[0], NULL, popper, NULL);
    pthread_create(&t[1], NULL, shuffler, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    take();
    return 0;
}
