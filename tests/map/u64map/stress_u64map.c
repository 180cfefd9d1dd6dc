/* SPDX-License-Identifier: MIT */
/* The map of words, many threads: nothing lost, nothing twice, what stays is found and walked once,
 * linearizable, while the table is replaced all the time. */
#include "../../sync/sync_test.h"

#include "../../../src/core/map/u64map.h"

#include <errno.h>

#if WITH_LIN /* the checker's library is not built with every sanitizer */
#include <pawl/lin.h>
#endif

enum { THREADS = 4, STAY = 1000, KEYS = 20000 };

static struct pawl_u64map map;
static PAWL_ATOMIC(bool) stop;
static uint64_t first_seed = UINT64_C(88172645463325252);

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* What a thread returns that has found something wrong. */
static void *failed(const char *what)
{
    printf("# %s\n", what);
    return (void *)1;
}

struct worker {
    int number;
    uint64_t random, sum, done;
};

static void run_workers(void *(*run)(void *), struct worker *worker)
{
    pthread_t thread[THREADS];

    for (int i = 0; i < THREADS; i++) {
        worker[i] = (struct worker){.number = i, .random = first_seed + (uint64_t)i * 7919};
        thread[i] = start(run, &worker[i]);
    }
    for (int i = 0; i < THREADS; i++)
        assert_null(join(thread[i]));
}

/* Gives the table a successor whenever it has none, now larger, now smaller, and now and then moves a
 * block. */
static void *replace_tables(void *unused)
{
    uint64_t random = first_seed;

    (void)unused;
    while (!pawl_load_relaxed(&stop)) {
        struct pawl_u64map_table *table;

        pawl_rcu_read_lock();
        table = pawl_rcu_dereference(&map.table);
        if (successor(table) == NULL)
            (void)pawl_u64map_succeed_(table, 8 * (8 + next_random(&random) % 56)); /* 64 to 504 lines */
        else
            (void)pawl_u64map_help_(&map, table);
        pawl_rcu_read_unlock();
        sched_yield();
    }
    return NULL;
}

/* ---- conservation ---- */

static void *add(void *argument)
{
    struct worker *me = argument;

    for (int i = 0; i < rounds(60000); i++) {
        uint64_t random = next_random(&me->random), old = 0;
        uint64_t key = random % 64;

        if (random >> 32 & 7) {
            if (pawl_u64map_add(&map, key, 1 + (random >> 40 & 3), NULL) < 0)
                return failed("no memory");
            me->sum += 1 + (random >> 40 & 3);
        } else if (pawl_u64map_del(&map, key, &old) == 0) {
            me->sum -= old;
        }
    }
    return NULL;
}

static void what_is_added_is_there_or_was_deleted(void **state)
{
    struct worker worker[THREADS];
    uint64_t sum = 0, there = 0, value;
    pthread_t replacer;

    (void)state;
    assert_int_equal(pawl_u64map_init(&map, 0), 0);
    pawl_store_relaxed(&stop, false);
    replacer = start(replace_tables, NULL);
    run_workers(add, worker);
    pawl_store_relaxed(&stop, true);
    assert_null(join(replacer));
    for (int i = 0; i < THREADS; i++)
        sum += worker[i].sum;
    for (uint64_t key = 0; key < 64; key++)
        there += pawl_u64map_get(&map, key, &value) == 0 ? value : 0;
    assert_int_equal(sum, there);
    pawl_u64map_destroy(&map);
}

static void *insert_and_delete_all(void *argument)
{
    struct worker *me = argument;
    uint64_t at = next_random(&me->random);
    int keys = PAWL_INSTRUMENTED ? KEYS / 10 : KEYS;

    for (int i = 0; i < keys; i++) {
        int status = pawl_u64map_insert(&map, (at + (uint64_t)i * 7) % (uint64_t)keys, 1, NULL);

        if (status != 0 && status != -EEXIST)
            return failed("insert");
        me->done += status == 0;
    }
    for (int i = 0; i < keys; i++)
        me->sum += pawl_u64map_del(&map, (at + (uint64_t)i * 11) % (uint64_t)keys, NULL) == 0;
    return NULL;
}

