/* SPDX-License-Identifier: MIT */
/* expect: data race
 * A seqlock whose reader copies with plain loads: what it copies while the writer writes is undefined even
 * though it is thrown away. Repair: relaxed atomic data and fences. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_uint sequence;
#ifdef FIXED
static atomic_int data[2];
#define PUT(i, v) atomic_store_explicit(&data[i], (v), memory_order_relaxed)
#define GET(i) atomic_load_explicit(&data[i], memory_order_relaxed)
#else
static int data[2];
#define PUT(i, v) (data[i] = (v))
#define GET(i) data[i]
#endif

static void *writer(void *unused)
{
    atomic_store_explicit(&sequence, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    PUT(0, 7);
    PUT(1, 7);
    atomic_store_explicit(&sequence, 2, memory_order_release);
    return unused;
}

static void *reader(void *unused)
{
    unsigned before, after;
    int a, b;
    do {
        before = atomic_load_explicit(&sequence, memory_order_acquire);
        a = GET(0);
        b = GET(1);
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&sequence, memory_order_relaxed);
    } while (before != after || (before & 1));
    assert(a == b);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, writer, NULL);
    pthread_create(&t[1], NULL, reader, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    return 0;
}
