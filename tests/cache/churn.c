/* SPDX-License-Identifier: MIT */
/* The memory of the process while items of all sizes come and go. */
#include "store_inner.h"
#include "store_place.h"

#include <inttypes.h>
#include <pawl/rcu.h>
#include <stdio.h>
#include <unistd.h>

/* Resident memory of this process; sanitizers have shadows of their own. */
static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*s %lu", &pages), 1);
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Beside `before`: the limit, what the map is above it while it grows, and a margin, for what is free in the allocator's pages above
 * all. */
static void keeps_to_the_limit(const struct fixture *f, size_t before)
{
    enum { MARGIN_PART = 20 };
    struct cache_figures figures;
    size_t allowed, has;

    cache_figures(f->store, &figures); /* first: while it looks, memory is only given back */
    has = resident();
    allowed = before + (figures.memory > figures.limit ? figures.memory : figures.limit) +
              figures.limit / MARGIN_PART + 16 * MIB;
    if (has > allowed)
        fail_msg("%zu bytes, of %zu that are allowed; the store has %" PRIu64 ", of the map %" PRIu64, has,
                 allowed, figures.memory, figures.map_bytes);
    assert_in_range(figures.memory, 0, figures.limit + figures.limit / MARGIN_PART + figures.map_bytes);
}

/* Sets of values of `least` to `most` bytes until `total` bytes were stored. Nothing may take more than the limit. */
static void churn(const struct fixture *f, uint64_t *random, uint32_t least, uint32_t most, size_t total,
                  size_t before)
{
    static char value[1 << 16];
    struct cache_figures figures = {0};
    size_t fullest = 0;
    char key[32];

    for (size_t stored = 0, checked = 0; stored < total;) {
        const uint32_t size = least + random_below(random, most - least + 1);
        struct cache_change c = {.value = value, .value_bytes = size};
        struct cache_key k;

        snprintf(key, sizeof(key), "key%u", random_below(random, 10000000));
        k = key_of(f, key);
        assert_int_equal(cache_store_item(f->session, &k, &c), CACHE_STORED);
        stored += size + sizeof(struct cache_item);
        if (stored - checked < MIB)
            continue;
        checked = stored;
        (void)cache_maintain(f->session);
        keeps_to_the_limit(f, before);
        cache_figures(f->store, &figures);
        if (stored > total / 2 && figures.bytes > fullest)
            fullest = figures.bytes;
    }
    assert_true(fullest > figures.limit / 2); /* none of it is stuck with what came before */
}

void resident_memory_keeps_to_the_limit_whatever_sizes_come(void **state)
{
    static const uint32_t sizes[][2] = {{300, 400}, {20, 40},       {2000, 2100},
                                        {1, 2000},  {60000, 65000}, {100, 110}};
    const size_t limit = longer() ? 512 * MIB : 16 * MIB, before = resident();
    struct fixture f;
    uint64_t random = seed;

    (void)state;
    if (UNDER_SANITIZER)
        skip();
    f = open_store(limit, false);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        churn(&f, &random, sizes[i][0], sizes[i][1], limit + limit / 4, before);
    close_store(f);
}

/* ---- two hours, in fast-forward ---- */

enum {
    SECONDS = 2 * 60 * 60,
    SECONDS_A_MIX = 10 * 60,
    SECONDS_A_LOOK = 5,
    TICKS = 5, /* a second, of so many steps at most: as the server's */
    STEPS_A_TICK = 64,
    KEYS = 1000000,
};

/* Some keep it for ever, some for a moment, as the users of one cache do. */
static uint32_t expiry(const struct fixture *f, uint64_t *random)
{
    static const uint32_t longest[] = {0, 60, 600, SECONDS};
    const uint32_t most = longest[random_below(random, 4)];

    return most == 0 ? 0 : cache_expiry(f->store, 1 + random_below(random, most));
}

/* What clients ask for in a second: `bytes` of items are set, some are read, warmed, given a new time, or deleted. */
static void a_second_of_requests(const struct fixture *f, uint64_t *random, const uint32_t *sizes,
                                 size_t bytes)
{
    static char value[1 << 16];

    for (size_t stored = 0; stored < bytes;) {
        struct cache_change c = {.value = value,
                                 .value_bytes = sizes[0] + random_below(random, sizes[1] - sizes[0] + 1),
                                 .expires = expiry(f, random)};
        const uint32_t what = random_below(random, 16);
        struct cache_item *item;
        struct cache_key key;
        char text[32];

        snprintf(text, sizeof(text), "key%u", random_below(random, KEYS));
        key = key_of(f, text);
        if (what < 12) {
            assert_int_equal(cache_store_item(f->session, &key, &c), CACHE_STORED);
            stored += c.value_bytes + sizeof(struct cache_item);
            continue;
        }
        pawl_rcu_read_lock();
        item = cache_find(f->session, &key);
        if (item != NULL && what < 14)
            cache_hit(f->session, item);
        if (item != NULL && what == 14)
            (void)cache_touch_key(f->session, &key, item, c.expires);
        pawl_rcu_read_unlock();
        if (what == 15)
            (void)cache_delete(f->session, &key, 0);
    }
}

