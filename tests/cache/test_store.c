/* SPDX-License-Identifier: MIT */
/* The store without a network: each operation, memory, expiry, eviction, many threads. */
#include "store_place.h"

#include "segment.h"

#include <errno.h>
#include <pawl/config.h>
#include <pawl/rcu.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t seed;

static enum cache_result change(const struct fixture *f, const char *key_text, const char *value,
                                struct cache_change c)
{
    const struct cache_key key = key_of(f, key_text);

    c.value = value;
    c.value_bytes = (uint32_t)strlen(value);
    return cache_store_item(f->session, &key, &c);
}

static enum cache_result set(const struct fixture *f, const char *key, const char *value)
{
    return change(f, key, value, (struct cache_change){.mode = CACHE_SET});
}

/* NULL: there is none. Else a copy of the value, until the next call. */
static const char *get(const struct fixture *f, const char *text)
{
    static char value[1024];
    const struct cache_key key = key_of(f, text);
    struct cache_item *item;
    bool found;

    pawl_rcu_read_lock();
    item = cache_find(f->session, &key);
    found = item != NULL;
    if (found) {
        cache_hit(f->session, item);
        assert_true(cache_item_value_bytes(item) < sizeof(value));
        memcpy(value, cache_item_value(item), cache_item_value_bytes(item));
        value[cache_item_value_bytes(item)] = '\0';
        assert_memory_equal(cache_item_value(item) + cache_item_value_bytes(item), "\r\n", 2);
    }
    pawl_rcu_read_unlock();
    return found ? value : NULL;
}

static uint64_t cas_of(const struct fixture *f, const char *text)
{
    const struct cache_key key = key_of(f, text);
    struct cache_item *item;
    uint64_t cas = 0;

    pawl_rcu_read_lock();
    item = cache_find(f->session, &key);
    if (item != NULL)
        cas = cache_item_cas(item);
    pawl_rcu_read_unlock();
    return cas;
}

/* ---- operations ---- */

static void what_is_set_is_found(void **state)
{
    const struct fixture f = open_store(4 * MIB, false);

    (void)state;
    assert_null(get(&f, "a"));
    assert_int_equal(set(&f, "a", "one"), CACHE_STORED);
    assert_string_equal(get(&f, "a"), "one");
    assert_int_equal(set(&f, "a", ""), CACHE_STORED);
    assert_string_equal(get(&f, "a"), "");
    assert_int_equal(change(&f, "a", "x", (struct cache_change){.mode = CACHE_ADD}), CACHE_NOT_STORED);
    assert_int_equal(change(&f, "b", "x", (struct cache_change){.mode = CACHE_ADD}), CACHE_STORED);
    assert_int_equal(change(&f, "c", "x", (struct cache_change){.mode = CACHE_REPLACE}), CACHE_NOT_STORED);
    assert_int_equal(change(&f, "b", "yz", (struct cache_change){.mode = CACHE_REPLACE}), CACHE_STORED);
    assert_int_equal(change(&f, "b", "end", (struct cache_change){.mode = CACHE_APPEND}), CACHE_STORED);
    assert_int_equal(change(&f, "b", "begin", (struct cache_change){.mode = CACHE_PREPEND}), CACHE_STORED);
    assert_string_equal(get(&f, "b"), "beginyzend");
    assert_int_equal(change(&f, "c", "x", (struct cache_change){.mode = CACHE_APPEND}), CACHE_NOT_STORED);
    assert_int_equal(change(&f, "c", "x", (struct cache_change){.mode = CACHE_APPEND, .vivify = true}),
                     CACHE_STORED);
    const struct cache_key a = key_of(&f, "a"), none = key_of(&f, "none");
    assert_int_equal(cache_delete(f.session, &a, 0), CACHE_STORED);
    assert_int_equal(cache_delete(f.session, &a, 0), CACHE_NOT_FOUND);
    assert_int_equal(cache_delete(f.session, &none, 0), CACHE_NOT_FOUND);
    close_store(f);
}

