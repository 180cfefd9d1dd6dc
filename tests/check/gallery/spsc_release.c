/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Ring of one producer and one consumer; the producer publishes its slot without release. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#ifdef FIXED
#define PUBLISH memory_order_release
#else
#define PUBLISH memory_order_relaxed
#endif
enum { SLOTS = 2, ITEMS = 3 };
static int slot[SLOTS];
static atomic_uint head, tail;

static void *producer(void *unused)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        while (i - atomic_load_explicit(&head, memory_order_acquire) == SLOTS)
            ;
        slot[i % SLOTS] = (int)i + 1;
        atomic_store_explicit(&tail, i + 1, PUBLISH);
    }
    return unused;
}

static void *consumer(void *unused)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        while (atomic_load_explicit(&tail, memory_order_acquire) == i)
            ;
        assert(slot[i % SLOTS] == (int)i + 1);
        atomic_store_explicit(&head, i + 1, memory_order_release);
    }
    return unused;
}

int main(void)
{
    pthread_t p, c;
    pthread_create(&p, NULL, producer, NULL);
    pthread_create(&c, NULL, consumer, NULL);
    pthread_join(p, NULL);
    pthread_join(c, NULL);
    return 0;
}