static void each_key_is_inserted_as_often_as_deleted(void **state)
{
    (void)state;
    for (int round = 0; round < rounds(10); round++) {
        struct worker worker[THREADS];
        uint64_t inserted = 0, deleted = 0;

        first_seed++;
        assert_int_equal(pawl_u64map_init(&map, 0), 0);
        run_workers(insert_and_delete_all, worker);
        for (int i = 0; i < THREADS; i++) {
            inserted += worker[i].done;
            deleted += worker[i].sum;
        }
        assert_int_equal(inserted - deleted, pawl_u64map_size(&map));
        assert_true(inserted >= (uint64_t)(PAWL_INSTRUMENTED ? KEYS / 10 : KEYS));
        pawl_u64map_destroy(&map);
    }
}

/* ---- what stays ---- */

static uint64_t value_for(uint64_t key)
{
    return key * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static void *look(void *argument)
{
    struct worker *me = argument;

    while (!pawl_load_relaxed(&stop)) {
        uint64_t keys[20], values[20], value;
        bool found[20];

        for (int i = 0; i < 20; i++)
            keys[i] = next_random(&me->random) % (2 * STAY); /* the others are not there */
        (void)pawl_u64map_get_n(&map, keys, values, found, 20);
        for (int i = 0; i < 20; i++) {
            if (found[i] != (keys[i] < STAY) || (found[i] && values[i] != value_for(keys[i])))
                return failed("a batch");
        }
        if (pawl_u64map_get(&map, keys[0], &value) != (keys[0] < STAY ? 0 : -ENOENT))
            return failed("a get");
        /* what comes and goes has its own value all the time */
        if (pawl_u64map_get(&map, 1000000 + keys[1], &value) == 0 && value != value_for(1000000 + keys[1]))
            return failed("another's value");
    }
    return NULL;
}

static void *walk_all(void *unused)
{
    static unsigned char seen[STAY];

    (void)unused;
    while (!pawl_load_relaxed(&stop)) {
        struct pawl_u64map_cursor cursor = {0, false};
        struct pawl_u64map_entry entry[33];
        size_t n;

        memset(seen, 0, sizeof seen);
        while ((n = pawl_u64map_next(&map, &cursor, entry, 33)) > 0) {
            for (size_t i = 0; i < n; i++) {
                if (entry[i].value != value_for(entry[i].key))
                    return failed("a walk: another's value");
                if (entry[i].key < STAY)
                    seen[entry[i].key]++;
            }
        }
        for (int i = 0; i < STAY; i++) {
            if (seen[i] != 1)
                return failed("a walk: not once");
        }
    }
    return NULL;
}

static void *come_and_go(void *argument)
{
    struct worker *me = argument;

    for (int round = 0; round < rounds(10); round++) {
        for (uint64_t i = 0; i < (PAWL_INSTRUMENTED ? 500 : 5000); i++) { /* it grows, it shrinks */
            uint64_t key = 1000000 + (uint64_t)me->number * 100000 + i;

            if (pawl_u64map_put(&map, key, value_for(key), NULL) != 0)
                return failed("put");
        }
        for (uint64_t i = 0; i < (PAWL_INSTRUMENTED ? 500 : 5000); i++) {
            if (pawl_u64map_del(&map, 1000000 + (uint64_t)me->number * 100000 + i, NULL) != 0)
                return failed("del");
        }
    }
    return NULL;
}

static void what_stays_is_found_and_walked_once_while_others_come_and_go(void **state)
{
    struct worker worker[THREADS], reader = {.random = first_seed * 3};
    pthread_t looker, walker;

    (void)state;
    assert_int_equal(pawl_u64map_init(&map, 0), 0);
    for (uint64_t i = 0; i < STAY; i++)
        assert_int_equal(pawl_u64map_put(&map, i, value_for(i), NULL), 0);
    pawl_store_relaxed(&stop, false);
    looker = start(look, &reader);
    walker = start(walk_all, NULL);
    run_workers(come_and_go, worker);
    pawl_store_relaxed(&stop, true);
    assert_null(join(looker));
    assert_null(join(walker));
    assert_int_equal(pawl_u64map_size(&map), STAY);
    pawl_u64map_destroy(&map);
}

/* ---- a reader that is stopped ---- */

static PAWL_ATOMIC(int) inside;

static void *stay_inside(void *unused)
{
    const struct pawl_u64map_table *table;
    uint64_t value = 0;
    int status;

    (void)unused;
    pawl_rcu_read_lock();
    table = pawl_rcu_dereference(&map.table);
    pawl_store_release(&inside, 1); /* with the load below: it has the table of the begin */
    while (pawl_load_acquire(&inside) == 1)
        sched_yield();
    status = get_from(table, pawl_u64map_hash_(&map, 5), &value); /* through all that replaced it */
    pawl_rcu_read_unlock();
    return (void *)(intptr_t)(status != 0 || value != value_for(5));
}

static void writers_go_on_beside_a_stopped_reader_who_finds_the_way(void **state)
{
    struct worker worker[THREADS];
    pthread_t reader;

    (void)state;
    assert_int_equal(pawl_u64map_init(&map, 0), 0);
    assert_int_equal(pawl_u64map_put(&map, 5, value_for(5), NULL), 0);
    pawl_store_relaxed(&inside, 0);
    reader = start(stay_inside, NULL);
    while (pawl_load_acquire(&inside) == 0)
        sched_yield();
    run_workers(come_and_go, worker);
    pawl_store_release(&inside, 2);
    assert_null(join(reader));
    assert_int_equal(pawl_u64map_size(&map), 1);
    pawl_u64map_destroy(&map);
}

/* ---- no memory, now and then ---- */

static PAWL_ATOMIC(uint64_t) asked;

static bool refuse_most(size_t bytes)
{
    (void)bytes;
    return pawl_fetch_add_relaxed(&asked, 1) % 4 != 0; /* relaxed: a number of its own */
}

static void *insert_in_need(void *argument)
{
    struct worker *me = argument;

    for (uint64_t i = 0; i < (PAWL_INSTRUMENTED ? 1000 : 10000); i++) {
        uint64_t key = (uint64_t)me->number << 32 | i;
        int status;

        do /* another turn: no memory */
            status = pawl_u64map_insert(&map, key, value_for(key), NULL);
        while (status == -ENOMEM);
        if (status != 0)
            return failed("insert");
        if (i % 2 == 1 && pawl_u64map_del(&map, key, NULL) == 0)
            me->done++;
    }
    return NULL;
}

static void nothing_is_lost_where_most_allocations_fail(void **state)
{
    struct worker worker[THREADS];
    uint64_t each = PAWL_INSTRUMENTED ? 1000 : 10000, left = THREADS * each, there = 0, value;

    (void)state;
    assert_int_equal(pawl_u64map_init(&map, 0), 0);
    pawl_u64map_refuse_ = refuse_most;
    run_workers(insert_in_need, worker);
    pawl_u64map_refuse_ = NULL;
    for (uint64_t t = 0; t < THREADS; t++) {
        left -= worker[t].done;
        for (uint64_t i = 0; i < each; i += 2) {
            assert_int_equal(pawl_u64map_get(&map, t << 32 | i, &value), 0);
            assert_int_equal(value, value_for(t << 32 | i));
        }
        for (uint64_t i = 1; i < each; i += 2)
            there += pawl_u64map_get(&map, t << 32 | i, &value) == 0;
    }
    assert_int_equal(there, left - THREADS * each / 2);
    assert_int_equal(pawl_u64map_size(&map), left);
    pawl_u64map_destroy(&map);
}

/* ---- 0 to millions and back, by all ---- */

static void *fill_and_empty(void *argument)
{
    struct worker *me = argument;
    uint64_t each = (uint64_t)rounds(2500000) / THREADS /
                    (rounds(1) > 1 ? 1 : 10); /* 250 K; long: 50 M in all */

    for (uint64_t i = 0; i < each; i++) {
        if (pawl_u64map_insert(&map, i * THREADS + (uint64_t)me->number, i, NULL) != 0)
            return failed("insert");
    }
    for (uint64_t i = 0; i < each; i++) {
        uint64_t old = 0;

        if (pawl_u64map_del(&map, i * THREADS + (uint64_t)me->number, &old) != 0 || old != i)
            return failed("del");
    }
    return NULL;
}

static void memory_comes_back_when_all_have_deleted_theirs(void **state)
{
    struct worker worker[THREADS];

    (void)state;
    assert_int_equal(pawl_u64map_init(&map, 0), 0);
    run_workers(fill_and_empty, worker);
    assert_int_equal(pawl_u64map_size(&map), 0);
    for (int i = 0; i < 2000; i++)
        (void)pawl_u64map_del(&map, 1, NULL);
    assert_in_range(pawl_u64map_bytes(&map), 4096, 65536);
    pawl_rcu_barrier();
    pawl_u64map_destroy(&map);
}

/* ---- linearizability ---- */

#if WITH_LIN
enum { LIN_THREADS = 3, EACH = 30, LIN_KEYS = 2 };
enum { PUT, INSERT, DEL, GET, ADD, KINDS };

static struct pawl_lin history;
static struct pawl_lin_operation operations[LIN_THREADS * EACH];

static void init_model(void *state)
{
    memset(state, 0, LIN_KEYS * sizeof(intptr_t));
}

/* A value of 0 is absent; an argument is the value, times the keys, and the key. */
static bool apply(void *state, const struct pawl_lin_operation *op)
{
    intptr_t *at = (intptr_t *)state + op->argument % LIN_KEYS;
    intptr_t number = op->argument / LIN_KEYS, was = *at;

    if (op->kind == PUT || (op->kind == INSERT && was == 0))
        *at = number;
    else if (op->kind == DEL)
        *at = 0;
    else if (op->kind == ADD)
        *at = was + number;
    return op->result == was;
}

static void *record(void *argument)
{
    struct worker *me = argument;

    for (int i = 0; i < EACH; i++) {
        uint64_t random = next_random(&me->random), key = random % LIN_KEYS, was = 0;
        uint64_t number = (uint64_t)me->number * 1000 + (uint64_t)i + 1;
        int kind = (int)(random >> 40) % KINDS;
        size_t op = pawl_lin_call(&history, kind, (intptr_t)(number * LIN_KEYS + key));

        if (kind == PUT)
            (void)pawl_u64map_put(&map, key, number, &was);
        else if (kind == INSERT)
            (void)pawl_u64map_insert(&map, key, number, &was);
        else if (kind == DEL)
            (void)pawl_u64map_del(&map, key, &was);
        else if (kind == GET)
            (void)pawl_u64map_get(&map, key, &was);
        else
            (void)pawl_u64map_add(&map, key, number, &was);
        pawl_lin_return(&history, op, (intptr_t)was);
    }
    return NULL;
}
#endif

static void histories_are_linearizable_while_tables_are_replaced(void **state)
{
    (void)state;
#if WITH_LIN
    static const struct pawl_lin_spec spec = {LIN_KEYS * sizeof(intptr_t), init_model, apply};
    pthread_t replacer;

    pawl_store_relaxed(&stop, false);
    assert_int_equal(pawl_u64map_init(&map, 0), 0);
    replacer = start(replace_tables, NULL);
    for (int round = 0; round < rounds(300); round++) {
        struct worker worker[LIN_THREADS];
        pthread_t thread[LIN_THREADS];

        for (uint64_t key = 0; key < LIN_KEYS; key++)
            (void)pawl_u64map_del(&map, key, NULL);
        pawl_lin_init(&history, operations, LIN_THREADS * EACH);
        for (int i = 0; i < LIN_THREADS; i++) {
            worker[i] = (struct worker){.number = i,
                                        .random = first_seed + (uint64_t)(round * LIN_THREADS + i)};
            thread[i] = start(record, &worker[i]);
        }
        for (int i = 0; i < LIN_THREADS; i++)
            assert_null(join(thread[i]));
        assert_int_equal(pawl_lin_check(&history, &spec, NULL, NULL), 0);
    }
    pawl_store_relaxed(&stop, true);
    assert_null(join(replacer));
    pawl_u64map_destroy(&map);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_there_or_was_deleted),
        cmocka_unit_test(each_key_is_inserted_as_often_as_deleted),
        cmocka_unit_test(what_stays_is_found_and_walked_once_while_others_come_and_go),
        cmocka_unit_test(writers_go_on_beside_a_stopped_reader_who_finds_the_way),
        cmocka_unit_test(nothing_is_lost_where_most_allocations_fail),
        cmocka_unit_test(memory_comes_back_when_all_have_deleted_theirs),
        cmocka_unit_test(histories_are_linearizable_while_tables_are_replaced),
    };
    const char *seed = getenv("PAWL_TEST_SEED");
    int failures;

    if (seed != NULL)
        first_seed = strtoull(seed, NULL, 0) | 1;
    else
        first_seed = monotonic_ns() | 1;
    printf("# PAWL_TEST_SEED=%llu\n", (unsigned long long)first_seed);
    expect_end_within(rounds(1) > 1 ? 3600 : 170);
    failures = cmocka_run_group_tests_name("u64map stress", tests, NULL, NULL);
    pawl_rcu_barrier(); /* tables that wait there are not lost */
    return failures;
}