static void a_second_of_upkeep(const struct fixture *f)
{
    cache_skip(f->store, 1);
    for (int tick = 0; tick < TICKS; tick++) {
        for (int i = 0; i < STEPS_A_TICK && cache_maintain(f->session); i++)
            ;
    }
}

void two_hours_of_churn_keep_to_the_limit_all_the_time(void **state)
{
    static const uint32_t mixes[][2] = {{300, 400},     {1, 2000},    {20, 40},   {2000, 2100},
                                        {60000, 65000}, {100, 110},   {1, 20000}, {500, 600},
                                        {20, 3000},     {8000, 8200}, {10, 300},  {1000, 40000}};
    const size_t limit = longer() ? 256 * MIB : 8 * MIB, a_second = limit / (longer() ? 100 : 400);
    const size_t before = resident();
    struct cache_figures figures = {0};
    size_t fullest = 0;
    struct fixture f;
    uint64_t random = seed;

    (void)state;
    if (UNDER_SANITIZER)
        skip();
    f = open_store(limit, false);
    for (uint32_t second = 0; second < SECONDS; second++) {
        const uint32_t mix = second / SECONDS_A_MIX;

        if (second == SECONDS / 2)
            cache_flush(f.store, 0); /* an operator's morning */
        a_second_of_requests(&f, &random, mixes[mix], a_second);
        a_second_of_upkeep(&f);
        if (second % SECONDS_A_LOOK == 0)
            keeps_to_the_limit(&f, before);
        cache_figures(f.store, &figures);
        if (second > SECONDS - SECONDS_A_MIX / 2 && figures.bytes > fullest)
            fullest = figures.bytes;
    }
    assert_true(figures.expired > 0 && figures.evictions > 0);
    assert_true(fullest > limit / 2); /* what is kept for ever fills it, whatever came before */
    close_store(f);
}

/* ---- the map ---- */

/* A table that readers may be looking at is not the system's yet. */
void a_table_that_the_map_gave_up_counts_until_its_readers_have_left(void **state)
{
    enum { COUNT = 200000 };
    const struct fixture f = open_store(64 * MIB, false);
    struct cache_figures before, held, after;
    size_t shared;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        struct cache_change c = {.value = "v", .value_bytes = 1};
        struct cache_key k;

        cache_key_make(f.store, &k, (const char *)&i, sizeof i);
        assert_int_equal(cache_store_item(f.session, &k, &c), CACHE_STORED);
    }
    while (cache_maintain(f.session))
        ;
    pawl_rcu_barrier();
    cache_figures(f.store, &before);
    assert_true(before.map_bytes > 2 * MIB);
    pawl_rcu_read_lock();
    for (int i = 0; i < COUNT; i++) {
        struct cache_key k;

        cache_key_make(f.store, &k, (const char *)&i, sizeof i);
        (void)cache_delete(f.session, &k, 0);
    }
    while (cache_maintain(f.session))
        ;
    cache_figures(f.store, &held);
    /* relaxed: no other thread changes it */
    shared = pawl_load_relaxed(&f.store->pool.limit);
    pawl_rcu_read_unlock();
    pawl_rcu_barrier();
    while (cache_maintain(f.session))
        ;
    cache_figures(f.store, &after);
    assert_int_equal(held.items, 0);
    assert_in_range(held.map_bytes, 0, MIB);
    assert_true(shared + 2 * MIB <= held.limit);
    assert_true(held.memory >= f.store->pool.memory + 2 * MIB);
    assert_true(after.memory + MIB <= held.memory);
    assert_true(pawl_load_relaxed(&f.store->pool.limit) >= shared + MIB); /* relaxed: as above */
    close_store(f);
}

/* ---- a limit that changes ---- */

/* Half a megabyte each: a page is given back in four parts, and what is stored later is cut from new ones. */
void segments_of_one_huge_page_go_back_one_by_one(void **state)
{
    const size_t most = 40 * MIB, least = 8 * MIB, margin = 6 * MIB, before = resident();
    const struct cache_store_config config = {.limit = most, .item_max = MIB};
    struct fixture f;
    uint64_t random = seed;

    (void)state;
    assert_int_equal(cache_store_open(&f.store, &config), 0);
    f.session = cache_session_open(f.store);
    assert_non_null(f.session);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(cache_store_limit(f.store, most), 0);
        for (size_t stored = 0; stored < 2 * most; stored += 100000) {
            static char value[100000];
            struct cache_change c = {.value = value, .value_bytes = 1 + random_below(&random, sizeof value)};
            struct cache_key k;

            cache_key_make(f.store, &k, (const char *)&stored, sizeof stored);
            assert_int_equal(cache_store_item(f.session, &k, &c), CACHE_STORED);
        }
        if (!UNDER_SANITIZER)
            assert_true(resident() <= before + most + margin);
        assert_int_equal(cache_store_limit(f.store, least), 0);
        for (int quiet = 0; quiet < 3; pawl_rcu_synchronize())
            quiet = cache_maintain(f.session) ? 0 : quiet + 1;
        if (!UNDER_SANITIZER)
            assert_true(resident() <= before + least + margin);
    }
    close_store(f);
}