static void cas_stores_only_over_what_was_seen(void **state)
{
    const struct fixture f = open_store(4 * MIB, false);
    uint64_t cas, later;

    (void)state;
    assert_int_equal(change(&f, "a", "x", (struct cache_change){.cas = 7}), CACHE_NOT_FOUND);
    set(&f, "a", "one");
    cas = cas_of(&f, "a");
    assert_int_not_equal(cas, 0);
    assert_int_equal(change(&f, "a", "two", (struct cache_change){.cas = cas}), CACHE_STORED);
    assert_int_equal(change(&f, "a", "three", (struct cache_change){.cas = cas}), CACHE_EXISTS);
    assert_string_equal(get(&f, "a"), "two");
    later = cas_of(&f, "a");
    assert_true(later > cas);
    /* An older one, when stale is better than nothing. */
    assert_int_equal(change(&f, "a", "old", (struct cache_change){.cas = cas, .if_stale = true}),
                     CACHE_STORED);
    const struct cache_key key = key_of(&f, "a");
    pawl_rcu_read_lock();
    struct cache_item *item = cache_find(f.session, &key);
    assert_true(cache_item_stale(item));
    assert_true(cache_win(item));
    assert_false(cache_win(item));
    pawl_rcu_read_unlock();
    /* A client's own number, greater than any. */
    assert_int_equal(change(&f, "a", "x", (struct cache_change){.new_cas = UINT64_C(1) << 60}), CACHE_STORED);
    assert_true(cas_of(&f, "a") == UINT64_C(1) << 60);
    set(&f, "a", "y");
    assert_true(cas_of(&f, "a") > UINT64_C(1) << 60);
    /* The greatest there is: what comes behind it is not 0, which nobody could ask for. */
    assert_int_equal(change(&f, "a", "x", (struct cache_change){.new_cas = UINT64_MAX}), CACHE_STORED);
    set(&f, "a", "y");
    assert_int_not_equal(cas_of(&f, "a"), 0);
    assert_int_equal(cache_delete(f.session, &key, 1), CACHE_EXISTS);
    assert_int_equal(cache_delete(f.session, &key, cas_of(&f, "a")), CACHE_STORED);
    close_store(f);
}

static void numbers_are_added_as_memcached_does(void **state)
{
    const struct fixture f = open_store(4 * MIB, false);
    const struct cache_key key = key_of(&f, "n");
    struct cache_sum sum = {.delta = 5};

    (void)state;
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_NOT_FOUND);
    set(&f, "n", "10");
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_STORED);
    assert_int_equal(sum.value, 15);
    sum = (struct cache_sum){.delta = 10, .down = true};
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_STORED);
    assert_string_equal(get(&f, "n"), "5 "); /* it keeps its length */
    sum.delta = 100;
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_STORED);
    assert_int_equal(sum.value, 0);
    set(&f, "n", "18446744073709551615");
    sum = (struct cache_sum){.delta = 2};
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_STORED);
    assert_int_equal(sum.value, 1);
    set(&f, "n", "18446744073709551616");
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_NOT_NUMBER);
    set(&f, "n", "ten");
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_NOT_NUMBER);
    set(&f, "n", "");
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_NOT_NUMBER);
    const struct cache_key fresh = key_of(&f, "fresh");
    sum = (struct cache_sum){.delta = 2, .vivify = true, .initial = 40};
    assert_int_equal(cache_add_number(f.session, &fresh, &sum), CACHE_STORED);
    assert_int_equal(sum.value, 40);
    assert_string_equal(get(&f, "fresh"), "40");
    close_store(f);
}

/* ---- time ---- */

/* Until nothing is left to be done. */
static void maintain(const struct fixture *f)
{
    for (int quiet = 0; quiet < 3;) {
        quiet = cache_maintain(f->session) ? 0 : quiet + 1;
        pawl_rcu_synchronize();
    }
}

