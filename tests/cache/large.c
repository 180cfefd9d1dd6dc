/* SPDX-License-Identifier: MIT */
/* Values that are received into the item that they will be: where they end, and what is left of those that are not stored. */
#include "store_place.h"

#include <errno.h>
#include <pawl/rcu.h>
#include <string.h>

static uint64_t bytes_in(const struct fixture *f)
{
    struct cache_figures figures;

    cache_figures(f->store, &figures);
    return figures.bytes;
}

static struct cache_item *receive(const struct fixture *f, const struct cache_key *key, char with,
                                  uint32_t bytes, uint32_t flags)
{
    struct cache_item *item = cache_large_open(f->session, key, bytes, flags);

    assert_non_null(item);
    memset(cache_large_value(item), with, bytes);
    return item;
}

static enum cache_result store(const struct fixture *f, const struct cache_key *key, char with,
                               uint32_t bytes, struct cache_change *change)
{
    return cache_large_store(f->session, key, receive(f, key, with, bytes, change->flags), change);
}

/* Returns its cas. */
static uint64_t expect(const struct fixture *f, const struct cache_key *key, char with, uint32_t bytes,
                       uint32_t flags)
{
    const struct cache_item *item;
    uint64_t cas;

    pawl_rcu_read_lock();
    item = cache_find(f->session, key);
    assert_non_null(item);
    assert_int_equal(cache_item_value_bytes(item), bytes);
    assert_int_equal(cache_item_value(item)[0], with);
    assert_memory_equal(cache_item_value(item), cache_item_value(item) + 1, bytes - 1);
    assert_memory_equal(cache_item_value(item) + bytes, "\r\n", 2);
    assert_int_equal(cache_item_flags(item), flags);
    cas = cache_item_cas(item);
    pawl_rcu_read_unlock();
    return cas;
}

void large_values_come_in_pieces(void **state)
{
    const struct fixture f = open_store(16 * MIB, false);
    const struct cache_key key = key_of(&f, "large");
    const uint32_t sizes[] = {100, 100000, 3000000};
    struct cache_figures figures;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct cache_change c = {.mode = CACHE_SET, .flags = 9};

        assert_int_equal(store(&f, &key, (char)('a' + i), sizes[i], &c), CACHE_STORED);
        assert_int_equal(expect(&f, &key, (char)('a' + i), sizes[i], 9), c.stored_cas);
    }
    cache_large_drop(f.session, receive(&f, &key, 'd', 500000, 0));
    assert_null(cache_large_open(f.session, &key, 9000000, 0));
    assert_int_equal(errno, E2BIG);
    cache_delete(f.session, &key, 0);
    cache_figures(f.store, &figures);
    assert_int_equal(figures.items, 0);
    assert_int_equal(figures.bytes, 0);
    close_store(f);
}

void large_values_that_came_in_pieces_share_segments(void **state)
{
    const struct fixture f = open_store(16 * MIB, false); /* segments have 128 KiB */

    (void)state;
    for (int i = 0; i < 600; i++) {
        struct cache_change c = {.mode = CACHE_SET};
        struct cache_key key;

        cache_key_make(f.store, &key, (const char *)&i, sizeof i);
        assert_int_equal(store(&f, &key, 'l', 60000, &c), CACHE_STORED);
    }
    assert_in_range(bytes_in(&f), 11 * MIB, 16 * MIB); /* with a segment for each it would be 7 */
    close_store(f);
}

/* One that would be copied to the others, one that keeps its segment, one that is larger than any: it is refused as its mode
 * says, and what was there stays. Its memory is free at once: here is a reader for whom nothing is given back that he may see. */
void a_large_value_that_is_not_stored_leaves_nothing(void **state)
{
    enum { TIMES = 300 }; /* more than the memory has room for */
    static const uint32_t sizes[] = {60000, 100000, 200000};
    const struct fixture f = open_store(16 * MIB, true);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct cache_key key = key_of(&f, i == 0 ? "a" : i == 1 ? "b" : "c"), none = key_of(&f, "none");
        struct cache_change first = {.mode = CACHE_ADD, .flags = 3}, add = {.mode = CACHE_ADD},
                            replace = {.mode = CACHE_REPLACE}, compare = {.mode = CACHE_SET};
        uint64_t cas, before;

        assert_int_equal(store(&f, &key, 'o', sizes[i], &first), CACHE_STORED);
        cas = expect(&f, &key, 'o', sizes[i], 3);
        assert_int_equal(cas, first.stored_cas);
        compare.cas = cas + 1;
        before = bytes_in(&f);
        pawl_rcu_read_lock();
        for (int t = 0; t < TIMES; t++) {
            assert_int_equal(store(&f, &key, 'n', sizes[i], &add), CACHE_NOT_STORED);
            assert_int_equal(store(&f, &none, 'n', sizes[i], &replace), CACHE_NOT_STORED);
            assert_int_equal(store(&f, &key, 'n', sizes[i], &compare), CACHE_EXISTS);
            assert_int_equal(store(&f, &none, 'n', sizes[i], &compare), CACHE_NOT_FOUND);
        }
        pawl_rcu_read_unlock();
        assert_int_equal(expect(&f, &key, 'o', sizes[i], 3), cas);
        assert_int_equal(bytes_in(&f), before);
        compare.cas = cas;
        assert_int_equal(store(&f, &key, 'n', sizes[i], &compare), CACHE_STORED);
        assert_int_equal(expect(&f, &key, 'n', sizes[i], 0), compare.stored_cas);
    }
    close_store(f);
}
