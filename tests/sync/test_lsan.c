/* SPDX-License-Identifier: MIT */
/* What only mapped pages of the library point to is not leaked, see src/core/sync/lsan.h. Each object is allocated by a thread that
 * ends, so that no stack or register still points to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pawl/epoch.h>
#include <pawl/hazard.h>
#include <pawl/percpu.h>
#include <pawl/pool.h>
#include <pawl/u64map.h>
#include <pthread.h>
#include <sanitizer/lsan_interface.h>
#include <stdlib.h>

static uintptr_t hidden; /* a pointer with all bits turned: nothing that points */

static void *run(void *f)
{
    ((void (*)(void))(uintptr_t)f)();
    return NULL;
}

static void by_a_thread(void (*f)(void))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, (void *)(uintptr_t)f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void expect_leak(bool is_there)
{
    assert_int_equal(__lsan_do_recoverable_leak_check() != 0, is_there);
}

static void lose_one(void)
{
    hidden = ~(uintptr_t)malloc(40);
}

/* The check would pass all others if it saw nothing. */
static void what_nothing_points_to_is_leaked(void **state)
{
    (void)state;
    by_a_thread(lose_one);
    expect_leak(true);
    free((void *)~hidden);
    expect_leak(false);
}

static void free_retired(struct pawl_retired *retired)
{
    free(retired);
}

static struct pawl_hazard *hazard;
static pthread_barrier_t looked;

static void *retire_and_stay(void *unused)
{
    struct pawl_retired *volatile retired = malloc(sizeof *retired);

    pawl_hazard_retire(hazard, retired, free_retired);
    retired = NULL;
    pthread_barrier_wait(&looked);
    pthread_barrier_wait(&looked);
    return unused;
}

static void retired_objects_are_held_by_their_domain(void **state)
{
    pthread_t thread;

    (void)state;
    hazard = pawl_hazard_open(0);
    assert_non_null(hazard);
    pthread_barrier_init(&looked, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, retire_and_stay, NULL), 0);
    pthread_barrier_wait(&looked);
    expect_leak(false);
    pthread_barrier_wait(&looked);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&looked);
    pawl_hazard_close(hazard);
}

static struct pawl_pool *pool;
static void **object;

static void put_into_pool(void)
{
    object = pawl_pool_get(pool);
    assert_non_null(object);
    *object = malloc(40);
}

static void objects_of_a_pool_hold_what_they_point_to(void **state)
{
    const struct pawl_pool_options options = {.object_bytes = 64, .count = 1000};

    (void)state;
    pool = pawl_pool_open(&options);
    assert_non_null(pool);
    by_a_thread(put_into_pool);
    expect_leak(false);
    free(*object);
    pawl_pool_put(pool, object);
    pawl_pool_close(pool, NULL, NULL);
}

static struct pawl_percpu *percpu;

static void put_into_slice(void)
{
    uint32_t slot = 0;

    assert_int_equal(pawl_percpu_add(percpu, 8, 1), 0); /* the first use of a slot */
    object = pawl_percpu_next(percpu, &slot);
    assert_non_null(object);
    *object = malloc(40);
}

static void slices_hold_what_they_point_to(void **state)
{
    (void)state;
    percpu = pawl_percpu_open(64, PAWL_PERCPU_BY_ANY);
    assert_non_null(percpu);
    by_a_thread(put_into_slice);
    expect_leak(false);
    free(*object);
    pawl_percpu_close(percpu);
}

enum { KEYS = 100000 }; /* enough for a table with pages of its own */

static struct pawl_u64map map;

static void put_into_map(void)
{
    for (uint64_t key = 1; key <= KEYS; key++)
        assert_int_equal(pawl_u64map_insert(&map, key, (uintptr_t)malloc(1), NULL), 0);
}

static void values_of_a_map_are_held_by_it(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(pawl_u64map_init(&map, 0), 0);
    by_a_thread(put_into_map);
    expect_leak(false);
    for (uint64_t key = 1; key <= KEYS; key++) {
        assert_int_equal(pawl_u64map_del(&map, key, &value), 0);
        free((void *)(uintptr_t)value);
    }
    pawl_u64map_destroy(&map);
    expect_leak(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nothing_points_to_is_leaked),
        cmocka_unit_test(retired_objects_are_held_by_their_domain),
        cmocka_unit_test(objects_of_a_pool_hold_what_they_point_to),
        cmocka_unit_test(slices_hold_what_they_point_to),
        cmocka_unit_test(values_of_a_map_are_held_by_it),
    };

    return cmocka_run_group_tests_name("lsan", tests, NULL, NULL);
}