static void what_expires_is_gone_and_its_memory_is_back(void **state)
{
    const struct fixture f = open_store(64 * MIB, false);
    struct cache_figures figures;
    char key[32], value[200];

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < 40000; i++) {
        snprintf(key, sizeof(key), "short%d", i);
        change(&f, key, value, (struct cache_change){.expires = cache_expiry(f.store, 10)});
    }
    set(&f, "stays", "here");
    change(&f, "touched", "here", (struct cache_change){.expires = cache_expiry(f.store, 10)});
    const struct cache_key touched = key_of(&f, "touched");
    pawl_rcu_read_lock();
    assert_true(cache_touch(f.session, cache_find(f.session, &touched), cache_expiry(f.store, 100)));
    pawl_rcu_read_unlock();
    assert_non_null(get(&f, "short7"));
    cache_figures(f.store, &figures);
    const uint64_t before = figures.segments - figures.segments_free;
    cache_skip(f.store, 11);
    assert_null(get(&f, "short7"));
    assert_string_equal(get(&f, "stays"), "here");
    assert_string_equal(get(&f, "touched"), "here");
    maintain(&f);
    cache_figures(f.store, &figures);
    assert_int_equal(figures.items, 2);
    assert_int_equal(figures.expired, 40000);
    assert_true(figures.segments - figures.segments_free < before / 2);
    cache_skip(f.store, 100);
    assert_null(get(&f, "touched"));
    assert_int_equal(cache_expiry(f.store, 0), 0);
    assert_true(cache_expiry(f.store, -1) <= cache_now(f.store));
    assert_true(cache_expiry(f.store, (int64_t)time(NULL) + 1000) > cache_now(f.store));
    assert_true(cache_expiry(f.store, 60 * 60 * 24 * 30 + 1) <= cache_now(f.store)); /* a date of 1970 */
    close_store(f);
}

static void a_flush_takes_all_that_is_there(void **state)
{
    const struct fixture f = open_store(8 * MIB, false);
    struct cache_figures figures;
    char key[32];

    (void)state;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(key, sizeof(key), "key%d", i);
            set(&f, key, "value");
        }
        cache_flush(f.store, 0);
        assert_null(get(&f, "key5"));
        set(&f, "after", "flush");
        assert_string_equal(get(&f, "after"), "flush");
        if (round % 3 == 0)
            maintain(&f);
    }
    maintain(&f);
    cache_figures(f.store, &figures);
    assert_int_equal(figures.items, 1);
    cache_flush(f.store, cache_now(f.store) + 5);
    assert_non_null(get(&f, "after"));
    set(&f, "meanwhile", "x");
    cache_skip(f.store, 6);
    assert_null(get(&f, "after"));
    assert_null(get(&f, "meanwhile"));
    close_store(f);
}

/* A slow `set` that looked before the flush may put its item behind a walk that has passed there. */
static void what_was_flushed_is_looked_for_when_those_have_left_who_looked_before(void **state)
{
    const struct fixture f = open_store(8 * MIB, false);
    struct cache_figures figures;

    (void)state;
    set(&f, "a", "x");
    pawl_rcu_read_lock(); /* the slow one's */
    cache_flush(f.store, 0);
    while (cache_maintain(f.session))
        ;
    cache_figures(f.store, &figures);
    assert_int_equal(figures.items, 1);
    pawl_rcu_read_unlock();
    maintain(&f);
    cache_figures(f.store, &figures);
    assert_int_equal(figures.items, 0);
    close_store(f);
}

/* ---- memory ---- */

static void the_limit_holds_for_any_mix_of_sizes(void **state)
{
    const struct fixture f = open_store(16 * MIB, false);
    uint64_t random = seed;
    struct cache_figures figures;
    char key[32];
    char *value = malloc(300000);
    const int sets = longer() ? 2000000 : 60000;

    (void)state;
    memset(value, 'v', 300000);
    for (int i = 0; i < sets; i++) {
        const uint32_t size = random_below(&random, 100) == 0 ? random_below(&random, 300000)
                                                              : random_below(&random, 2000);
        struct cache_change c = {.value = value, .value_bytes = size};

        snprintf(key, sizeof(key), "key%u", random_below(&random, 1000000));
        const struct cache_key k = key_of(&f, key);
        assert_int_equal(cache_store_item(f.session, &k, &c), CACHE_STORED);
        if (i % 64 == 0) {
            cache_maintain(f.session);
            cache_figures(f.store, &figures);
            /* While the map grows it has two tables. */
            assert_true(figures.memory <= figures.limit + figures.limit / 20);
        }
    }
    cache_figures(f.store, &figures);
    assert_true(figures.evictions > 0);
    assert_true(figures.bytes > figures.limit / 2); /* it is used */
    free(value);
    close_store(f);
}

