/* SPDX-License-Identifier: MIT */
/* What stands in an item's memory: flags where there are some, and nothing for them where there are none. */
#include "store_place.h"

#include <errno.h>
#include <pawl/rcu.h>
#include <stdio.h>
#include <string.h>

static enum cache_result store(const struct fixture *f, const char *text, const char *value, uint32_t bytes,
                               uint32_t flags, enum cache_mode mode)
{
    const struct cache_key key = key_of(f, text);
    struct cache_change change = {.mode = mode, .value = value, .value_bytes = bytes, .flags = flags};

    return cache_store_item(f->session, &key, &change);
}

/* False: it was evicted. */
static bool expect(const struct fixture *f, const char *text, const char *value, uint32_t bytes,
                   uint32_t flags)
{
    const struct cache_key key = key_of(f, text);
    struct cache_item *item;

    pawl_rcu_read_lock();
    item = cache_find(f->session, &key);
    if (item == NULL) {
        pawl_rcu_read_unlock();
        return false;
    }
    cache_hit(f->session, item);
    assert_int_equal(cache_item_value_bytes(item), bytes);
    assert_memory_equal(cache_item_value(item), value, bytes);
    assert_memory_equal(cache_item_value(item) + bytes, "\r\n", 2);
    assert_int_equal(cache_item_flags(item), flags);
    pawl_rcu_read_unlock();
    return true;
}

static uint64_t bytes_in(const struct fixture *f)
{
    struct cache_figures figures;

    cache_figures(f->store, &figures);
    return figures.bytes;
}

void flags_stay_with_their_item(void **state)
{
    const struct fixture f = open_store(4 * MIB, false);
    const struct cache_key key = key_of(&f, "a");
    struct cache_sum sum = {.delta = 1};
    uint64_t with;

    (void)state;
    assert_int_equal(store(&f, "a", "12", 2, UINT32_MAX, CACHE_SET), CACHE_STORED);
    with = bytes_in(&f);
    assert_true(expect(&f, "a", "12", 2, UINT32_MAX));
    assert_int_equal(store(&f, "a", "3", 1, 5, CACHE_APPEND), CACHE_STORED);
    assert_true(expect(&f, "a", "123", 3, UINT32_MAX));
    assert_int_equal(cache_add_number(f.session, &key, &sum), CACHE_STORED);
    assert_true(expect(&f, "a", "124", 3, UINT32_MAX));
    assert_int_equal(cache_invalidate(f.session, &key, 0, false, 0), CACHE_STORED);
    assert_true(expect(&f, "a", "124", 3, UINT32_MAX));
    assert_int_equal(store(&f, "a", "12", 2, 0, CACHE_SET), CACHE_STORED);
    assert_true(expect(&f, "a", "12", 2, 0));
    assert_int_equal(bytes_in(&f), with - sizeof(uint32_t));
    assert_int_equal(store(&f, "a", "3", 1, 5, CACHE_PREPEND), CACHE_STORED);
    assert_true(expect(&f, "a", "312", 3, 0));
    close_store(f);
}

/* Items of each length and with any flags stand behind each other; those that are hit are copied when others come. */
void items_of_any_length_are_spared_whole(void **state)
{
    enum { KEPT = 400, OTHERS = 60000, NAMES = 20000, LOST_MOST = OTHERS / 20 };
    const struct fixture f = open_store(4 * MIB, false);
    struct cache_figures figures;
    char text[32], value[KEPT];
    unsigned lost = 0;

    (void)state;
    for (uint32_t i = 0; i < KEPT; i++)
        value[i] = (char)('a' + i % 26);
    for (uint32_t i = 0; i < KEPT; i++) {
        (void)snprintf(text, sizeof text, "kept%u", i);
        assert_int_equal(store(&f, text, value, i, i % 3 * 0x55555555, CACHE_SET), CACHE_STORED);
    }
    for (uint32_t i = 0; i < OTHERS; i++) {
        (void)snprintf(text, sizeof text, "kept%u", i % KEPT);
        if (!expect(&f, text, value, i % KEPT, i % KEPT % 3 * 0x55555555)) {
            lost++; /* it may be: there was no room to spare it */
            assert_int_equal(store(&f, text, value, i % KEPT, i % KEPT % 3 * 0x55555555, CACHE_SET),
                             CACHE_STORED);
        }
        (void)snprintf(text, sizeof text, "other%u", i % NAMES);
        assert_int_equal(store(&f, text, value, 200 + i % 50, i % 2, CACHE_SET), CACHE_STORED);
        if (i % 32 == 0)
            cache_maintain(f.session);
    }
    cache_figures(f.store, &figures);
    assert_true(figures.evictions > 0);
    assert_true(figures.spared > KEPT / 2);
    assert_true(lost < LOST_MOST);
    close_store(f);
}

/* -I counts as memcached does: 59 bytes beside key and value, 4 more with flags; of what is joined, too. */
void the_largest_item_is_memcacheds(void **state)
{
    enum { LIMIT = 4096, BESIDE = 59, KEY = 1, MOST = LIMIT - BESIDE - KEY };
    const struct cache_store_config config = {.limit = 2 * MIB, .item_max = LIMIT};
    struct fixture f = {0};
    static char value[LIMIT];

    (void)state;
    memset(value, 'v', sizeof value);
    assert_int_equal(cache_store_open(&f.store, &config), 0);
    f.session = cache_session_open(f.store);
    assert_non_null(f.session);
    assert_int_equal(store(&f, "a", value, MOST, 0, CACHE_SET), CACHE_STORED);
    assert_int_equal(store(&f, "b", value, MOST + 1, 0, CACHE_SET), CACHE_TOO_LARGE);
    assert_int_equal(store(&f, "b", value, MOST, 1, CACHE_SET), CACHE_TOO_LARGE);
    assert_int_equal(store(&f, "b", value, MOST - 4, 1, CACHE_SET), CACHE_STORED);
    assert_int_equal(store(&f, "a", value, 1, 0, CACHE_APPEND), CACHE_TOO_LARGE);
    assert_int_equal(store(&f, "b", value, 1, 0, CACHE_PREPEND), CACHE_TOO_LARGE);
    assert_true(expect(&f, "a", value, MOST, 0));
    assert_true(expect(&f, "b", value, MOST - 4, 1));
    close_store(f);
}
