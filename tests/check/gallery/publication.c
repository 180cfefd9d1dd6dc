/* SPDX-License-Identifier: MIT */
/* expect: uninitialised read
 * A block whose fields are all atomic is published by a relaxed store: no race, but who finds it may see what was in the block
 * before. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct node {
    atomic_int value;
};
static _Atomic(struct node *) published;

#ifdef FIXED
enum { PUBLISH = memory_order_release, FIND = memory_order_acquire };
#else
enum { PUBLISH = memory_order_relaxed, FIND = memory_order_relaxed };
#endif

static void *publish(void *unused)
{
    struct node *node = malloc(sizeof *node);
    atomic_store_explicit(&node->value, 7, memory_order_relaxed);
    atomic_store_explicit(&published, node, PUBLISH);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, publish, NULL);
    struct node *node = atomic_load_explicit(&published, FIND);
    int wrong = node && atomic_load_explicit(&node->value, memory_order_relaxed) != 7;
    pthread_join(t, NULL);
    free(atomic_load(&published));
    return wrong;
}
