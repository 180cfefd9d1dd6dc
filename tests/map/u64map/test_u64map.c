/* SPDX-License-Identifier: MIT */
/* The map of words, one thread: operations, special keys, growing, shrinking, hostile keys. */
#include "u64map_test.h"

#include <errno.h>

struct pawl_u64map map;

void open_map(size_t entries)
{
    assert_int_equal(pawl_u64map_init(&map, entries), 0);
}

uint64_t value_of(uint64_t key)
{
    uint64_t value = 0;

    assert_int_equal(pawl_u64map_get(&map, key, &value), 0);
    return value;
}

void expect_absent(uint64_t key)
{
    uint64_t value = 4711;

    assert_int_equal(pawl_u64map_get(&map, key, &value), -ENOENT);
    assert_int_equal(value, 4711);
}

size_t keys_by_a_walk(void)
{
    struct pawl_u64map_cursor cursor = {0, false};
    struct pawl_u64map_entry entry[7];
    size_t n, all = 0;

    while ((n = pawl_u64map_next(&map, &cursor, entry, 7)) > 0)
        all += n;
    return all;
}

/* ---- one key ---- */

static void each_operation_does_what_it_says(void **state)
{
    uint64_t old = 0, expected;

    (void)state;
    open_map(0);
    expect_absent(1);
    assert_int_equal(pawl_u64map_replace(&map, 1, 5, NULL), -ENOENT);
    assert_int_equal(pawl_u64map_fetch_add(&map, 1, 5, NULL), -ENOENT);
    assert_int_equal(pawl_u64map_del(&map, 1, NULL), -ENOENT);
    assert_int_equal(pawl_u64map_del_if(&map, 1, 0), -ENOENT);
    expected = 0;
    assert_int_equal(pawl_u64map_cas(&map, 1, &expected, 5), -ENOENT);

    assert_int_equal(pawl_u64map_insert(&map, 1, 10, &old), 0);
    assert_int_equal(pawl_u64map_insert(&map, 1, 11, &old), -EEXIST);
    assert_int_equal(old, 10);
    assert_int_equal(pawl_u64map_put(&map, 1, 12, &old), 1);
    assert_int_equal(old, 10);
    assert_int_equal(pawl_u64map_put(&map, 2, 20, NULL), 0);
    assert_int_equal(pawl_u64map_replace(&map, 2, 21, &old), 0);
    assert_int_equal(old, 20);
    assert_int_equal(pawl_u64map_get_or_insert(&map, 2, 99, &old), 1);
    assert_int_equal(old, 21);
    assert_int_equal(pawl_u64map_get_or_insert(&map, 3, 30, &old), 0);
    assert_int_equal(old, 30);
    assert_int_equal(pawl_u64map_fetch_add(&map, 3, UINT64_MAX, &old), 0);
    assert_int_equal(old, 30);
    assert_int_equal(value_of(3), 29); /* wraps */
    assert_int_equal(pawl_u64map_add(&map, 4, 7, &old), 0);
    assert_int_equal(pawl_u64map_add(&map, 4, 7, &old), 1);
    assert_int_equal(old, 7);
    assert_int_equal(value_of(4), 14);

    expected = 13;
    assert_int_equal(pawl_u64map_cas(&map, 4, &expected, 15), -EAGAIN);
    assert_int_equal(expected, 14);
    assert_int_equal(pawl_u64map_cas(&map, 4, &expected, 15), 0);
    assert_int_equal(value_of(4), 15);
    assert_int_equal(pawl_u64map_del_if(&map, 4, 14), -EAGAIN);
    assert_int_equal(pawl_u64map_del_if(&map, 4, 15), 0);
    expect_absent(4);
    assert_int_equal(pawl_u64map_add(&map, 4, 7, NULL), 0); /* not 15 + 7: it is another entry */
    assert_int_equal(value_of(4), 7);
    assert_int_equal(pawl_u64map_del(&map, 3, &old), 0);
    assert_int_equal(old, 29);
    assert_int_equal(pawl_u64map_size(&map), 3);
    assert_true(pawl_u64map_has(&map, 1));
    assert_false(pawl_u64map_has(&map, 3));
    pawl_u64map_destroy(&map);
}

