/* SPDX-License-Identifier: MIT */
/* Counters: sums, reuse of words, threads, fork, bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pawl/counter.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, ADDS = 200000, MANY = 1500 };

static void a_new_counter_is_zero_and_sums_what_is_added(void **state)
{
    struct pawl_counter counter;

    (void)state;
    assert_int_equal(pawl_counter_init(&counter), 0);
    assert_int_equal(pawl_counter_read(&counter), 0);
    pawl_counter_add(&counter, 5);
    pawl_counter_add(&counter, -7);
    assert_int_equal(pawl_counter_read(&counter), -2);
    pawl_counter_destroy(&counter);
}

static void a_sum_wraps_and_overflows_nothing(void **state)
{
    struct pawl_counter counter;

    (void)state;
    assert_int_equal(pawl_counter_init(&counter), 0);
    pawl_counter_add(&counter, LONG_MAX);
    pawl_counter_add(&counter, 1);
    assert_true(pawl_counter_read(&counter) == LONG_MIN);
    pawl_counter_destroy(&counter);
}

/* More than one page of words, none shared, and each is zero again for its next owner. */
static void counters_do_not_share_words_and_words_are_used_again(void **state)
{
    struct pawl_counter *counters = calloc(MANY, sizeof *counters);

    (void)state;
    assert_non_null(counters);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(pawl_counter_init(&counters[i]), 0);
            pawl_counter_add(&counters[i], i + 1);
        }
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(pawl_counter_read(&counters[i]), i + 1);
            pawl_counter_destroy(&counters[i]);
        }
    }
    free(counters);
}

struct race {
    struct pawl_counter percpu;
    struct pawl_counter_atomic atomic;
    struct pawl_counter_sharded *sharded;
};

static void *add_to_all(void *argument)
{
    struct race *race = argument;

    for (int i = 0; i < ADDS; i++) {
        pawl_counter_add(&race->percpu, 1);
        pawl_counter_atomic_add(&race->atomic, 1);
        pawl_counter_sharded_add(race->sharded,
                                 i % 2 != 0 ? pawl_counter_shard_of_cpu() : pawl_counter_shard_of_thread(),
                                 1);
    }
    return NULL;
}

static void no_add_of_many_threads_is_lost(void **state)
{
    struct race *race = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *race);
    pthread_t threads[THREADS];

    (void)state;
    assert_non_null(race);
    memset(race, 0, sizeof *race);
    race->sharded = pawl_counter_sharded_init(aligned_alloc(PAWL_CACHELINE_PAIR,
                                                            pawl_counter_sharded_bytes(4)),
                                              4);
    assert_non_null(race->sharded);
    assert_int_equal(pawl_counter_init(&race->percpu), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_to_all, race), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(pawl_counter_read(&race->percpu), (long)THREADS * ADDS);
    assert_int_equal(pawl_counter_atomic_read(&race->atomic), (long)THREADS * ADDS);
    assert_int_equal(pawl_counter_sharded_read(race->sharded), (long)THREADS * ADDS);
    pawl_counter_destroy(&race->percpu);
    free(race->sharded);
    free(race);
}

static PAWL_ATOMIC(int) stop;

static void *make_and_drop(void *unused)
{
    struct pawl_counter counter;

    (void)unused;
    while (pawl_load_relaxed(&stop) == 0)
        if (pawl_counter_init(&counter) == 0)
            pawl_counter_destroy(&counter);
    return NULL;
}

/* A thread of the parent holds the lock of the words at most moments: a child must not inherit it held. */
static void a_forked_child_makes_counters_at_once(void **state)
{
    pthread_t thread;

    (void)state;
    pawl_store_relaxed(&stop, 0);
    assert_int_equal(pthread_create(&thread, NULL, make_and_drop, NULL), 0);
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
            struct pawl_counter counter;

            alarm(20); /* a deadlock ends the child by a signal */
            if (pawl_counter_init(&counter) != 0)
                _exit(1);
            pawl_counter_add(&counter, 3);
            _exit(pawl_counter_read(&counter) == 3 ? 0 : 2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    pawl_store_relaxed(&stop, 1);
    pthread_join(thread, NULL);
}

static void bad_shards_are_refused(void **state)
{
    static char memory[1024] __attribute__((aligned(PAWL_CACHELINE_PAIR)));

    (void)state;
    assert_int_equal(pawl_counter_sharded_bytes(0), 0);
    assert_int_equal(pawl_counter_sharded_bytes(3), 0);
    assert_int_equal(pawl_counter_sharded_bytes((size_t)1 << 21), 0);
    errno = 0;
    assert_null(pawl_counter_sharded_init(memory, 3));
    assert_int_equal(errno, EINVAL);
    assert_null(pawl_counter_sharded_init(NULL, 4));
    assert_null(pawl_counter_sharded_init(memory + 8, 4));
    assert_non_null(pawl_counter_sharded_init(memory, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_counter_is_zero_and_sums_what_is_added),
        cmocka_unit_test(a_sum_wraps_and_overflows_nothing),
        cmocka_unit_test(counters_do_not_share_words_and_words_are_used_again),
        cmocka_unit_test(no_add_of_many_threads_is_lost),
        cmocka_unit_test(a_forked_child_makes_counters_at_once),
        cmocka_unit_test(bad_shards_are_refused),
    };

    return cmocka_run_group_tests_name("counter", tests, NULL, NULL);
}
