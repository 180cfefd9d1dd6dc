/* SPDX-License-Identifier: MIT */
/* Numbers by key, a table a CPU. */
#include "../../sync/sync_test.h"

#include <pawl/percpu_hash.h>

#include <errno.h>

enum { THREADS = 6, KEYS = 500, ADDS = 200000 };

static void a_key_has_the_sum_of_what_was_added(void **state)
{
    struct pawl_percpu_hash hash;

    (void)state;
    assert_int_equal(pawl_percpu_hash_init(&hash, 100), 0);
    assert_int_equal(pawl_percpu_hash_get(&hash, 7), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(pawl_percpu_hash_add(&hash, 7, 3), 0);
    assert_int_equal(pawl_percpu_hash_add(&hash, UINT64_MAX, -5), 0);
    assert_int_equal(pawl_percpu_hash_get(&hash, 7), 3000);
    assert_int_equal(pawl_percpu_hash_get(&hash, UINT64_MAX), -5);
    assert_int_equal(pawl_percpu_hash_get(&hash, 8), 0);
    pawl_percpu_hash_destroy(&hash);
}

static void bad_arguments_are_refused(void **state)
{
    struct pawl_percpu_hash hash;

    (void)state;
    assert_int_equal(pawl_percpu_hash_init(&hash, 0), -EINVAL);
    assert_int_equal(pawl_percpu_hash_init(&hash, SIZE_MAX), -EINVAL);
    assert_int_equal(pawl_percpu_hash_init(&hash, ((size_t)1 << 24) + 1), -EINVAL);
    assert_int_equal(pawl_percpu_hash_init(&hash, 1), 0);
    assert_int_equal(pawl_percpu_hash_add(&hash, 0, 1), -EINVAL);
    assert_int_equal(pawl_percpu_hash_get(&hash, 0), 0);
    pawl_percpu_hash_destroy(&hash);
}

/* A table of 16 cells takes 16 keys, whichever; the next one is refused, and those that are in go on. */
static void a_full_table_refuses_new_keys_and_serves_the_others(void **state)
{
    struct pawl_percpu_hash hash;
    cpu_set_t one, before;
    long taken = 0;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0); /* one table */
    assert_int_equal(pawl_percpu_hash_init(&hash, 8), 0);
    assert_int_equal(hash.cells, 16);
    for (uint64_t key = 1; key <= 16; key++)
        assert_int_equal(pawl_percpu_hash_add(&hash, key, (long)key), 0);
    for (uint64_t key = 17; key < 40; key++)
        assert_int_equal(pawl_percpu_hash_add(&hash, key, 1), -ENOSPC);
    for (uint64_t key = 1; key < 40; key++)
        taken += pawl_percpu_hash_get(&hash, key);
    assert_int_equal(taken, 16 * 17 / 2);
    assert_int_equal(pawl_percpu_hash_add(&hash, 16, 1), 0);
    assert_int_equal(pawl_percpu_hash_get(&hash, 16), 17);
    pawl_percpu_hash_destroy(&hash);
    sched_setaffinity(0, sizeof before, &before);
}

struct visits {
    int n;
    uint64_t last;
    long sum;
};

static bool note(uint64_t key, long sum, void *argument)
{
    struct visits *visits = argument;

    assert_true(key > visits->last);
    visits->last = key;
    visits->sum += sum;
    return ++visits->n != 3;
}

static void each_visits_every_key_once_and_stops_when_told(void **state)
{
    struct pawl_percpu_hash hash;
    struct visits visits = {.n = 100};

    (void)state;
    assert_int_equal(pawl_percpu_hash_init(&hash, 16), 0);
    assert_int_equal(pawl_percpu_hash_each(&hash, note, &visits), 0);
    assert_int_equal(visits.n, 100);
    for (uint64_t key = 1; key <= 5; key++)
        assert_int_equal(pawl_percpu_hash_add(&hash, key * 1000, 1), 0);
    assert_int_equal(pawl_percpu_hash_each(&hash, note, &visits), 0);
    assert_int_equal(visits.n, 105);
    assert_int_equal(visits.sum, 5);
    visits = (struct visits){0};
    assert_int_equal(pawl_percpu_hash_each(&hash, note, &visits), 0);
    assert_int_equal(visits.n, 3);
    pawl_percpu_hash_destroy(&hash);
}

