/* SPDX-License-Identifier: MIT */
/* D. Vyukov's bounded queue of many producers and consumers: every item arrives once.
 * Sizes: -DPRODUCERS, -DCONSUMERS, -DITEMS (each producer pushes, each consumer tries to pop so many).
 *
 * executions, brute force too: PRODUCERS=2 CONSUMERS=1 ITEMS=1: 14 and 1 moot
 * executions: PRODUCERS=2 CONSUMERS=2 ITEMS=1: 118
 * executions: PRODUCERS=2 CONSUMERS=1 ITEMS=2: 686
 * executions: PRODUCERS=3 CONSUMERS=2 ITEMS=1: 4770
 * executions, long: PRODUCERS=2 CONSUMERS=2 ITEMS=2: 152542
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { CELLS = 4, MASK = CELLS - 1 };

static struct cell {
    atomic_uint sequence;
    int data;
} cells[CELLS];
static atomic_uint tail, head;
static int popped[CONSUMERS][ITEMS], arrived[PRODUCERS * ITEMS + 1];

static bool push(int value)
{
    unsigned at = atomic_load_explicit(&tail, memory_order_relaxed);
    for (;;) {
        struct cell *c = &cells[at & MASK];
        int ahead = (int)(atomic_load_explicit(&c->sequence, memory_order_acquire) - at);
        if (ahead < 0)
            return false;
        if (ahead > 0) {
            at = atomic_load_explicit(&tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&tail, &at, at + 1, memory_order_relaxed,
                                                         memory_order_relaxed)) {
            c->data = value;
            atomic_store_explicit(&c->sequence, at + 1, memory_order_release);
            return true;
        }
    }
}

static bool pop(int *value)
{
    unsigned at = atomic_load_explicit(&head, memory_order_relaxed);
    for (;;) {
        struct cell *c = &cells[at & MASK];
        int ahead = (int)(atomic_load_explicit(&c->sequence, memory_order_acquire) - (at + 1));
        if (ahead < 0)
            return false;
        if (ahead > 0) {
            at = atomic_load_explicit(&head, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&head, &at, at + 1, memory_order_relaxed,
                                                         memory_order_relaxed)) {
            *value = c->data;
            atomic_store_explicit(&c->sequence, at + CELLS, memory_order_release);
            return true;
        }
    }
}

static void *producer(void *number)
{
    for (int i = 0; i < ITEMS; i++)
        assert(push(1 + (int)(long)number * ITEMS + i));
    return NULL;
}

static void *consumer(void *number)
{
    for (int i = 0; i < ITEMS; i++)
        if (!pop(&popped[(long)number][i]))
            popped[(long)number][i] = 0;
    return NULL;
}

int main(void)
{
    pthread_t t[PRODUCERS + CONSUMERS];
    int value;
    for (unsigned i = 0; i < CELLS; i++)
        atomic_store_explicit(&cells[i].sequence, i, memory_order_relaxed);
    for (long i = 0; i < PRODUCERS; i++)
        pthread_create(&t[i], NULL, producer, (void *)i);
    for (long i = 0; i < CONSUMERS; i++)
        pthread_create(&t[PRODUCERS + i], NULL, consumer, (void *)i);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        pthread_join(t[i], NULL);
    for (int c = 0; c < CONSUMERS; c++)
        for (int i = 0; i < ITEMS; i++) {
            arrived[popped[c][i]]++;
            printf("%d ", popped[c][i]);
        }
    while (pop(&value))
        arrived[value]++;
    for (int v = 1; v <= PRODUCERS * ITEMS; v++)
        assert(arrived[v] == 1);
    return 0;
}
