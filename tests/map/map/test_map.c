/* SPDX-License-Identifier: MIT */
/* The map, one promise after the other, mostly by one thread. */
#include "map_test.h"

enum { MANY = 20000, SAME = 700 };

/* ---- the operations ---- */

static void what_was_inserted_is_found_and_nothing_else(void **state)
{
    struct pawl_map map;

    (void)state;
    open_map(&map, NULL);
    assert_null(get(&map, 1));
    for (uint64_t i = 0; i < MANY; i += 2)
        assert_int_equal(insert(&map, i), 0);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(get(&map, i) != NULL, i % 2 == 0);
    assert_int_equal(pawl_map_size(&map), MANY / 2);
    close_map(&map);
}

static void a_key_is_in_the_map_once(void **state)
{
    struct item *first = make_item(5, 0), *second = make_item(5, 0);
    uint64_t key = 5, hash;
    struct pawl_map map;
    void *other = NULL;

    (void)state;
    open_map(&map, NULL);
    hash = first->hash = second->hash = hash_of(&map, 5);
    pawl_rcu_read_lock();
    assert_int_equal(pawl_map_insert(&map, hash, &key, first, &other), 0);
    assert_null(other);
    assert_int_equal(pawl_map_insert(&map, hash, &key, second, &other), -EEXIST);
    assert_ptr_equal(other, first);
    assert_int_equal(pawl_map_insert(&map, hash, &key, second, NULL), -EEXIST);
    assert_ptr_equal(pawl_map_get_or_insert(&map, hash, &key, second), first);
    pawl_rcu_read_unlock();
    assert_int_equal(pawl_map_size(&map), 1);
    assert_ptr_equal(pawl_map_del(&map, hash, &key), first);
    assert_null(pawl_map_del(&map, hash, &key));
    pawl_rcu_read_lock();
    assert_ptr_equal(pawl_map_get_or_insert(&map, hash, &key, second), second);
    pawl_rcu_read_unlock();
    assert_ptr_equal(get(&map, 5), second);
    free(first);
    close_map(&map);
}

static void put_hands_out_the_one_it_took_the_place_of(void **state)
{
    struct item *first = make_item(5, 0), *second = make_item(5, 0);
    void *old = first;
    uint64_t key = 5;
    struct pawl_map map;

    (void)state;
    open_map(&map, NULL);
    first->hash = second->hash = hash_of(&map, 5);
    assert_int_equal(pawl_map_put(&map, first->hash, &key, first, &old), 0);
    assert_null(old);
    assert_int_equal(pawl_map_put(&map, first->hash, &key, second, &old), 0);
    assert_ptr_equal(old, first);
    assert_ptr_equal(get(&map, 5), second);
    assert_int_equal(pawl_map_size(&map), 1);
    free(first);
    close_map(&map);
}

static void replace_puts_nothing_where_nothing_was(void **state)
{
    struct item *first = make_item(5, 0), *second = make_item(5, 0);
    uint64_t key = 5;
    struct pawl_map map;
    void *old;

    (void)state;
    open_map(&map, NULL);
    first->hash = second->hash = hash_of(&map, 5);
    assert_int_equal(pawl_map_replace(&map, first->hash, &key, first, &old), -ENOENT);
    assert_null(old);
    assert_int_equal(pawl_map_size(&map), 0);
    assert_int_equal(pawl_map_insert(&map, first->hash, &key, first, NULL), 0);
    assert_int_equal(pawl_map_replace(&map, first->hash, &key, second, &old), 0);
    assert_ptr_equal(old, first);
    free(first);
    close_map(&map);
}

static void an_object_is_replaced_or_deleted_only_if_it_is_that_one(void **state)
{
    struct item *items[3];
    uint64_t key = 5, hash;
    struct pawl_map map;

    (void)state;
    open_map(&map, NULL);
    hash = hash_of(&map, 5);
    for (int i = 0; i < 3; i++)
        items[i] = make_item(5, hash);
    assert_int_equal(pawl_map_replace_object(&map, hash, items[0], items[1]), -ENOENT);
    assert_int_equal(pawl_map_insert(&map, hash, &key, items[0], NULL), 0);
    assert_int_equal(pawl_map_replace_object(&map, hash, items[1], items[2]), -ENOENT);
    assert_int_equal(pawl_map_replace_object(&map, hash, items[0], items[1]), 0);
    assert_ptr_equal(get(&map, 5), items[1]);
    assert_int_equal(pawl_map_del_object(&map, hash, items[0]), -ENOENT);
    assert_int_equal(pawl_map_del_object(&map, hash, items[1]), 0);
    assert_null(get(&map, 5));
    assert_int_equal(pawl_map_size(&map), 0);
    for (int i = 0; i < 3; i++)
        free(items[i]);
    close_map(&map);
}

