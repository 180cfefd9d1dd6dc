/* SPDX-License-Identifier: MIT */
/* The map at its limits: sizes, no memory, others that are stopped, forks. */
#include "map_test.h"

#include <pawl/clock.h>

#include <time.h>

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

/* Whether the mapping that an address is in has a flag of two letters; -1: the kernel does not say. */
static int has_flag(uintptr_t address, const char *flag)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    bool inside = false;
    char line[512];
    int has = -1;

    while (maps != NULL && has < 0 && fgets(line, sizeof line, maps) != NULL) {
        unsigned long begin, end;

        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            inside = begin <= address && address < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line, flag) != NULL;
    }
    if (maps != NULL)
        (void)fclose(maps);
    return has;
}

static void large_tables_ask_for_huge_pages(void **state)
{
    struct pawl_map_options options = {.equal = item_equal, .hash_of = item_hash, .entries = 200000};
    bool are_there = access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
    uintptr_t buckets;
    struct pawl_map map;

    (void)state;
    assert_int_equal(pawl_map_init(&map, &options), 0);
    buckets = (uintptr_t)pawl_load_relaxed(&map.table); /* relaxed, here and below: one thread */
    if (are_there) {
        assert_int_not_equal(has_flag(buckets, " hg"), 0);
        assert_int_not_equal(has_flag(buckets + 65536 * PAWL_CACHELINE, " nh"), 0); /* overflow */
    }
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(insert(&map, i), 0);
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(del(&map, i));
    close_map(&map);
    options.memory = &pawl_map_small_pages;
    assert_int_equal(pawl_map_init(&map, &options), 0);
    if (are_there)
        assert_int_not_equal(has_flag((uintptr_t)pawl_load_relaxed(&map.table), " nh"), 0);
    close_map(&map);
    options.entries = 0; /* the smallest tables have none */
    assert_int_equal(pawl_map_init(&map, &options), 0);
    assert_int_equal(insert(&map, 1), 0);
    assert_true(del(&map, 1));
    close_map(&map);
}

/* 0 under ThreadSanitizer, whose own memory grows too. */
static unsigned long pages_of_address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    return PAWL_INSTRUMENTED ? 0 : pages;
}

/* A table is no whole number of pages, and what was mapped to align it is given back all the same. */
static void huge_pages_leave_no_addresses_behind(void **state)
{
    const struct pawl_map_memory *memory = &pawl_map_small_pages;
    const size_t bytes = ((size_t)4 << 20) + PAWL_CACHELINE;
    unsigned long before = pages_of_address_space();

    (void)state;
    for (int i = 0; i < 64; i++) {
        void *table = memory->allocate(bytes, NULL); /* without its context: the default */

        assert_non_null(table);
        memory->release(table, bytes, NULL);
    }
    assert_in_range(pages_of_address_space(), 0, before + 256);
}

/* 5 in each of 2^18 buckets, and those that look whether it is time: the next table has 32 MiB. With 2^16, 8 MiB. */
enum { OUTGROWN = PAWL_INSTRUMENTED ? 16 : 18, ITEMS = (5 << OUTGROWN) + 10000 };

static void fill_and_outgrow(struct pawl_map *map, struct item *items)
{
    for (uint64_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.number = i, .hash = hash_of(map, i), .state = IN_USE};
        assert_int_equal(pawl_map_insert(map, items[i].hash, &i, &items[i], NULL), 0);
    }
}

/* RCU's worker touches the huge pages of a table before they are needed. Here it cannot, for a reader stays; all waits
 * for it no longer than it should, and the table is replaced before the worker comes. */
static void a_table_goes_before_its_pages_are_touched(void **state)
{
    struct item *items = calloc(ITEMS, sizeof *items);
    unsigned long before = pages_of_address_space();
    struct pawl_map_counts stats;
    struct pawl_map map;

    (void)state;
    assert_non_null(items);
    open_map(&map, NULL);
    pawl_rcu_read_lock();
    fill_and_outgrow(&map, items);
    settle(&map);
    pawl_rcu_read_unlock();
    pawl_map_stats(&map, &stats);
    assert_int_equal(stats.buckets, 2 << OUTGROWN);
    assert_in_range(stats.longest, 0, 4);
    for (uint64_t i = 0; i < ITEMS; i += 11)
        assert_ptr_equal(get(&map, i), &items[i]);
    pawl_map_destroy(&map);
    assert_in_range(pages_of_address_space(), 0, before + 4096); /* the worker's stack is new */
    free(items);
}

static void a_map_is_closed_while_pages_are_touched(void **state)
{
    struct item *items = calloc(ITEMS, sizeof *items);
    unsigned long before = pages_of_address_space();
    struct pawl_map map;

    (void)state;
    assert_non_null(items);
    open_map(&map, NULL);
    fill_and_outgrow(&map, items);
    pawl_map_destroy(&map); /* at once */
    assert_in_range(pages_of_address_space(), 0, before + 4096);
    free(items);
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

int run_map_limits(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_and_shrinks_and_gives_the_memory_back),
        cmocka_unit_test(room_that_was_asked_for_is_kept),
        cmocka_unit_test(large_tables_ask_for_huge_pages),
        cmocka_unit_test(huge_pages_leave_no_addresses_behind),
        cmocka_unit_test(a_table_goes_before_its_pages_are_touched),
        cmocka_unit_test(a_map_is_closed_while_pages_are_touched),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(an_odd_object_aborts),
        cmocka_unit_test(without_memory_nothing_is_lost),
        cmocka_unit_test(a_resize_that_ran_out_of_memory_ends_when_there_is_some),
        cmocka_unit_test(a_map_is_closed_in_the_middle_of_a_resize),
        cmocka_unit_test(a_reader_that_stays_delays_nobody_and_keeps_what_it_has),
        cmocka_unit_test(writers_go_on_for_a_minute_beside_a_reader_that_is_stopped),
        cmocka_unit_test(a_writer_that_is_stopped_stops_only_those_of_its_bucket),
        cmocka_unit_test(a_forked_child_has_the_map),
    };

    return cmocka_run_group_tests_name("map at its limits", tests, NULL, NULL);
}
