/* SPDX-License-Identifier: MIT */
/* The map of words, one thread: walks, no memory, helpers that stopped. */
#include "u64map_test.h"

#include <errno.h>

/* ---- walks ---- */

static void a_walk_sees_each_key_once(void **state)
{
    enum { N = 3000 };
    static bool seen[N];

    (void)state;
    for (size_t n = 1; n < 200; n = 2 * n + 1) {
        struct pawl_u64map_cursor cursor = {0, false};
        struct pawl_u64map_entry entry[200];
        size_t got, all = 0;

        open_map(0);
        for (uint64_t i = 0; i < N; i++)
            assert_int_equal(pawl_u64map_put(&map, i < 100 ? on_one_line(i) : i << 7, i, NULL), 0);
        memset(seen, 0, sizeof seen);
        while ((got = pawl_u64map_next(&map, &cursor, entry, n)) > 0) {
            for (size_t i = 0; i < got; i++) {
                uint64_t value = entry[i].value;

                assert_true(value < N && !seen[value]);
                assert_true(entry[i].key == (value < 100 ? on_one_line(value) : value << 7));
                seen[value] = true;
            }
            all += got;
        }
        assert_int_equal(all, N);
        assert_int_equal(pawl_u64map_next(&map, &cursor, entry, n), 0); /* over is over */
        pawl_u64map_destroy(&map);
    }
}

static bool remove_it(uint64_t key, uint64_t value, void *argument)
{
    uint64_t *left = argument;

    (void)value;
    assert_int_equal(pawl_u64map_del(&map, key, NULL), 0);
    return --*left > 0;
}

static void a_visitor_may_remove_what_it_visits(void **state)
{
    uint64_t left = 5000;

    (void)state;
    open_map(0);
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(pawl_u64map_put(&map, i, i, NULL), 0);
    pawl_u64map_each(&map, remove_it, &left); /* it shrinks meanwhile */
    assert_int_equal(left, 0);
    assert_int_equal(pawl_u64map_size(&map), 5000);
    left = 5000;
    pawl_u64map_each(&map, remove_it, &left);
    assert_int_equal(pawl_u64map_size(&map), 0);
    pawl_u64map_destroy(&map);
}

static void a_walk_beside_resizes_sees_what_stays_once(void **state)
{
    enum { STAY = MANY / 10, COME = 3 * MANY };
    static unsigned char seen[STAY];
    struct pawl_u64map_cursor cursor = {0, false};
    struct pawl_u64map_entry entry[5];
    uint64_t coming = 0, going = 0;
    size_t got;

    (void)state;
    open_map(0);
    for (uint64_t i = 0; i < STAY; i++)
        assert_int_equal(pawl_u64map_put(&map, i, i, NULL), 0);
    while ((got = pawl_u64map_next(&map, &cursor, entry, 5)) > 0) {
        for (size_t i = 0; i < got; i++)
            seen[entry[i].key < STAY ? entry[i].key : 0] += entry[i].key < STAY;
        for (int i = 0; i < 300 && coming < COME; i++, coming++) /* first it grows, then it shrinks */
            assert_int_equal(pawl_u64map_put(&map, 1000000 + coming, 0, NULL), 0);
        for (int i = 0; i < 300 && coming == COME && going < COME; i++, going++)
            assert_int_equal(pawl_u64map_del(&map, 1000000 + going, NULL), 0);
    }
    for (int i = 0; i < STAY; i++)
        assert_int_equal(seen[i], 1);
    pawl_u64map_destroy(&map);
}

/* ---- no memory ---- */

static int refusals;

static bool refuse(size_t bytes)
{
    (void)bytes;
    refusals++;
    return true;
}

static void without_memory_nothing_is_lost(void **state)
{
    uint64_t n = 0, stored;

    (void)state;
    pawl_u64map_refuse_ = refuse;
    assert_int_equal(pawl_u64map_init(&map, 0), -ENOMEM);
    for (uint64_t first = 100; first < MANY; first = first * 3 / 2) { /* refused in different tables */
        int status = 0;

        pawl_u64map_refuse_ = NULL;
        open_map(0);
        for (n = 0; n < first; n++)
            assert_int_equal(pawl_u64map_insert(&map, random_key(n), n, NULL), 0);
        pawl_u64map_refuse_ = refuse;
        while (status == 0) {
            status = pawl_u64map_insert(&map, random_key(n), n, NULL);
            n += status == 0;
        }
        assert_int_equal(status, -ENOMEM);
        stored = n;
        assert_true(refusals > 0 && pawl_u64map_size(&map) == stored);
        for (uint64_t i = 0; i < stored; i++) { /* what needs no memory goes on */
            assert_int_equal(value_of(random_key(i)), i);
            assert_int_equal(pawl_u64map_put(&map, random_key(i), i + 1, NULL), 1);
        }
        expect_absent(random_key(stored));
        assert_int_equal(pawl_u64map_del(&map, random_key(0), NULL), 0);
        assert_int_equal(pawl_u64map_reserve(&map, 1000000), -ENOMEM);
        pawl_u64map_refuse_ = NULL; /* and when there is memory again, all */
        assert_int_equal(pawl_u64map_insert(&map, random_key(stored), stored + 1, NULL), 0);
        for (uint64_t i = 1; i <= stored; i++)
            assert_int_equal(value_of(random_key(i)), i + 1);
        pawl_u64map_destroy(&map);
    }
}

/* The first successor is given, the one that it would need is not: keys of one line that the successor has
 * no room for stay where they are, frozen. */
