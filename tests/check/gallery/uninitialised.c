/* SPDX-License-Identifier: MIT */
/* expect: uninitialised read
 * A node is published before its value is set, in the one branch that nobody tested. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct node {
    int value, extra;
};
static _Atomic(struct node *) published;
static atomic_int want_extra;

static void *writer(void *unused)
{
    struct node *n = malloc(sizeof *n);
    n->value = 1;
#ifdef FIXED
    n->extra = 0;
#endif
    if (atomic_load_explicit(&want_extra, memory_order_relaxed))
        n->extra = 2;
    atomic_store_explicit(&published, n, memory_order_release);
    return unused;
}

static void *reader(void *unused)
{
    atomic_store_explicit(&want_extra, 1, memory_order_relaxed);
    const struct node *n = atomic_load_explicit(&published, memory_order_acquire);
    if (n && n->value + n->extra < 1)
        abort();
    return unused;
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, writer, NULL);
    pthread_create(&t[1], NULL, reader, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    free(atomic_load(&published));
    return 0;
}