static void a_batch_answers_as_single_gets_do(void **state)
{
    uint64_t numbers[100], hashes[100];
    const void *keys[100];
    void *objects[100];
    struct pawl_map map;

    (void)state;
    open_map(&map, NULL);
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(insert_at(&map, i * 3, i < 500 ? hash_of(&map, i * 3) : 77),
                         0); /* long chains too */
    for (size_t n = 0; n <= 100; n++) {
        size_t found = 0;

        for (size_t i = 0; i < n; i++) {
            numbers[i] = (n * 31 + i * 7) % 3000;
            hashes[i] = numbers[i] < 1500 ? hash_of(&map, numbers[i]) : 77;
            keys[i] = &numbers[i];
            objects[i] = &map;
        }
        pawl_rcu_read_lock();
        found = pawl_map_get_n(&map, n, hashes, keys, objects);
        for (size_t i = 0; i < n; i++) {
            assert_ptr_equal(objects[i], pawl_map_get(&map, hashes[i], keys[i]));
            assert_int_equal(objects[i] != NULL, numbers[i] % 3 == 0);
            found -= objects[i] != NULL;
        }
        pawl_rcu_read_unlock();
        assert_int_equal(found, 0);
    }
    close_map(&map);
}

/* ---- hard keys ---- */

static void keys_with_the_same_hash_are_told_apart(void **state)
{
    struct ration ration = {0};
    struct pawl_map_counts stats;
    struct pawl_map map;
    uint64_t random = 88172645463325252u;

    (void)state;
    open_map(&map, &ration);
    for (uint64_t i = 0; i < SAME; i++)
        assert_int_equal(insert_at(&map, i, 0), 0);
    for (uint64_t i = 0; i < SAME; i++)
        assert_int_equal(insert_at(&map, i, 0), -EEXIST);
    settle(&map);
    pawl_map_stats(&map, &stats);
    assert_in_range(stats.links, SAME / 7, SAME / 6 + 1);
    for (uint64_t i = 0; i < 5 * SAME; i++) { /* holes anywhere in the chain, and filled again */
        uint64_t number = map_random(&random) % SAME;

        if (get_at(&map, number, 0) != NULL)
            assert_true(del_at(&map, number, 0));
        else
            assert_int_equal(insert_at(&map, number, 0), 0);
    }
    for (uint64_t i = 0; i < SAME; i++)
        if (get_at(&map, i, 0) != NULL)
            assert_true(del_at(&map, i, 0));
    pawl_map_stats(&map, &stats);
    assert_int_equal(stats.links, 0); /* each went when it was empty */
    close_map(&map);
    assert_int_equal(pawl_load_relaxed(&ration.bytes), 0);
}

static void sequential_keys_spread(void **state)
{
    struct pawl_map_counts stats;
    struct pawl_map map;

    (void)state;
    open_map(&map, NULL);
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(insert(&map, i << 32), 0);
    settle(&map);
    pawl_map_stats(&map, &stats);
    assert_in_range(stats.buckets, MANY / 5 / 2, MANY / 5 * 2);
    assert_in_range(stats.longest, 0, 3);
    close_map(&map);
}

/* Keys that all fall into one bucket of a map are strewn over another one, whose seed nobody knew. */
static void keys_collected_for_one_seed_do_no_harm_under_another(void **state)
{
    struct pawl_map_counts stats;
    struct pawl_map known, map;
    int collected = 0;

    (void)state;
    open_map(&known, NULL);
    open_map(&map, NULL);
    for (uint64_t i = 0; collected < 500; i++) {
        if (hash_of(&known, i) >> 54 != 0)
            continue;
        assert_int_equal(insert(&known, i), 0);
        assert_int_equal(insert(&map, i), 0);
        collected++;
    }
    pawl_map_stats(&known, &stats);
    assert_in_range(stats.longest, 20, 100);
    settle(&map);
    pawl_map_stats(&map, &stats);
    assert_in_range(stats.longest, 0, 4);
    close_map(&known);
    close_map(&map);
}

/* ---- walks ---- */

