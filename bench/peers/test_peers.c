/* SPDX-License-Identifier: MIT */
/* A peer that does not do its work would win every comparison: each one is checked once. */
#include "tbb_counter.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { THREADS = 3, ADDS = 10000 };

#if BENCH_HAVE_TBB
static void *add(void *shared)
{
    struct bench_thread thread = {.threads = THREADS, .shared = shared};

    peer_tbb_counter_add(&thread, ADDS);
    return NULL;
}
#endif

static void the_tbb_counter_counts_what_all_threads_add(void **state)
{
    (void)state;
#if BENCH_HAVE_TBB
    pthread_t threads[THREADS];
    void *shared = NULL;

    assert_int_equal(peer_tbb_counter_setup(THREADS, &shared), 0);
    for (unsigned i = 0; i < THREADS; ++i)
        assert_int_equal(pthread_create(&threads[i], NULL, add, shared), 0);
    for (unsigned i = 0; i < THREADS; ++i)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(peer_tbb_counter_sum(shared), THREADS * ADDS);
    peer_tbb_counter_teardown(shared);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tbb_counter_counts_what_all_threads_add),
    };

    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
