/* SPDX-License-Identifier: MIT */
/* The map, one promise after the other, mostly by one thread. */
#include "map_test.h"

#include <pawl/clock.h>

#include <time.h>

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

/* ---- sizes ---- */

static void it_grows_and_shrinks_and_gives_the_memory_back(void **state)
{
    const char *longer = getenv("PAWL_TEST_LONG");
    uint64_t n = longer != NULL && longer[0] == '1' ? 50000000 : PAWL_INSTRUMENTED ? 20000 : 300000;
    struct ration ration = {0};
    struct pawl_map_counts stats;
    struct pawl_map map;
    long empty;

    (void)state;
    open_map(&map, &ration);
    empty = pawl_load_relaxed(&ration.bytes);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(insert(&map, i), 0);
    settle(&map);
    pawl_map_stats(&map, &stats);
    assert_int_equal(stats.entries, n);
    assert_false(stats.resizing);
    assert_in_range(stats.bytes, n * 12, n * 32);
    assert_int_equal(stats.failures, 0);
    for (uint64_t i = 0; i < n; i += 7)
        assert_non_null(get(&map, i));
    for (uint64_t i = 0; i < n; i++)
        assert_true(del(&map, i));
    settle(&map);
    pawl_rcu_barrier();
    pawl_map_stats(&map, &stats);
    assert_int_equal(stats.entries, 0);
    assert_int_equal(stats.links, 0);
    assert_in_range(stats.buckets, 8, 64); /* who looks is one of 16: the last steps may be left out */
    assert_in_range(pawl_load_relaxed(&ration.bytes), empty, empty + 64 * 64);
    close_map(&map);
    assert_int_equal(pawl_load_relaxed(&ration.bytes), 0);
    assert_int_equal(pawl_load_relaxed(&ration.blocks), 0);
}

static void room_that_was_asked_for_is_kept(void **state)
{
    struct pawl_map_options options = {.equal = item_equal, .hash_of = item_hash, .entries = 10000};
    struct pawl_map_counts stats;
    struct pawl_map map;

    (void)state;
    assert_int_equal(pawl_map_init(&map, &options), 0);
    for (uint64_t i = 0; i < 10000; i++)
        assert_int_equal(insert(&map, i), 0);
    for (uint64_t i = 0; i < 10000; i++)
        assert_true(del(&map, i));
    pawl_map_stats(&map, &stats);
    assert_int_equal(stats.resizes, 0);
    assert_int_equal(stats.buckets, 2048);
    close_map(&map);
}

static void bad_options_are_refused(void **state)
{
    struct pawl_map_options options = {.equal = item_equal, .hash_of = item_hash};
    struct ration ration = {0};
    struct pawl_map_memory memory = ration_memory(&ration);
    struct pawl_map map;

    (void)state;
    options.hash_of = NULL;
    assert_int_equal(pawl_map_init(&map, &options), -EINVAL);
    options.hash_of = item_hash;
    options.equal = NULL;
    assert_int_equal(pawl_map_init(&map, &options), -EINVAL);
    options.equal = item_equal;
    options.entries = SIZE_MAX;
    assert_int_equal(pawl_map_init(&map, &options), -EINVAL);
    options.entries = 0;
    options.memory = &memory;
    memory.release = NULL;
    assert_int_equal(pawl_map_init(&map, &options), -EINVAL);
    memory.release = ration_release;
    pawl_store_relaxed(&ration.left, 0);
    assert_int_equal(pawl_map_init(&map, &options), -ENOMEM);
    assert_int_equal(pawl_load_relaxed(&ration.blocks), 0);
}

static void insert_odd(void *map)
{
    uint64_t key = 1;
    int status = pawl_map_insert(map, 0, &key, (char *)map + 1, NULL);

    (void)status;
}

static void an_odd_object_aborts(void **state)
{
    struct pawl_map map;

    (void)state;
    open_map(&map, NULL);
    expect_abort(insert_odd, &map, "pawl_map_insert");
    close_map(&map);
}

/* ---- no memory ---- */

