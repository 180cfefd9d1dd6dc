/* SPDX-License-Identifier: MIT */
/* expect: data race
 * Non-temporal stores overtake a later release store: a fence must stand in between. */
#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

static long message[2];
static atomic_int ready;

static void stream(long *to, long value)
{
    pawl_check_store_nt(to, sizeof *to);
    *to = value; /* in place of _mm_stream_si64() */
}

static void *producer(void *unused)
{
    stream(&message[0], 1);
    stream(&message[1], 2);
    pawl_check_writeback(message, sizeof message);
#ifdef FIXED
    pawl_check_pwfence();
#endif
    atomic_store_explicit(&ready, 1, memory_order_release);
    return unused;
}

int main(void)
{
    pthread_t t;
    pthread_create(&t, NULL, producer, NULL);
    if (atomic_load_explicit(&ready, memory_order_acquire))
        assert(message[0] == 1 && message[1] == 2);
    pthread_join(t, NULL);
    assert(message[0] == 1);
    return 0;
}