struct tally {
    struct pawl_map *map;
    unsigned char *seen; /* how often, by number */
    uint64_t stays;      /* numbers below */
};

static void count_visit(void *object, void *argument)
{
    struct item *item = object;
    struct tally *tally = argument;

    assert_int_equal(item->state, IN_USE);
    if (item->number < tally->stays)
        tally->seen[item->number]++;
}

/* A walk in steps of one bucket, and between two of them as much insertion, and then deletion, as there is. */
static void each_key_that_stays_is_visited_once_whatever_the_map_does(void **state)
{
    enum { STAYS = 500, OTHERS = 12000 };
    unsigned char seen[STAYS] = {0};
    struct pawl_map_cursor cursor = {0};
    struct tally tally = {.seen = seen, .stays = STAYS};
    struct pawl_map_counts stats;
    struct pawl_map map;
    uint64_t next = STAYS, first = STAYS;
    size_t most = 0, steps = 0;
    bool more;

    (void)state;
    open_map(&map, NULL);
    tally.map = &map;
    for (uint64_t i = 0; i < STAYS; i++)
        assert_int_equal(insert(&map, i), 0);
    do {
        pawl_rcu_read_lock();
        more = pawl_map_walk(&map, &cursor, 1, count_visit, &tally);
        pawl_rcu_read_unlock();
        steps++;
        for (int i = 0; i < 60 && next < OTHERS; i++)
            assert_int_equal(insert(&map, next++), 0);
        for (int i = 0; i < 60 && next == OTHERS && first < OTHERS; i++)
            assert_true(del(&map, first++));
        pawl_map_stats(&map, &stats);
        most = stats.buckets > most ? stats.buckets : most;
    } while (more);
    assert_int_equal(first, OTHERS); /* all of it was during the walk */
    assert_in_range(most, 2048, 8192);
    assert_in_range(stats.buckets, 64, 1024);
    assert_in_range(steps, 200, 8192);
    for (int i = 0; i < STAYS; i++)
        assert_int_equal(seen[i], 1);
    close_map(&map);
}

static void a_walk_of_an_empty_map_ends(void **state)
{
    struct pawl_map_cursor cursor = {0};
    struct pawl_map map;

    (void)state;
    open_map(&map, NULL);
    assert_true(pawl_map_walk(&map, &cursor, 7, count_visit, NULL));
    assert_false(pawl_map_walk(&map, &cursor, 1, count_visit, NULL));
    assert_false(pawl_map_walk(&map, &cursor, 1, count_visit, NULL));
    close_map(&map);
}

/* ---- a domain of one's own ---- */

static void a_domain_of_its_own_is_used(void **state)
{
    struct pawl_rcu *rcu = pawl_rcu_open();
    struct pawl_map_options options = {.equal = item_equal, .hash_of = item_hash, .rcu = rcu};
    struct pawl_map map;

    (void)state;
    assert_non_null(rcu);
    assert_int_equal(pawl_map_init(&map, &options), 0);
    pawl_rcu_read_lock(); /* of the default domain: would hang destroy, if it were that one */
    for (uint64_t i = 0; i < 2000; i++)
        assert_int_equal(insert(&map, i), 0);
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t key = i;
        struct item *item = pawl_map_del(&map, hash_of(&map, i), &key);

        assert_non_null(item);
        free(item);
    }
    pawl_map_destroy(&map);
    pawl_rcu_read_unlock();
    pawl_rcu_close(rcu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_inserted_is_found_and_nothing_else),
        cmocka_unit_test(a_key_is_in_the_map_once),
        cmocka_unit_test(put_hands_out_the_one_it_took_the_place_of),
        cmocka_unit_test(replace_puts_nothing_where_nothing_was),
        cmocka_unit_test(an_object_is_replaced_or_deleted_only_if_it_is_that_one),
        cmocka_unit_test(a_batch_answers_as_single_gets_do),
        cmocka_unit_test(keys_with_the_same_hash_are_told_apart),
        cmocka_unit_test(sequential_keys_spread),
        cmocka_unit_test(keys_collected_for_one_seed_do_no_harm_under_another),
        cmocka_unit_test(each_key_that_stays_is_visited_once_whatever_the_map_does),
        cmocka_unit_test(a_walk_of_an_empty_map_ends),
        cmocka_unit_test(a_domain_of_its_own_is_used),
    };
    int failed = cmocka_run_group_tests_name("map", tests, NULL, NULL);

    failed += run_map_limits();
    return failed + run_hash();
}
