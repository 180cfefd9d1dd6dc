/* SPDX-License-Identifier: MIT */
/* A hash table that a writer doubles while readers look up: a key that was there is never missed.
 *
 * executions, brute force too: READERS=1: 5
 * executions: READERS=2: 25
 * executions: READERS=3: 125
 * executions, long: READERS=5: 3125
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { KEYS = 2, FIRST_SIZE = 2 };

struct table {
    unsigned size;
    struct table *old; /* until every reader has left it */
    atomic_int slot[];
};
static _Atomic(struct table *) current;

static struct table *new_table(unsigned size)
{
    struct table *t = malloc(sizeof *t + size * sizeof t->slot[0]);
    t->size = size;
    t->old = NULL;
    for (unsigned i = 0; i < size; i++)
        atomic_init(&t->slot[i], 0);
    return t;
}

static void put(struct table *t, int key)
{
    for (unsigned i = (unsigned)key;; i++)
        if (!atomic_load_explicit(&t->slot[i % t->size], memory_order_relaxed)) {
            atomic_store_explicit(&t->slot[i % t->size], key, memory_order_release);
            return;
        }
}

static int find(int key)
{
    struct table *t = atomic_load_explicit(&current, memory_order_acquire);
    for (unsigned i = (unsigned)key, n = 0; n < t->size; i++, n++)
        if (atomic_load_explicit(&t->slot[i % t->size], memory_order_acquire) == key)
            return 1;
    return 0;
}

static void *reader(void *unused)
{
    assert(find(1));
    find(KEYS + 1);
    return unused;
}

static void *writer(void *unused)
{
    struct table *old = atomic_load_explicit(&current, memory_order_relaxed), *t = new_table(old->size * 2);
    for (int key = 1; key <= KEYS; key++)
        put(t, key);
    t->old = old;
    atomic_store_explicit(&current, t, memory_order_release);
    put(t, KEYS + 1);
    return unused;
}

int main(void)
{
    pthread_t t[READERS + 1];
    struct table *first = new_table(FIRST_SIZE);
    for (int key = 1; key <= KEYS; key++)
        put(first, key);
    atomic_store_explicit(&current, first, memory_order_release);
    pthread_create(&t[READERS], NULL, writer, NULL);
    for (int i = 0; i < READERS; i++)
        pthread_create(&t[i], NULL, reader, NULL);
    for (int i = 0; i <= READERS; i++)
        pthread_join(t[i], NULL);
    assert(find(1) && find(KEYS + 1));
    struct table *last = atomic_load(&current);
    free(last->old);
    free(last);
    return 0;
}
