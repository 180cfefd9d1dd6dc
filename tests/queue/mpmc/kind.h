/* SPDX-License-Identifier: MIT */
/* The queues of this room have the same functions under their own names: a test is compiled once for each,
 * with -DQUEUE=mpmc, mpmc_ring or mpmc_list. */
#ifndef PAWL_TESTS_QUEUE_KIND_H
#define PAWL_TESTS_QUEUE_KIND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIND_mpmc 1
#define KIND_mpmc_ring 2
#define KIND_mpmc_list 3
#define KIND_JOIN_(a, b) a##b
#define KIND_JOIN(a, b) KIND_JOIN_(a, b)
#define KIND KIND_JOIN(KIND_, QUEUE)

#if KIND == KIND_mpmc
#include <pawl/mpmc.h>
#define BOUNDED 1
#define STRICT 1 /* -EAGAIN means empty, or full */
#elif KIND == KIND_mpmc_ring
#include <pawl/mpmc_ring.h>
#define BOUNDED 1
#define STRICT 0 /* -EAGAIN may mean that somebody is in the middle of it */
#else
#include <pawl/mpmc_list.h>
#define BOUNDED 0
#define STRICT 1
#endif

/* Q(push)(q, &element) */
#define Q(name) KIND_JOIN(KIND_JOIN(pawl_, QUEUE), _##name)
#define QUEUE_T struct KIND_JOIN(pawl_, QUEUE)
#define TITLE_(queue) #queue
#define TITLE(queue) TITLE_(queue)

#if BOUNDED
#define OPEN(capacity, bytes) Q(open)((capacity), (bytes))
#define PUSH_WAIT(q, element) Q(push_wait)((q), (element), PAWL_FOREVER)
#else
#define OPEN(capacity, bytes) Q(open)((bytes), (capacity)) /* a small capacity makes small segments */
#define PUSH_WAIT(q, element) Q(push)((q), (element))
#endif

#define MILLISECOND UINT64_C(1000000)

/* Who waits for ever is ended by a signal: a test that hangs fails. As in sync_test.h. */
static inline void expect_end_within(unsigned seconds)
{
    alarm(PAWL_INSTRUMENTED ? 4 * seconds : seconds);
}

/* Rounds of a stress: `n`, many times more in the long form, fewer where everything is slow. */
static inline int rounds(int n)
{
    const char *longer = getenv("PAWL_TEST_LONG");

    if (!BOUNDED)
        n = n / 4 + 1; /* small segments: a membarrier every few elements */
    if (PAWL_INSTRUMENTED)
        n = n / 20 > 0 ? n / 20 : 1;
    return longer != NULL && longer[0] == '1' ? n * 20 : n;
}

/* The seed of this run: PAWL_TEST_SEED, or the clock. Printed once. */
static inline uint64_t seed(void)
{
    static uint64_t value;
    const char *given = getenv("PAWL_TEST_SEED");
    struct timespec now;

    if (value != 0)
        return value;
    clock_gettime(CLOCK_MONOTONIC, &now);
    value = given != NULL ? strtoull(given, NULL, 0)
                          : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    value |= 1;
    fprintf(stderr, "# PAWL_TEST_SEED=%llu\n", (unsigned long long)value);
    return value;
}

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % n);
}

static inline pthread_t start(void *(*run)(void *), void *argument)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
    return thread;
}

static inline void join(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#endif