static void what_is_hit_survives_a_scan(void **state)
{
    const struct fixture f = open_store(8 * MIB, false);
    char key[32], value[500];
    int left = 0;

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "hot%d", i);
        set(&f, key, value);
    }
    for (int i = 0; i < 200000; i++) {
        snprintf(key, sizeof(key), "scan%d", i);
        set(&f, key, value);
        snprintf(key, sizeof(key), "hot%d", i % 1000);
        (void)get(&f, key);
        if (i % 32 == 0)
            cache_maintain(f.session);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "hot%d", i);
        left += get(&f, key) != NULL;
    }
    /* All of them; but when a grace period takes long, segments are emptied without sparing anything, 120 items each. Of a
     * queue that spares nothing none would be left. */
    assert_true(left > 500);
    close_store(f);
}

static void without_eviction_sets_fail_and_lose_nothing(void **state)
{
    const struct fixture f = open_store(2 * MIB, true);
    char key[32], value[200];
    int stored = 0;

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (;;) {
        snprintf(key, sizeof(key), "key%d", stored);
        const enum cache_result result = set(&f, key, value);

        if (result != CACHE_STORED) {
            assert_int_equal(result, CACHE_NO_MEMORY);
            break;
        }
        stored++;
    }
    assert_true(stored > 3000);
    for (int i = 0; i < stored; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        assert_non_null(get(&f, key));
    }
    close_store(f);
}

/* What expires leaves gaps; to close them takes room that is not there: then they stay. */
static void without_eviction_what_stays_is_not_sacrificed_for_what_expired(void **state)
{
    enum { STAYS = 5 }; /* one in so many */
    const struct fixture f = open_store(2 * MIB, true);
    struct cache_figures figures;
    char key[32], value[300];
    int count;

    (void)state;
    memset(value, 'v', sizeof(value));
    for (count = 0;; count++) {
        struct cache_change change = {.mode = CACHE_SET,
                                      .expires = count % STAYS != 0 ? cache_expiry(f.store, 10) : 0,
                                      .value = value,
                                      .value_bytes = sizeof(value)};
        enum cache_result result;

        snprintf(key, sizeof(key), "key%d", count);
        const struct cache_key made = key_of(&f, key);
        result = cache_store_item(f.session, &made, &change);
        if (result != CACHE_STORED)
            break;
    }
    assert_in_range(count, 3000, 10000);
    cache_skip(f.store, 11);
    maintain(&f);
    for (int i = 0; i < count; i += STAYS) {
        snprintf(key, sizeof(key), "key%d", i);
        assert_non_null(get(&f, key));
    }
    cache_figures(f.store, &figures);
    assert_int_equal(figures.evictions, 0);
    for (int i = 0; i < count / 2; i++) {
        snprintf(key, sizeof(key), "again%d", i);
        assert_int_equal(set(&f, key, "what expired has made room"), CACHE_STORED);
    }
    close_store(f);
}

/* Values that are replaced again and again take some of the limit, not all that there is: memory that was touched once is used
 * before other. What stands between them stays as it is. */
static void overwriting_uses_its_memory_again(void **state)
{
    enum { KEYS = 5000, ROUNDS = 60, STAYS = 50, BYTES = 300, TIMES_MOST = 5, FEW = 12 /* segments */ };
    const struct fixture f = open_store(128 * MIB, false);
    struct cache_change change = {.mode = CACHE_SET, .value_bytes = BYTES};
    struct cache_figures figures;
    uint64_t random = seed;
    char key[32], value[BYTES];

    (void)state;
    change.value = value;
    for (int i = 0; i < KEYS * ROUNDS; i++) {
        /* At first all, in their order; then by chance those that do not stay. */
        const uint32_t number = i < KEYS ? (uint32_t)i : random_below(&random, KEYS);

        if (i >= KEYS && number % STAYS == 0)
            continue;
        snprintf(key, sizeof(key), "key%u", number);
        memset(value, (int)(number % 251), BYTES);
        change.flags = number;
        change.base64 = number % 2 != 0;
        const struct cache_key made = key_of(&f, key);
        assert_int_equal(cache_store_item(f.session, &made, &change), CACHE_STORED);
        if (i == KEYS / 2)
            assert_non_null(get(&f, "key0"));
        if (i % KEYS == 0)
            pawl_rcu_synchronize(); /* how fast memory comes back is the machine's matter */
    }
    cache_figures(f.store, &figures);
    assert_int_equal(figures.items, KEYS);
    assert_int_equal(figures.evictions, 0);
    assert_in_range(figures.memory - figures.map_bytes, figures.bytes,
                    TIMES_MOST * figures.bytes + FEW * MIB);
    pawl_rcu_read_lock();
    for (uint32_t number = 0; number < KEYS; number++) {
        snprintf(key, sizeof(key), "key%u", number);
        const struct cache_key made = key_of(&f, key);
        const struct cache_item *item = cache_find(f.session, &made);

        assert_non_null(item);
        assert_int_equal(cache_item_flags(item), number);
        assert_int_equal(cache_item_base64(item), number % 2 != 0);
        assert_int_equal(cache_item_fetched(item), number == 0);
        memset(value, (int)(number % 251), BYTES);
        assert_memory_equal(cache_item_value(item), value, BYTES);
    }
    pawl_rcu_read_unlock();
    close_store(f);
}