/* What the judge saw, and what it says. */
struct trial {
    bool present;
    uint64_t seen, store;
    enum pawl_u64map_verdict verdict;
};

static enum pawl_u64map_verdict judge(bool present, uint64_t *value, void *argument)
{
    struct trial *trial = argument;

    trial->present = present;
    trial->seen = *value;
    *value = trial->store;
    return trial->verdict;
}

static void a_judge_decides_what_becomes_of_a_key(void **state)
{
    struct trial t = {.verdict = PAWL_U64MAP_KEEP, .store = 5};

    (void)state;
    open_map(0);
    assert_int_equal(pawl_u64map_update(&map, 9, judge, &t), 0);
    assert_true(!t.present && t.seen == 0);
    expect_absent(9);
    t.verdict = PAWL_U64MAP_REMOVE;
    assert_int_equal(pawl_u64map_update(&map, 9, judge, &t), 0);
    t.verdict = PAWL_U64MAP_STORE;
    assert_int_equal(pawl_u64map_update(&map, 9, judge, &t), 0);
    assert_int_equal(value_of(9), 5);
    t.verdict = PAWL_U64MAP_KEEP;
    t.store = 6;
    assert_int_equal(pawl_u64map_update(&map, 9, judge, &t), 1);
    assert_true(t.present && t.seen == 5);
    assert_int_equal(value_of(9), 5);
    t.verdict = PAWL_U64MAP_REMOVE;
    assert_int_equal(pawl_u64map_update(&map, 9, judge, &t), 1);
    expect_absent(9);
    t.verdict = PAWL_U64MAP_STORE;
    assert_int_equal(pawl_u64map_update(&map, 9, judge, &t), 0);
    assert_true(!t.present && t.seen == 0);
    assert_int_equal(pawl_u64map_size(&map), 1);
    pawl_u64map_destroy(&map);
}

/* Each single bit, all, and none. */
static uint64_t special(int k)
{
    return k < 64 ? UINT64_C(1) << k : k == 64 ? 0 : UINT64_MAX;
}

static void no_key_and_no_value_is_special(void **state)
{
    enum { N = 66 };

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        assert_int_equal(pawl_u64map_init_seeded(&map, 0, seed), 0);
        for (int k = 0; k < N; k++) {
            expect_absent(special(k));
            assert_int_equal(pawl_u64map_put(&map, special(k), special((k + (int)seed) % N), NULL), 0);
        }
        for (int k = 0; k < N; k++)
            assert_int_equal(value_of(special(k)), special((k + (int)seed) % N));
        for (int k = 0; k < N; k++)
            assert_int_equal(pawl_u64map_del(&map, special(k), NULL), 0);
        for (int k = 0; k < N; k++)
            expect_absent(special(k));
        pawl_u64map_destroy(&map);
    }
}

/* The key that has this hash. */
static uint64_t key_of(uint64_t hash)
{
    uint64_t x = hash * map.inverse[1];

    return ((x ^ x >> 32) * map.inverse[0]) ^ map.seed;
}

static void a_hash_stands_for_its_key(void **state)
{
    uint64_t hash[] = {0, 1, UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 61) - 1, UINT64_C(7) << 61};

    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        assert_int_equal(pawl_u64map_init_seeded(&map, 0, seed), 0);
        for (size_t i = 0; i < sizeof hash / sizeof hash[0]; i++) {
            assert_int_equal(pawl_u64map_hash_(&map, key_of(hash[i])), hash[i]);
            assert_int_equal(pawl_u64map_insert(&map, key_of(hash[i]), i, NULL),
                             0); /* none is taken for another */
        }
        for (size_t i = 0; i < sizeof hash / sizeof hash[0]; i++)
            assert_int_equal(value_of(key_of(hash[i])), i);
        assert_int_equal(keys_by_a_walk(), sizeof hash / sizeof hash[0]);
        pawl_u64map_destroy(&map);
    }
}