static void without_memory_in_the_middle_of_a_resize_nothing_is_lost(void **state)
{
    enum { N = 32 };
    uint64_t now;
    int status = 0;

    (void)state;
    open_map(0);
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(pawl_u64map_insert(&map, on_one_line(i), i, NULL), 0);
    pawl_u64map_refuse_ = refuse;
    (void)pawl_u64map_succeed_(map.table, 8); /* refused */
    assert_null(successor(map.table));
    pawl_u64map_refuse_ = NULL;
    assert_non_null(pawl_u64map_succeed_(map.table, 8)); /* one line in reach: 4 of the 32 find room */
    pawl_u64map_refuse_ = refuse;
    assert_int_equal(pawl_u64map_help_(&map, map.table), -ENOMEM);
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(value_of(on_one_line(i)), i);
    assert_int_equal(keys_by_a_walk(), N);
    for (uint64_t i = 0; i < N && status == 0; i++) { /* to change a frozen one needs room */
        status = pawl_u64map_fetch_add(&map, on_one_line(i), 100, NULL);
        assert_int_equal(value_of(on_one_line(i)), i + (status == 0 ? 100 : 0));
    }
    assert_int_equal(status, -ENOMEM);
    assert_int_equal(pawl_u64map_get_or_insert(&map, on_one_line(N - 1), 0, &now),
                     1); /* to find that it is there not */
    assert_int_equal(now, N - 1);
    pawl_u64map_refuse_ = NULL;
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(pawl_u64map_put(&map, on_one_line(i), i, NULL), 1);
    assert_int_equal(pawl_u64map_reserve(&map, 10000), 0); /* all of it is moved */
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(value_of(on_one_line(i)), i);
    assert_int_equal(pawl_u64map_size(&map), N);
    assert_int_equal(keys_by_a_walk(), N);
    pawl_u64map_destroy(&map);
}

/* ---- a helper that never comes back ---- */

static void a_block_that_its_mover_left_is_moved_by_others(void **state)
{
    struct pawl_u64map_table *first;

    (void)state;
    open_map(40000);
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(pawl_u64map_put(&map, i, i, NULL), 0);
    first = map.table;
    assert_non_null(pawl_u64map_succeed_(first, 2 * first->lines));
    /* blocks 0 and 1 are begun by somebody who is stopped */
    assert_int_equal(pawl_fetch_add_relaxed(&first->cursor, 2), 0);
    pawl_rcu_read_lock(); /* the table stays, also when it is replaced */
    for (uint64_t i = 0; i < (PAWL_U64MAP_WAIT + 1) * first->blocks + 100; i++)
        assert_int_equal(pawl_u64map_put(&map, i % 10000, i % 10000, NULL), 1);
    assert_ptr_not_equal(map.table, first);
    pawl_rcu_read_unlock();
    assert_null(successor(map.table));
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(value_of(i), i);
    assert_int_equal(keys_by_a_walk(), 10000);
    pawl_u64map_destroy(&map);
}

/* ---- moving waits, but not for ever ---- */

/* A map whose table has a successor. Returns the table. */
static struct pawl_u64map_table *open_resizing(void)
{
    struct pawl_u64map_table *first;

    open_map(40000);
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(pawl_u64map_put(&map, i, i, NULL), 0);
    pawl_rcu_barrier(); /* its worker is at rest: else it may be the one that everybody's grace periods wait for */
    first = map.table;
    assert_true(first->lines >= PAWL_U64MAP_STILL_LINES);
    assert_non_null(pawl_u64map_succeed_(first, 2 * first->lines));
    return first;
}

static void close_resizing(void)
{
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(value_of(i), i);
    assert_int_equal(keys_by_a_walk(), 10000);
    pawl_u64map_destroy(&map);
}

static void a_table_is_moved_when_it_is_still(void **state)
{
    struct pawl_u64map_table *first = open_resizing();

    (void)state;
    for (uint64_t i = 0; pawl_load_relaxed(&first->cursor) == 0; i++) {
        assert_true(i < PAWL_U64MAP_WAIT * first->blocks);
        assert_int_equal(pawl_u64map_put(&map, i, i, NULL), 1);
    }
    assert_true(is_still(first));
    assert_ptr_equal(map.table, first); /* one block of many */
    assert_int_equal(pawl_u64map_reserve(&map, 0), 0);
    close_resizing();
}

static void a_section_that_stays_delays_a_move_and_does_not_stop_it(void **state)
{
    struct pawl_u64map_table *first = open_resizing();
    uint64_t waits = PAWL_U64MAP_WAIT * first->blocks, i = 0;

    (void)state;
    pawl_rcu_read_lock(); /* which keeps the table, too */
    for (; i < waits; i++)
        assert_int_equal(pawl_u64map_put(&map, i % 10000, i % 10000, NULL), 1);
    assert_int_equal(pawl_load_relaxed(&first->cursor), 0);
    for (; i < waits + first->blocks + 100; i++)
        assert_int_equal(pawl_u64map_put(&map, i % 10000, i % 10000, NULL), 1);
    assert_ptr_not_equal(map.table, first);
    assert_false(is_still(first));
    pawl_rcu_read_unlock();
    close_resizing();
}

const struct CMUnitTest u64map_walk_tests[] = {
    cmocka_unit_test(a_walk_sees_each_key_once),
    cmocka_unit_test(a_visitor_may_remove_what_it_visits),
    cmocka_unit_test(a_walk_beside_resizes_sees_what_stays_once),
    cmocka_unit_test(without_memory_nothing_is_lost),
    cmocka_unit_test(without_memory_in_the_middle_of_a_resize_nothing_is_lost),
    cmocka_unit_test(a_block_that_its_mover_left_is_moved_by_others),
    cmocka_unit_test(a_table_is_moved_when_it_is_still),
    cmocka_unit_test(a_section_that_stays_delays_a_move_and_does_not_stop_it),
};
const size_t u64map_walk_test_count = sizeof u64map_walk_tests / sizeof u64map_walk_tests[0];