/* ---- many threads, also in signal handlers ---- */

static struct pawl_percpu_hash shared;
static PAWL_ATOMIC(long) in_handlers;

static void add_in_handler(int signal_number)
{
    (void)signal_number;
    if (pawl_percpu_hash_add(&shared, 1, 1) == 0)
        pawl_fetch_add_relaxed(&in_handlers, 1L);
}

static void *add_to_all(void *seed)
{
    uint64_t random = 0x9e3779b97f4a7c15u * ((uint64_t)(uintptr_t)seed + 1);
    long refused = 0;

    for (int i = 0; i < rounds(ADDS); i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        refused += pawl_percpu_hash_add(&shared, random % KEYS + 1, 1) != 0;
        if (i % 4096 == 0)
            raise(SIGUSR1);
    }
    return (void *)refused;
}

static bool sum_up(uint64_t key, long sum, void *argument)
{
    assert_int_equal(pawl_percpu_hash_get(&shared, key), sum);
    *(long *)argument += sum;
    return true;
}

static void nothing_is_lost_among_threads_and_handlers(void **state)
{
    pthread_t thread[THREADS];
    long refused = 0;
    long all = 0;

    (void)state;
    signal(SIGUSR1, add_in_handler);
    assert_int_equal(pawl_percpu_hash_init(&shared, KEYS), 0);
    for (int i = 0; i < THREADS; i++)
        thread[i] = start(add_to_all, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++)
        refused += (long)(intptr_t)join(thread[i]);
    assert_int_equal(pawl_percpu_hash_each(&shared, sum_up, &all), 0);
    assert_int_equal(refused, 0);
    assert_int_equal(all, (long)THREADS * rounds(ADDS) + pawl_load_relaxed(&in_handlers));
    pawl_percpu_hash_destroy(&shared);
}

/* ---- a visit beside keys that come ---- */

enum { OLD = 200, COMING = 8000 }; /* numbers of keys, from 1 on */

static PAWL_ATOMIC(int) started, visiting;

/* Puts its half of the old keys into the table of whichever CPU it has, then as many fresh ones as there may be. */
static void *add_more(void *number)
{
    uint64_t me = (uint64_t)(uintptr_t)number;

    for (uint64_t key = 1 + me; key <= OLD; key += 2)
        assert_int_equal(pawl_percpu_hash_add(&shared, key, 1), 0);
    pawl_fetch_add_release(&started, 1); /* with the load below */
    for (uint64_t key = OLD + 1 + me; key < COMING && pawl_load_relaxed(&visiting) != 0; key += 2) {
        if (pawl_percpu_hash_add(&shared, key, 1) != 0)
            return (void *)1;
        if (key % 64 == 0)
            sched_yield();
    }
    return NULL;
}

static bool count_old(uint64_t key, long sum, void *argument)
{
    (void)sum;
    *(int *)argument += key <= OLD;
    return true;
}

static void what_was_there_is_visited_while_other_keys_come(void **state)
{
    (void)state;
    for (int round = 0; round < rounds(20); round++) {
        pthread_t thread[2];

        assert_int_equal(pawl_percpu_hash_init(&shared, COMING), 0);
        pawl_store_relaxed(&started, 0); /* relaxed, both: the threads come after */
        pawl_store_relaxed(&visiting, 1);
        for (int i = 0; i < 2; i++)
            thread[i] = start(add_more, (void *)(intptr_t)i);
        while (pawl_load_acquire(&started) != 2)
            sched_yield();
        for (int i = 0; i < 20; i++) {
            int old = 0;

            assert_int_equal(pawl_percpu_hash_each(&shared, count_old, &old), 0);
            assert_int_equal(old, OLD);
        }
        pawl_store_relaxed(&visiting, 0); /* relaxed: they may add a few more */
        for (int i = 0; i < 2; i++)
            assert_null(join(thread[i]));
        pawl_percpu_hash_destroy(&shared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_the_sum_of_what_was_added),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(a_full_table_refuses_new_keys_and_serves_the_others),
        cmocka_unit_test(each_visits_every_key_once_and_stops_when_told),
        cmocka_unit_test(nothing_is_lost_among_threads_and_handlers),
        cmocka_unit_test(what_was_there_is_visited_while_other_keys_come),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("percpu_hash", tests, NULL, NULL);
}