/* What is being sent keeps its memory, whatever happens to the item. */
static void a_held_segment_is_not_reused(void **state)
{
    enum { FILLS = 200 }; /* more than a segment of them */
    const struct fixture f = open_store(2 * MIB, false);
    const struct cache_key key = key_of(&f, "held");
    char name[32], value[1000];
    struct pawl_slice slice;

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    set(&f, "held", "precious");
    pawl_rcu_read_lock();
    const struct cache_item *item = cache_find(f.session, &key);
    slice = (struct pawl_slice){cache_item_value(item), cache_item_value_bytes(item),
                                cache_chunk(f.session, item)};
    pawl_slice_hold(&slice);
    pawl_rcu_read_unlock();
    /* With nothing else in it, it is the first to be emptied: as long as it holds items, others are. */
    for (int i = 0; i < FILLS; i++) {
        snprintf(name, sizeof(name), "gone%d", i);
        assert_int_equal(set(&f, name, value), CACHE_STORED);
    }
    assert_int_equal(cache_delete(f.session, &key, 0), CACHE_STORED);
    for (int i = 0; i < FILLS; i++) {
        snprintf(name, sizeof(name), "gone%d", i);
        const struct cache_key gone = key_of(&f, name);

        assert_int_equal(cache_delete(f.session, &gone, 0), CACHE_STORED);
    }
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "other%d", i);
        assert_int_equal(set(&f, name, value), CACHE_STORED);
        cache_maintain(f.session);
    }
    assert_false(((const struct cache_segment *)(const void *)slice.chunk)->sealed);
    assert_memory_equal(slice.bytes, "precious", 8);
    pawl_slice_release(&slice);
    close_store(f);
}

/* ---- many threads ---- */

enum { THREADS = 4, KEYS = 2000, COUNTERS = 16 };

struct worker {
    struct cache_store *store;
    unsigned index;
    int rounds;
    PAWL_ATOMIC(int) changes; /* of change_it(), that have ended */
    uint64_t added[COUNTERS];
};

/* A value says what key it belongs to and repeats itself, so that a torn or foreign one shows. */
static size_t make_value(char *value, unsigned key, unsigned version)
{
    const size_t words = 1 + version % 60;

    for (size_t i = 0; i < words; i++)
        snprintf(value + 8 * i, 9, "%04x%04x", key & 0xffff, version & 0xffff);
    return 8 * words;
}

static void check_value(const struct cache_item *item, unsigned key)
{
    const char *value = cache_item_value(item);
    const uint32_t count = cache_item_value_bytes(item);
    char wanted[5];

    snprintf(wanted, sizeof(wanted), "%04x", key & 0xffff);
    assert_int_equal(count % 8, 0);
    for (uint32_t at = 0; at < count; at += 8) {
        assert_memory_equal(value + at, wanted, 4);
        assert_memory_equal(value + at, value, 8);
    }
}

