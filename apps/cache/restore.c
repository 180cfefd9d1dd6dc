/* SPDX-License-Identifier: MIT */
/* An item as an earlier server had it: with its number, its heat and its time. */
#include "store_inner.h"

#include <errno.h>
#include <pawl/rcu.h>
#include <string.h>

enum { SEEN_STEP = 4 };

static void fill(struct cache_session *session, struct cache_item *item, const struct cache_restored *from)
{
    const unsigned int lasts = pawl_load_relaxed(
        &item->heat); /* relaxed: it is ours. Its epoch, and whether it has flags */
    /* Of a file: what was never hit has no hits. */
    const unsigned int state = (from->heat & CACHE_FETCHED) != 0 ? from->heat & CACHE_STATE : 0;

    if (from->value_bytes > 0)
        memcpy(item->bytes + item->key_bytes, from->value, from->value_bytes);
    cache_item_set_cas(item, from->cas);
    /* relaxed, all: the map's release publishes them */
    pawl_store_relaxed(&item->expires, from->expires);
    pawl_store_relaxed(&item->heat, (uint8_t)(lasts | state | (from->base64 ? CACHE_BASE64 : 0)));
    pawl_store_relaxed(&item->seen, (uint16_t)((cache_now(session->store) - from->age) / SEEN_STEP));
    pawl_store_relaxed(&item->size,
                       from->value_bytes | (from->stale ? CACHE_STALE_ : 0) | (from->won ? CACHE_WON_ : 0));
}

/* One try, in a section. */
static enum cache_result put(struct cache_session *session, const struct cache_key *key,
                             const struct cache_restored *from)
{
    struct cache_segment *own;
    session->grows = false; /* it had room here once */
    struct cache_item *item = cache_item_make(session, from->spared ? CACHE_MAIN : CACHE_SMALL, key,
                                              from->value_bytes, from->flags, false, &own);
    int error;

    if (item == NULL)
        return errno == E2BIG ? CACHE_TOO_LARGE : CACHE_NO_MEMORY;
    fill(session, item, from);
    error = pawl_map_insert(&session->store->map, key->hash, key, item, NULL);
    if (error != 0) {
        cache_item_unmake(session, item, own);
        return error == -EEXIST ? CACHE_EXISTS : CACHE_NO_MEMORY;
    }
    cache_count(&session->counts.stored);
    cache_item_stored(session, item, own);
    return CACHE_STORED;
}

enum cache_result cache_restore(struct cache_session *session, const struct cache_key *key,
                                const struct cache_restored *from)
{
    enum cache_result result;
    unsigned tries = 0;

    do {
        cache_prepare(session);
        pawl_rcu_read_lock();
        result = put(session, key, from);
        pawl_rcu_read_unlock();
    } while (result == CACHE_NO_MEMORY &&
             cache_wait_for_room(session, cache_item_size(key->count, from->value_bytes, from->flags != 0),
                                 false, tries++));
    return result;
}

void cache_describe(const struct cache_store *store, const struct cache_item *item, struct cache_restored *to)
{
    const uint32_t size = pawl_load_relaxed(&item->size); /* relaxed, all: see item.h */
    const uint8_t heat = pawl_load_relaxed(&item->heat);

    *to = (struct cache_restored){
        .cas = cache_item_cas(item),
        .expires = pawl_load_relaxed(&item->expires),
        .flags = cache_item_flags(item),
        .age = cache_age(store, item),
        .heat = heat & CACHE_STATE,
        .base64 = (heat & CACHE_BASE64) != 0,
        .stale = (size & CACHE_STALE_) != 0,
        .won = (size & CACHE_WON_) != 0,
        .spared = cache_segment_of(&store->pool, item)->queue == CACHE_MAIN,
        .value = cache_item_value(item),
        .value_bytes = size & (uint32_t)CACHE_VALUE_MAX,
    };
}

struct visit {
    const struct cache_store *store;
    cache_visit_fn *fn;
    void *arg;
};

static void visit_valid(void *object, void *argument)
{
    const struct visit *visit = argument;
    const struct cache_item *item = object;

    if (cache_valid(visit->store, item))
        visit->fn(visit->arg, item);
}

bool cache_walk(const struct cache_store *store, struct pawl_map_cursor *cursor, size_t buckets,
                cache_visit_fn *fn, void *arg)
{
    struct visit visit = {store, fn, arg};

    return pawl_map_walk(&store->map, cursor, buckets, visit_valid, &visit);
}

uint64_t cache_cas_end(const struct cache_store *store)
{
    return pawl_load_relaxed(&store->next_cas); /* relaxed: numbers beyond are given by nobody yet */
}

void cache_cas_begin(struct cache_store *store, uint64_t cas)
{
    if (pawl_load_relaxed(&store->next_cas) < cas) /* relaxed, both: only to be different */
        pawl_store_relaxed(&store->next_cas, cas);
}

uint32_t cache_flush_at(const struct cache_store *store)
{
    return pawl_load_relaxed(&store->flush_at); /* relaxed: a number */
}

uint32_t cache_flushes(const struct cache_store *store)
{
    return pawl_load_relaxed(&store->epoch); /* relaxed: a number */
}