static void arguments_are_checked(void **state)
{
    (void)state;
    assert_int_equal(pawl_u64map_init(&map, SIZE_MAX), -EINVAL);
    open_map(0);
    assert_int_equal(pawl_u64map_reserve(&map, SIZE_MAX), -EINVAL);
    pawl_u64map_destroy(&map);
}

/* ---- many keys ---- */

uint64_t random_key(uint64_t i)
{
    i = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return i ^ i >> 29;
}

static uint64_t sequential(uint64_t i)
{
    return i;
}

static uint64_t high_halves(uint64_t i)
{
    return i << 32;
}

static uint64_t pages(uint64_t i)
{
    return UINT64_C(0x7f0000000000) + i * 4096;
}

uint64_t on_one_line(uint64_t i)
{
    return key_of(UINT64_C(0xabcdef1234) << 24 | i);
}

static int tables;

static bool count_tables(size_t bytes)
{
    tables += bytes > 0;
    return false;
}

/* 0 to n and back to 0. */
static void fill_and_empty(uint64_t (*key)(uint64_t), uint64_t n)
{
    uint64_t old;
    size_t empty;

    open_map(0);
    empty = pawl_u64map_bytes(&map);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(pawl_u64map_insert(&map, key(i), i, NULL), 0);
    assert_int_equal(pawl_u64map_size(&map), n);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(value_of(key(i)), i);
    expect_absent(key(n));
    assert_int_equal(keys_by_a_walk(), n);
    tables = 0;
    pawl_u64map_refuse_ = count_tables;
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(pawl_u64map_del(&map, key(i), &old), 0);
        assert_int_equal(old, i);
    }
    pawl_u64map_refuse_ = NULL;
    assert_in_range(tables, 1, 24); /* each much smaller than the one before */
    assert_int_equal(pawl_u64map_size(&map), 0);
    assert_int_equal(keys_by_a_walk(), 0);
    /* what is left of the last resize is moved by the next changes */
    for (int i = 0; i < 1000; i++)
        (void)pawl_u64map_del(&map, 0, NULL);
    assert_in_range(pawl_u64map_bytes(&map), empty, 4 * empty);
    pawl_u64map_destroy(&map);
}

static void it_grows_and_gives_its_memory_back(void **state)
{
    const uint64_t n = (uint64_t)rounds(200000);

    (void)state;
    fill_and_empty(random_key, PAWL_INSTRUMENTED ? n : 5 * n);
    fill_and_empty(sequential, n);
    fill_and_empty(high_halves, n);
    fill_and_empty(pages, n);
}

/* Its keys are too many for a small table, at whose loads it would be about to grow. */
static void a_table_that_shrinks_does_not_grow_again_at_once(void **state)
{
    (void)state;
    assert_int_equal(pawl_u64map_init_seeded(&map, 16500, 1), 0);
    for (uint64_t i = 0; i < 7200; i++)
        assert_int_equal(pawl_u64map_insert(&map, i, i, NULL), 0);
    tables = 0;
    pawl_u64map_refuse_ = count_tables;
    for (uint64_t i = 7200; i > 6200; i--)
        assert_int_equal(pawl_u64map_del(&map, i - 1, NULL), 0);
    pawl_u64map_refuse_ = NULL;
    assert_int_equal(tables, 1);
    pawl_u64map_destroy(&map);
}

/* Keys that another thread inserts while a successor is opened. */
static uint64_t meanwhile;

static void *insert_meanwhile(void *failed)
{
    for (uint64_t i = 0; i < meanwhile; i++)
        if (pawl_u64map_insert(&map, random_key(1000 + i), i, NULL) != 0)
            ++*(int *)failed;
    return NULL;
}