static void one_operation(struct cache_session *session, struct worker *worker, uint64_t *random)
{
    const unsigned number = random_below(random, KEYS);
    char name[16], value[600];
    struct cache_key key;
    struct cache_item *item;

    cache_key_make(worker->store, &key, name, (size_t)snprintf(name, sizeof(name), "k%u", number));
    switch (random_below(random, 10)) {
    case 0:
    case 1: {
        struct cache_change c = {.value = value,
                                 .expires = random_below(random, 4) == 0 ? cache_now(worker->store) + 1 : 0};

        c.value_bytes = (uint32_t)make_value(value, number, random_below(random, 65536));
        assert_int_equal(cache_store_item(session, &key, &c), CACHE_STORED);
        break;
    }
    case 2:
        (void)cache_delete(session, &key, 0);
        break;
    case 3: {
        struct cache_sum sum = {.delta = 1 + random_below(random, 9)};
        const unsigned which = random_below(random, COUNTERS);

        cache_key_make(worker->store, &key, name, (size_t)snprintf(name, sizeof(name), "counter%u", which));
        if (cache_add_number(session, &key, &sum) == CACHE_STORED)
            worker->added[which] += sum.delta;
        break;
    }
    default:
        pawl_rcu_read_lock();
        item = cache_find(session, &key);
        if (item != NULL) {
            cache_hit(session, item);
            check_value(item, number);
            if (random_below(random, 8) == 0)
                (void)cache_touch_key(session, &key, item, cache_now(worker->store) + 100);
        }
        pawl_rcu_read_unlock();
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct cache_session *session = cache_session_open(worker->store);
    uint64_t random = seed + worker->index;

    assert_non_null(session);
    for (int i = 0; i < worker->rounds; i++) {
        one_operation(session, worker, &random);
        if (i % 16 == 0)
            cache_maintain(session);
        if (i % 5000 == 0 && worker->index == 0)
            cache_skip(worker->store, 1);
    }
    cache_session_close(session);
    return NULL;
}

static void threads_see_whole_values_and_lose_no_sums(void **state)
{
    /* Counters must not be evicted: plenty of memory there, none here. */
    const size_t limits[] = {64 * MIB, 2 * MIB};
    const int rounds = longer() ? 1000000 : PAWL_INSTRUMENTED ? 15000 : 60000;

    (void)state;
    for (size_t l = 0; l < 2; l++) {
        const struct fixture f = open_store(limits[l], false);
        struct worker workers[THREADS];
        pthread_t threads[THREADS];
        char name[32];

        for (int i = 0; i < COUNTERS; i++) {
            snprintf(name, sizeof(name), "counter%d", i);
            set(&f, name, "0");
        }
        for (unsigned i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){.store = f.store, .index = i, .rounds = rounds};
            assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; l == 0 && i < COUNTERS; i++) {
            uint64_t sum = 0;

            for (unsigned t = 0; t < THREADS; t++)
                sum += workers[t].added[i];
            snprintf(name, sizeof(name), "counter%d", i);
            assert_non_null(get(&f, name));
            assert_int_equal(strtoull(get(&f, name), NULL, 10), sum);
        }
        close_store(f);
    }
}

/* Makes new items of the key, each with the time of the last. */
static void *change_it(void *argument)
{
    struct worker *worker = argument;
    struct cache_session *session = cache_session_open(worker->store);
    struct cache_change more = {.mode = CACHE_APPEND, .value = " ", .value_bytes = 1};
    struct cache_key key;

    assert_non_null(session);
    cache_key_make(worker->store, &key, "n", 1);
    for (int i = 0; i < worker->rounds; i++) {
        struct cache_sum sum = {.delta = 1};

        if (i % 1000 == 999)
            assert_int_equal(cache_store_item(session, &key, &more), CACHE_STORED);
        else if (i % 3 == 0)
            assert_int_equal(cache_invalidate(session, &key, 0, false, 0), CACHE_STORED);
        else
            (void)cache_add_number(session, &key, &sum);
        pawl_store_release(&worker->changes, i + 1); /* its item before; pairs with the look for it */
    }
    cache_session_close(session);
    return NULL;
}

static uint32_t time_of(const struct fixture *f, const struct cache_key *key)
{
    uint32_t expires;

    pawl_rcu_read_lock();
    expires = pawl_load_relaxed(&cache_find(f->session, key)->expires); /* relaxed: of what is done already */
    pawl_rcu_read_unlock();
    return expires;
}

