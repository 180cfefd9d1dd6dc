/* SPDX-License-Identifier: MIT */
/* The map of words, one thread: operations, special keys, growing, shrinking, walks, no memory, hostile keys. */
#include "../../sync/sync_test.h"

#include "../../../src/core/map/u64map.h"

#include <errno.h>

enum { MANY = PAWL_INSTRUMENTED ? 2000 : 20000 };

static struct pawl_u64map map;

static void open_map(size_t entries)
{
    assert_int_equal(pawl_u64map_init(&map, entries), 0);
}

static uint64_t value_of(uint64_t key)
{
    uint64_t value = 0;

    assert_int_equal(pawl_u64map_get(&map, key, &value), 0);
    return value;
}

static void expect_absent(uint64_t key)
{
    uint64_t value = 4711;

    assert_int_equal(pawl_u64map_get(&map, key, &value), -ENOENT);
    assert_int_equal(value, 4711);
}

static size_t keys_by_a_walk(void)
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

static uint64_t random_key(uint64_t i)
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

/* All of one line, in a table of any size: the highest 40 bits of the hash are the same. */
static uint64_t on_one_line(uint64_t i)
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
    for (uint64_t i = 0; i < first->blocks + 100; i++)
        assert_int_equal(pawl_u64map_put(&map, i, i, NULL), 1);
    assert_ptr_not_equal(map.table, first);
    assert_null(successor(map.table));
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(value_of(i), i);
    assert_int_equal(keys_by_a_walk(), 10000);
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
        cmocka_unit_test(keys_of_one_line_are_slow_but_right),
        cmocka_unit_test(an_entry_takes_less_than_30_bytes_on_average),
        cmocka_unit_test(keys_that_come_and_go_need_no_more_room),
        cmocka_unit_test(room_can_be_made_before),
        cmocka_unit_test(batches_are_single_operations),
        cmocka_unit_test(a_walk_sees_each_key_once),
        cmocka_unit_test(a_visitor_may_remove_what_it_visits),
        cmocka_unit_test(a_walk_beside_resizes_sees_what_stays_once),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(without_memory_in_the_middle_of_a_resize_nothing_is_lost),
        cmocka_unit_test(a_block_that_its_mover_left_is_moved_by_others),
    };
    int failed;

    expect_end_within(600);
    failed = cmocka_run_group_tests_name("u64map", tests, NULL, NULL);
    pawl_rcu_barrier(); /* tables that wait there are not lost */
    return failed;
}
