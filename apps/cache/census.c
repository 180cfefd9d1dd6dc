/* SPDX-License-Identifier: MIT */
#include "census.h"

#include "store.h"

#include <pawl/rcu.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEP = 32,                /* bytes, as memcached has it */
    FINE = (64 << 10) / STEP, /* classes of so many bytes */
    CLASSES = FINE + 16,      /* and powers of two, up to 2 GiB */
    BUCKETS_A_SECTION = 64,
    SECTIONS_A_TICK = 32,
};

struct cache_census {
    PAWL_ATOMIC(bool) on; /* relaxed: a setting; the next tick sees it */
    struct pawl_map_cursor cursor;
    uint64_t counting[CLASSES]; /* the walker's */
    pthread_mutex_t lock;
    uint64_t counted[CLASSES]; /* of the last whole walk */
};

struct cache_census *cache_census_open(bool on)
{
    struct cache_census *census = calloc(1, sizeof *census);

    if (census == NULL)
        return NULL;
    (void)pthread_mutex_init(&census->lock, NULL);
    cache_census_turn(census, on);
    return census;
}

void cache_census_close(struct cache_census *census)
{
    if (census == NULL)
        return;
    (void)pthread_mutex_destroy(&census->lock);
    free(census);
}

void cache_census_turn(struct cache_census *census, bool on)
{
    pawl_store_relaxed(&census->on, on); /* relaxed: see the field */
}

static uint32_t class_of(size_t bytes)
{
    const size_t fine = (bytes + STEP - 1) / STEP;

    if (fine <= FINE)
        return (uint32_t)fine - 1;
    return FINE + (uint32_t)(64 - __builtin_clzll(bytes - 1)) - 17;
}

static uint64_t bytes_of(uint32_t class)
{
    return class < FINE ? (uint64_t)(class + 1) * STEP : UINT64_C(1) << (class - FINE + 17);
}

static void count(void *arg, const struct cache_item *item)
{
    struct cache_census *census = arg;

    census->counting[class_of(cache_item_bytes(item))]++;
}

void cache_census_tick(struct cache_census *census, const struct cache_store *store)
{
    bool more = true;

    if (!pawl_load_relaxed(&census->on)) /* relaxed: see the field */
        return;
    for (int i = 0; more && i < SECTIONS_A_TICK; i++) {
        pawl_rcu_read_lock();
        more = cache_walk(store, &census->cursor, BUCKETS_A_SECTION, count, census);
        pawl_rcu_read_unlock();
    }
    if (more)
        return;
    (void)pthread_mutex_lock(&census->lock);
    memcpy(census->counted, census->counting, sizeof census->counted);
    (void)pthread_mutex_unlock(&census->lock);
    memset(census->counting, 0, sizeof census->counting);
    census->cursor = (struct pawl_map_cursor){0};
}

void cache_census_say(struct cache_census *census, cache_stat_fn *say, void *arg)
{
    if (!pawl_load_relaxed(&census->on)) { /* relaxed: see the field */
        say(arg, "sizes_status", "disabled");
        return;
    }
    for (uint32_t class = 0; class < CLASSES; class ++) {
        char name[24];
        uint64_t items;

        (void)pthread_mutex_lock(&census->lock);
        items = census->counted[class];
        (void)pthread_mutex_unlock(&census->lock);
        (void)snprintf(name, sizeof name, "%llu", (unsigned long long)bytes_of(class));
        if (items > 0)
            cache_stat(say, arg, name, "%llu", (unsigned long long)items);
    }
}