static void a_touch_beside_changes_is_not_lost(void **state)
{
    const struct fixture f = open_store(64 * MIB, false);
    const int rounds = longer() ? 2000000 : PAWL_INSTRUMENTED ? 50000 : 200000;
    struct worker worker = {.store = f.store, .rounds = rounds};
    const struct cache_key key = key_of(&f, "n");
    const uint32_t begin = cache_now(f.store) + 1000;
    pthread_t thread;

    (void)state;
    set(&f, "n", "1");
    assert_int_equal(pthread_create(&thread, NULL, change_it, &worker), 0);
    for (int i = 0; i < rounds; i++) {
        const uint32_t expires = begin + (uint32_t)i;
        int changes;

        pawl_rcu_read_lock();
        cache_touch_key(f.session, &key, cache_find(f.session, &key), expires);
        pawl_rcu_read_unlock();
        /* acquire: the item of a change that has ended. The one under way may show the old time until it ends. */
        changes = pawl_load_acquire(&worker.changes);
        while (changes < rounds && pawl_load_acquire(&worker.changes) == changes)
            sched_yield();
        assert_int_equal(time_of(&f, &key), expires);
    }
    pthread_join(thread, NULL);
    close_store(f);
}

int main(void)
{
    const char *given = getenv("PAWL_TEST_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_set_is_found),
        cmocka_unit_test(cas_stores_only_over_what_was_seen),
        cmocka_unit_test(numbers_are_added_as_memcached_does),
        cmocka_unit_test(flags_stay_with_their_item),
        cmocka_unit_test(items_of_any_length_are_spared_whole),
        cmocka_unit_test(the_largest_item_is_memcacheds),
        cmocka_unit_test(what_expires_is_gone_and_its_memory_is_back),
        cmocka_unit_test(a_flush_takes_all_that_is_there),
        cmocka_unit_test(what_was_flushed_is_looked_for_when_those_have_left_who_looked_before),
        cmocka_unit_test(the_limit_holds_for_any_mix_of_sizes),
        cmocka_unit_test(resident_memory_keeps_to_the_limit_whatever_sizes_come),
        cmocka_unit_test(two_hours_of_churn_keep_to_the_limit_all_the_time),
        cmocka_unit_test(a_table_that_the_map_gave_up_counts_until_its_readers_have_left),
        cmocka_unit_test(segments_of_one_huge_page_go_back_one_by_one),
        cmocka_unit_test(what_is_hit_survives_a_scan),
        cmocka_unit_test(without_eviction_sets_fail_and_lose_nothing),
        cmocka_unit_test(large_values_come_in_pieces),
        cmocka_unit_test(large_values_that_came_in_pieces_share_segments),
        cmocka_unit_test(a_large_value_that_is_not_stored_leaves_nothing),
        cmocka_unit_test(without_eviction_what_stays_is_not_sacrificed_for_what_expired),
        cmocka_unit_test(without_eviction_what_is_deleted_makes_room),
        cmocka_unit_test(without_eviction_what_is_overwritten_makes_room),
        cmocka_unit_test(without_eviction_a_large_value_can_be_replaced_again_and_again),
        cmocka_unit_test(without_eviction_small_values_make_room_for_a_large_one),
        cmocka_unit_test(without_eviction_a_flush_makes_room_at_once),
        cmocka_unit_test(without_eviction_what_is_being_sent_makes_room_when_it_was),
        cmocka_unit_test(without_eviction_what_is_there_can_be_changed_when_all_is_full),
        cmocka_unit_test(without_eviction_nothing_is_looked_for_twice_in_vain),
        cmocka_unit_test(without_eviction_several_workers_can_change_what_is_there),
        cmocka_unit_test(without_eviction_who_has_waited_in_vain_gets_a_spare_segment),
        cmocka_unit_test(without_eviction_several_workers_make_room_for_each_other),
        cmocka_unit_test(overwriting_uses_its_memory_again),
        cmocka_unit_test(several_workers_at_the_limit_are_refused_nothing),
        cmocka_unit_test(slow_readers_do_not_let_overwriting_take_all_there_is),
        cmocka_unit_test(a_large_value_that_is_replaced_takes_no_more_and_more),
        cmocka_unit_test(overwriting_at_the_limit_evicts_nothing_that_there_is_room_for),
        cmocka_unit_test(clients_that_read_nothing_do_not_let_what_moves_exceed_the_limit),
        cmocka_unit_test(a_held_segment_is_not_reused),
        cmocka_unit_test(threads_see_whole_values_and_lose_no_sums),
        cmocka_unit_test(a_touch_beside_changes_is_not_lost),
    };

    seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    fprintf(stderr, "# PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("cache store", tests, NULL, NULL);
}