/* Whatever allocation fails, for as long as it does: what was inserted is there, what was refused is not. */
static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    for (long left = 0; left < 60; left++) {
        struct ration ration = {0};
        struct pawl_map_counts stats;
        bool present[3000] = {false};
        size_t refused = 0, in = 0;
        struct pawl_map map;

        open_map(&map, &ration);
        pawl_store_relaxed(&ration.left, left);
        for (uint64_t i = 0; i < sizeof present; i++) {
            present[i] = insert(&map, i) == 0;
            refused += !present[i];
            in += (size_t)present[i];
            if (i % 5 == 0 && present[i / 2]) {
                assert_true(del(&map, i / 2));
                present[i / 2] = false;
                in--;
            }
        }
        assert_true(refused > 0 || left >= 20); /* more may be enough, as chance has it */
        pawl_map_stats(&map, &stats);
        assert_int_equal(stats.entries, in);
        for (uint64_t i = 0; i < sizeof present; i++)
            assert_int_equal(get(&map, i) != NULL, present[i]);
        pawl_store_relaxed(&ration.left, -1); /* better times */
        for (uint64_t i = 0; i < sizeof present; i++)
            if (!present[i])
                assert_int_equal(insert(&map, i), 0);
        settle(&map);
        pawl_map_stats(&map, &stats);
        assert_in_range(stats.buckets, sizeof present / 5, sizeof present);
        for (uint64_t i = 0; i < sizeof present; i++)
            assert_non_null(get(&map, i));
        close_map(&map);
        assert_int_equal(pawl_load_relaxed(&ration.bytes), 0);
    }
}

/* A unit that cannot be moved for want of an overflow bucket is moved later. */
static void a_resize_that_ran_out_of_memory_ends_when_there_is_some(void **state)
{
    struct ration ration = {0};
    struct pawl_map_counts stats;
    uint64_t same = UINT64_C(1) << 39; /* stays one chain in tables of up to 2^24 buckets */
    struct pawl_map map;

    (void)state;
    open_map(&map, &ration);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(insert_at(&map, i, same), 0); /* grows, to a place where the chain is long */
    settle(&map);
    pawl_map_stats(&map, &stats);
    assert_in_range(stats.longest, 14, 16);
    for (uint64_t i = 100; !stats.resizing; i++) {
        assert_int_equal(insert(&map, i), 0);
        pawl_map_stats(&map, &stats);
    }
    pawl_store_relaxed(&ration.left, 3);
    for (int i = 0; i < 1000; i++)
        assert_true(pawl_map_help(&map, 8)); /* all but one unit move */
    pawl_map_stats(&map, &stats);
    assert_in_range(stats.failures, 1, UINT64_MAX);
    for (uint64_t i = 0; i < 100; i++)
        assert_non_null(get_at(&map, i, same));
    for (uint64_t i = 0; i < 100; i += 2)
        assert_true(del_at(&map, i, same));
    pawl_store_relaxed(&ration.left, -1);
    settle(&map);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(get_at(&map, i, same) != NULL, i % 2);
    close_map(&map);
    assert_int_equal(pawl_load_relaxed(&ration.bytes), 0);
}

