/* SPDX-License-Identifier: MIT */
/* executions: 3
 * Memory that was atomic is initialised again by plain writes, handed on, and is atomic again. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

struct node {
    atomic_int value;
};
static struct node node;
static _Atomic(struct node *) shared;

static void *taker(void *unused)
{
    struct node *n = atomic_load_explicit(&shared, memory_order_acquire);
    int value = n ? atomic_load_explicit(&n->value, memory_order_relaxed) : -1;
    printf("%d\n", value);
    return unused;
}

static void *setter(void *unused)
{
    atomic_store_explicit(&node.value, 1, memory_order_relaxed);
    assert(atomic_load_explicit(&node.value, memory_order_relaxed) == 1);
    atomic_init(&node.value, 2);
    atomic_store_explicit(&shared, &node, memory_order_release);
    atomic_fetch_add_explicit(&node.value, 1, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, taker, NULL);
    pthread_create(&t[1], NULL, setter, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    assert(node.value == 3);
    return 0;
}
