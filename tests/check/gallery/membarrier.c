/* SPDX-License-Identifier: MIT */
/* expect: assertion failure
 * Two light fences order nothing between each other: one of each pair must be heavy. */
#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int reader, reclaimer;
static int reader_saw, reclaimer_saw;

static void *enter(void *unused)
{
    atomic_store_explicit(&reader, 1, memory_order_relaxed);
    pawl_check_fence_light();
    reader_saw = atomic_load_explicit(&reclaimer, memory_order_relaxed);
    return unused;
}

static void *reclaim(void *unused)
{
    atomic_store_explicit(&reclaimer, 1, memory_order_relaxed);
#ifdef FIXED
    pawl_check_fence_heavy();
#else
    pawl_check_fence_light();
#endif
    reclaimer_saw = atomic_load_explicit(&reader, memory_order_relaxed);
    return unused;
}

int main(void)
{
    pthread_t t[2];
    pthread_create(&t[0], NULL, enter, NULL);
    pthread_create(&t[1], NULL, reclaim, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    assert(reader_saw || reclaimer_saw);
    return 0;
}
