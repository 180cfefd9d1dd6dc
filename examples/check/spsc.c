/* SPDX-License-Identifier: MIT */
/* A ring for one producer and one consumer, with a bug that no x86 machine shows: see docs/check.md.
 *
 *     pawl-cc spsc.c -o spsc && ./spsc                  finds it
 *     pawl-cc -DFIXED spsc.c -o spsc && ./spsc          passes
 *     ./spsc --mutate                                   shows that every order is needed
 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#ifdef FIXED
#define RETURN_SLOT memory_order_release
#else
#define RETURN_SLOT memory_order_relaxed
#endif

enum { SLOTS = 2, ITEMS = 3 };
static int slot[SLOTS];
static atomic_uint pushed, popped;

static void push(int item)
{
    unsigned n = atomic_load_explicit(&pushed, memory_order_relaxed);
    while (n - atomic_load_explicit(&popped, memory_order_acquire) == SLOTS)
        ; /* full */
    slot[n % SLOTS] = item;
    atomic_store_explicit(&pushed, n + 1, memory_order_release);
}

static int pop(void)
{
    unsigned n = atomic_load_explicit(&popped, memory_order_relaxed);
    while (atomic_load_explicit(&pushed, memory_order_acquire) == n)
        ; /* empty */
    int item = slot[n % SLOTS];
    atomic_store_explicit(&popped, n + 1, RETURN_SLOT);
    return item;
}

static void *producer(void *unused)
{
    for (int i = 1; i <= ITEMS; i++)
        push(i);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, producer, NULL);
    for (int i = 1; i <= ITEMS; i++)
        assert(pop() == i);
    pthread_join(t, NULL);
    return 0;
}