static void a_map_is_closed_in_the_middle_of_a_resize(void **state)
{
    struct pawl_map_counts stats = {0};
    struct ration ration = {0};
    struct pawl_map map;

    (void)state;
    open_map(&map, &ration);
    for (uint64_t i = 0; !stats.resizing || stats.buckets < 1024; i++) {
        assert_int_equal(insert(&map, i), 0);
        pawl_map_stats(&map, &stats);
    }
    for (uint64_t i = 1000000; i < 1000010; i++)
        assert_int_equal(insert(&map, i), 0);
    pawl_map_stats(&map, &stats);
    assert_true(stats.resizing);
    close_map(&map);
    assert_int_equal(pawl_load_relaxed(&ration.bytes), 0);
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

/* ---- others that are stopped ---- */

static void a_reader_that_stays_delays_nobody_and_keeps_what_it_has(void **state)
{
    struct pawl_map map;
    struct item *held;
    uint64_t n = PAWL_INSTRUMENTED ? 3000 : 30000;

    (void)state;
    open_map(&map, NULL);
    assert_int_equal(insert(&map, 1), 0);
    pawl_rcu_read_lock();
    held = get(&map, 1);
    for (int turn = 0; turn < 2; turn++) { /* all done by this thread: it waits for nothing */
        for (uint64_t i = 2; i < n; i++)
            assert_int_equal(insert(&map, i), 0);
        if (turn == 0)
            assert_true(del(&map, 1));
        for (uint64_t i = 2; i < n; i++)
            assert_true(del(&map, i));
    }
    assert_int_equal(held->state, IN_USE);
    pawl_rcu_read_unlock();
    close_map(&map);
}

/* A reader that is stopped: 0.1 s, or a minute. It has what it had, and finds what stays, through each table that has been
 * replaced meanwhile. */
static PAWL_ATOMIC(int) stopped;

static void *stay_inside(void *argument)
{
    struct pawl_map *map = argument;
    const struct item *held;
    bool fine;

    pawl_rcu_read_lock();
    held = get(map, 1);
    pawl_store_release(&stopped, 1); /* pairs with the load in the test: the section has begun */
    while (pawl_load_acquire(&stopped) == 1)
        sched_yield();
    fine = held->state == IN_USE && get(map, 1) == NULL && get(map, 2) != NULL;
    pawl_rcu_read_unlock();
    return fine ? NULL : argument;
}

static void writers_go_on_for_a_minute_beside_a_reader_that_is_stopped(void **state)
{
    const char *longer = getenv("PAWL_TEST_LONG");
    bool minute = longer != NULL && longer[0] == '1';
    const struct timespec pause = {0, minute ? 100000000 : 10000000}; /* what was deleted waits in memory */
    uint64_t n = PAWL_INSTRUMENTED ? 1000 : 5000;
    struct pawl_map_counts before, after;
    struct pawl_map map;
    pthread_t reader;
    void *wrong;
    uint64_t end;

    (void)state;
    open_map(&map, NULL);
    assert_int_equal(insert(&map, 1), 0);
    assert_int_equal(insert(&map, 2), 0);
    pawl_store_relaxed(&stopped, 0); /* relaxed: the thread is not there yet */
    assert_int_equal(pthread_create(&reader, NULL, stay_inside, &map), 0);
    while (pawl_load_acquire(&stopped) == 0)
        sched_yield();
    assert_true(del(&map, 1));
    pawl_map_stats(&map, &before);
    end = pawl_clock_ns() + (minute ? UINT64_C(60000000000) : UINT64_C(100000000));
    for (int turn = 0; turn < 5 || pawl_clock_ns() < end; turn++) {
        pawl_rcu_read_lock(); /* else pawl_rcu_call(), which frees the objects, would wait for the reader */
        for (uint64_t i = 3; i < n; i++)
            assert_int_equal(insert(&map, i), 0);
        for (uint64_t i = 3; i < n; i++)
            assert_true(del(&map, i));
        pawl_rcu_read_unlock();
        (void)nanosleep(&pause, NULL);
    }
    pawl_map_stats(&map, &after);
    assert_true(after.resizes >= before.resizes + 2); /* it grew and shrank, and nobody waited */
    pawl_store_release(&stopped, 2);
    assert_int_equal(pthread_join(reader, &wrong), 0);
    assert_null(wrong);
    close_map(&map);
}

struct holder {
    struct pawl_map *map;
    PAWL_ATOMIC(int) inside, go;
};

static struct holder *holding;

/* Stops who compares with number 0, in the middle of an operation. */
static bool equal_stops(const void *object, const void *key)
{
    if (*(const uint64_t *)key == 0 && holding != NULL) {
        pawl_store_release(&holding->inside, 1);
        while (pawl_load_acquire(&holding->go) == 0)
            sched_yield();
    }
    return item_equal(object, key);
}

static void *delete_zero(void *argument)
{
    assert_true(del_at(argument, 0, 0));
    return NULL;
}

static void a_writer_that_is_stopped_stops_only_those_of_its_bucket(void **state)
{
    struct pawl_map_options options = {.equal = equal_stops, .hash_of = item_hash};
    struct pawl_map_counts stats;
    struct holder holder = {0};
    struct pawl_map map;
    pthread_t thread;
    uint64_t n = 1;

    (void)state;
    assert_int_equal(pawl_map_init(&map, &options), 0);
    assert_int_equal(insert_at(&map, 0, 0), 0);
    holding = &holder;
    thread = start(delete_zero, &map);
    while (pawl_load_acquire(&holder.inside) == 0)
        sched_yield();
    pawl_map_stats(&map, &stats);
    for (; !stats.resizing; n++) { /* others go on, not in bucket 0 of any table */
        assert_int_equal(insert_at(&map, n, hash_of(&map, n) | UINT64_C(1) << 63), 0);
        pawl_map_stats(&map, &stats);
    }
    for (int i = 0; i < 100; i++)
        assert_true(pawl_map_help(&map, 100)); /* all but one */
    for (uint64_t i = 1; i < n; i++)
        assert_non_null(get_at(&map, i, hash_of(&map, i) | UINT64_C(1) << 63));
    pawl_store_release(&holder.go, 1);
    join(thread);
    holding = NULL;
    settle(&map);
    close_map(&map);
}

static void use_in_child(void *argument)
{
    struct pawl_map *map = argument;

    for (uint64_t i = 0; i < 3000; i++)
        if (get(map, i) == NULL)
            _exit(1);
    for (uint64_t i = 3000; i < 9000; i++)
        if (insert(map, i) != 0)
            _exit(2);
    for (uint64_t i = 0; i < 9000; i++)
        if (!del(map, i))
            _exit(3);
    pawl_rcu_barrier();
}

static void a_forked_child_has_the_map(void **state)
{
    struct pawl_map map;

    (void)state;
    if (PAWL_INSTRUMENTED)
        skip(); /* ThreadSanitizer ends a child of threads that starts one, here the worker of callbacks */
    open_map(&map, NULL);
    for (uint64_t i = 0; i < 3000; i++)
        assert_int_equal(insert(&map, i), 0);
    assert_int_equal(status_of_child(use_in_child, &map), 0);
    assert_int_equal(pawl_map_size(&map), 3000);
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

/* ---- the hash ---- */

/* Python 3.11 with PYTHONHASHSEED=0 says the same of these; the first stands in Rust's tests of SipHash-1-3. */
static void the_safe_hash_is_siphash_1_3(void **state)
{
    static const char text[] = "abcdefghijklmnopqrstuvwxyz";
    static const struct {
        size_t length;
        uint64_t hash;
    } known[] = {{1, UINT64_C(4644417185603328019)},
                 {6, UINT64_C(7070790388344807208)},
                 {11, UINT64_C(1450545860578130900)},
                 {16, (uint64_t)-INT64_C(7712962755478248686)},
                 {26, UINT64_C(3619993805786647007)}};
    struct pawl_hash_seed zero = {{0}};
    struct pawl_hash_seed counted = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908), 0, 0}};

    (void)state;
    assert_int_equal(pawl_hash_bytes_safe("", 0, &counted), UINT64_C(0xabac0158050fc4dc));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(pawl_hash_bytes_safe(text, known[i].length, &zero), known[i].hash);
}