static bool insert_and_count(size_t bytes)
{
    pthread_t other;
    int failed = 0;

    (void)bytes;
    if (tables++ > 0)
        return false;
    assert_int_equal(pthread_create(&other, NULL, insert_meanwhile, &failed), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(failed, 0);
    return false;
}

/* How many tables are opened when a map's first is full, and others insert so many keys before the one that is opened is there. */
static int tables_opened_beside(uint64_t keys)
{
    open_map(0);
    tables = 0;
    meanwhile = keys;
    pawl_u64map_refuse_ = insert_and_count;
    for (uint64_t i = 0; tables == 0; i++)
        assert_int_equal(pawl_u64map_insert(&map, random_key(i), i, NULL), 0);
    pawl_u64map_refuse_ = NULL;
    for (uint64_t i = 0; i < keys; i++)
        assert_int_equal(value_of(random_key(1000 + i)), i);
    pawl_u64map_destroy(&map);
    return tables;
}

/* Keys that are there when a successor is asked for, each time that there is no memory for it, and at last there is. */
static size_t keys_when_refused[3];

static bool refuse_twice(size_t bytes)
{
    (void)bytes;
    if (tables < 3)
        keys_when_refused[tables] = pawl_u64map_size(&map);
    return ++tables < 3;
}

static void who_is_refused_a_successor_leaves_it_to_later_keys(void **state)
{
    uint64_t n = 0;

    (void)state;
    open_map(0);
    tables = 0;
    pawl_u64map_refuse_ = refuse_twice;
    for (; tables < 3 && n < 1000; n++)
        assert_int_equal(pawl_u64map_insert(&map, random_key(n), n, NULL), 0);
    pawl_u64map_refuse_ = NULL;
    /* at 12, 15 and 18 of 32 cells; the key that is inserted may not be counted yet */
    for (uint64_t i = 0; i < 3; i++)
        assert_in_range(keys_when_refused[i], 95 + 24 * i, 96 + 24 * i);
    assert_int_equal(n, 144);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(value_of(random_key(i)), i);
    pawl_u64map_destroy(&map);
}

static void one_opens_a_successor_and_others_only_if_it_takes_long(void **state)
{
    (void)state;
    assert_int_equal(tables_opened_beside(20), 1);
    assert_int_equal(tables_opened_beside(40), 2); /* who opens may be stopped */
}

static void keys_of_one_line_are_slow_but_right(void **state)
{
    (void)state;
    fill_and_empty(on_one_line, PAWL_INSTRUMENTED ? 300 : 2000);
}

static void an_entry_takes_less_than_30_bytes_on_average(void **state)
{
    const uint64_t n = 20 * (PAWL_INSTRUMENTED ? 4000 : 20000);
    double sum = 0;
    int looks = 0;

    (void)state;
    open_map(0);
    for (uint64_t i = 1; i <= n; i++) {
        assert_int_equal(pawl_u64map_put(&map, random_key(i), i, NULL), 0);
        if (i > n / 4 && i % (n / 400) == 0 && pawl_load_acquire(&map.table)->next == NULL) {
            double bytes = (double)pawl_u64map_bytes(&map) / (double)i;

            assert_true(bytes < 41); /* what is counted is a sample */
            sum += bytes;
            looks++;
        }
    }
    assert_true(looks > 100 && sum / looks < 30);
    pawl_u64map_destroy(&map);
}

static void keys_that_come_and_go_need_no_more_room(void **state)
{
    const uint64_t stay = 5000, all = (uint64_t)rounds(300000);
    size_t most = 0;

    (void)state;
    open_map(0);
    for (uint64_t i = 0; i < all; i++) {
        assert_int_equal(pawl_u64map_insert(&map, random_key(i), i, NULL), 0);
        if (i >= stay)
            assert_int_equal(pawl_u64map_del(&map, random_key(i - stay), NULL), 0);
        if (pawl_u64map_bytes(&map) > most)
            most = pawl_u64map_bytes(&map);
    }
    assert_int_equal(pawl_u64map_size(&map), stay);
    assert_true(most < 256 * stay); /* two tables, while keys move; small ones are kept empty */
    for (uint64_t i = all - stay; i < all; i++)
        assert_int_equal(value_of(random_key(i)), i);
    pawl_u64map_destroy(&map);
}

static void room_can_be_made_before(void **state)
{
    size_t bytes;

    (void)state;
    open_map(5 * MANY);
    bytes = pawl_u64map_bytes(&map);
    for (uint64_t i = 0; i < 5 * MANY; i++)
        assert_int_equal(pawl_u64map_insert(&map, random_key(i), i, NULL), 0);
    assert_int_equal(pawl_u64map_bytes(&map), bytes);
    assert_int_equal(pawl_u64map_reserve(&map, 15 * MANY), 0);
    bytes = pawl_u64map_bytes(&map);
    for (uint64_t i = 0; i < 15 * MANY; i++)
        assert_int_equal(pawl_u64map_put(&map, random_key(i), i, NULL), i < 5 * MANY);
    assert_int_equal(pawl_u64map_bytes(&map), bytes);
    assert_int_equal(pawl_u64map_reserve(&map, 5), 0);
    assert_int_equal(pawl_u64map_bytes(&map), bytes);
    for (uint64_t i = 0; i < 15 * MANY; i++)
        assert_int_equal(value_of(random_key(i)), i);
    pawl_u64map_destroy(&map);
}

static void batches_are_single_operations(void **state)
{
    enum { N = 1000 };
    static uint64_t keys[2 * N], values[2 * N];
    static bool found[2 * N];

    (void)state;
    open_map(0);
    for (uint64_t i = 0; i < 2 * N; i++) {
        keys[i] = random_key(i);
        values[i] = i;
    }
    for (size_t n = 0; n < 70; n++) { /* around the size of a batch */
        assert_int_equal(pawl_u64map_put_n(&map, keys, values, n), n);
        assert_int_equal(pawl_u64map_get_n(&map, keys, values, found, 100), n);
        for (size_t i = 0; i < 100; i++)
            assert_true(found[i] == (i < n) && (i >= n || values[i] == i));
        assert_int_equal(pawl_u64map_del_n(&map, keys, n), n);
        assert_int_equal(pawl_u64map_size(&map), 0);
    }
    assert_int_equal(pawl_u64map_put_n(&map, keys, values, N), N);
    memset(values, 0, sizeof values);
    assert_int_equal(pawl_u64map_get_n(&map, keys, values, found, 2 * N), N);
    for (uint64_t i = 0; i < 2 * N; i++)
        assert_true(found[i] == (i < N) && values[i] == (i < N ? i : 0));
    pawl_u64map_destroy(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_does_what_it_says),
        cmocka_unit_test(a_judge_decides_what_becomes_of_a_key),
        cmocka_unit_test(no_key_and_no_value_is_special),
        cmocka_unit_test(a_hash_stands_for_its_key),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(it_grows_and_gives_its_memory_back),
        cmocka_unit_test(a_table_that_shrinks_does_not_grow_again_at_once),
        cmocka_unit_test(one_opens_a_successor_and_others_only_if_it_takes_long),
        cmocka_unit_test(who_is_refused_a_successor_leaves_it_to_later_keys),
        cmocka_unit_test(keys_of_one_line_are_slow_but_right),
        cmocka_unit_test(an_entry_takes_less_than_30_bytes_on_average),
        cmocka_unit_test(keys_that_come_and_go_need_no_more_room),
        cmocka_unit_test(room_can_be_made_before),
        cmocka_unit_test(batches_are_single_operations),
    };
    int failed;

    expect_end_within(600);
    failed = cmocka_run_group_tests_name("u64map", tests, NULL, NULL);
    failed += _cmocka_run_group_tests("u64map, walks", u64map_walk_tests, u64map_walk_test_count, NULL, NULL);
    pawl_rcu_barrier(); /* tables that wait there are not lost */
    return failed;
}