/* Each bit of each length of key changes about half of the result, and no two prefixes are the same. */
static void the_fast_hash_sees_every_bit_and_the_length(void **state)
{
    uint64_t hashes[100];
    struct pawl_hash_seed seed;

    (void)state;
    assert_int_equal(pawl_hash_seed_init(&seed), 0);
    for (size_t length = 0; length < 100; length++) {
        unsigned char *key = calloc(1, length); /* just as long: who reads behind it is found out by ASan */
        unsigned int flips = 0;

        assert_true(key != NULL || length == 0);
        hashes[length] = pawl_hash_bytes(key, length, &seed);
        for (size_t i = 0; i < length; i++)
            assert_int_not_equal(hashes[length], hashes[i]);
        for (size_t bit = 0; bit < 8 * length; bit++) {
            uint64_t differs;

            key[bit / 8] ^= (unsigned char)(1u << bit % 8);
            differs = pawl_hash_bytes(key, length, &seed) ^ hashes[length];
            key[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_in_range(__builtin_popcountll(differs), 8, 56);
            flips += (unsigned int)__builtin_popcountll(differs);
        }
        if (length > 3)
            assert_in_range(flips / (8 * length), 29, 35);
        free(key);
    }
}

static void seeds_differ(void **state)
{
    struct pawl_hash_seed a, b;

    (void)state;
    assert_int_equal(pawl_hash_seed_init(&a), 0);
    assert_int_equal(pawl_hash_seed_init(&b), 0);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_int_not_equal(pawl_hash_bytes("key", 3, &a), pawl_hash_bytes("key", 3, &b));
    assert_int_not_equal(pawl_hash_bytes_safe("key", 3, &a), pawl_hash_bytes_safe("key", 3, &b));
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
        cmocka_unit_test(it_grows_and_shrinks_and_gives_the_memory_back),
        cmocka_unit_test(room_that_was_asked_for_is_kept),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(an_odd_object_aborts),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(a_resize_that_ran_out_of_memory_ends_when_there_is_some),
        cmocka_unit_test(a_map_is_closed_in_the_middle_of_a_resize),
        cmocka_unit_test(each_key_that_stays_is_visited_once_whatever_the_map_does),
        cmocka_unit_test(a_walk_of_an_empty_map_ends),
        cmocka_unit_test(a_reader_that_stays_delays_nobody_and_keeps_what_it_has),
        cmocka_unit_test(writers_go_on_for_a_minute_beside_a_reader_that_is_stopped),
        cmocka_unit_test(a_writer_that_is_stopped_stops_only_those_of_its_bucket),
        cmocka_unit_test(a_forked_child_has_the_map),
        cmocka_unit_test(a_domain_of_its_own_is_used),
        cmocka_unit_test(the_safe_hash_is_siphash_1_3),
        cmocka_unit_test(the_fast_hash_sees_every_bit_and_the_length),
        cmocka_unit_test(seeds_differ),
    };

    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
