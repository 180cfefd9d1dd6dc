/* SPDX-License-Identifier: MIT */
/* Opening, sessions, time, reading, figures. */
#include "store_inner.h"

#include <errno.h>
#include <pawl/park.h>
#include <pawl/rcu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
    LIMIT_MIN = 1 << 20,
    BYTES_A_GHOST = 256,       /* of memory for each hash that is remembered */
    RESERVE = 2,               /* free segments, and as many for each session */
    CLOCK_START = 2,           /* 0 is never, 1 long ago */
    MONTH = 60 * 60 * 24 * 30, /* exptimes above are dates */
    LONG_AGO = 1,
    SEEN_STEP = 4, /* seconds */
};

#define SECOND UINT64_C(1000000000)

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* ---- what the map asks ---- */

uint64_t cache_hash_of(const void *object, const struct pawl_hash_seed *seed)
{
    const struct cache_item *item = object;

    return pawl_hash_bytes(item->bytes, item->key_bytes, seed);
}

/* ---- the map's memory ---- */

/* As the map does it for itself, but with huge pages: buckets are touched at random. Tables from here on are mappings, which are
 * counted: of one that it has given up the map tells no more, but it takes memory until RCU's worker gives it back. */
enum { FROM_KERNEL = 1 << 16 };

static size_t whole_pages(size_t bytes)
{
    return (bytes + CACHE_PAGE - 1) & ~(size_t)(CACHE_PAGE - 1);
}

static void *allocate_table(size_t bytes, void *context)
{
    struct cache_store *store = context;
    void *memory;

    if (bytes < FROM_KERNEL) {
        memory = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
        return memory == NULL ? NULL : memset(memory, 0, bytes);
    }
    memory = cache_map_aligned(whole_pages(bytes), bytes >= CACHE_HUGE_PAGE ? CACHE_HUGE_PAGE : CACHE_PAGE);
    if (memory != NULL)
        pawl_fetch_add_relaxed(&store->tables, bytes); /* relaxed: a figure */
    return memory;
}

static void release_table(void *memory, size_t bytes, void *context)
{
    struct cache_store *store = context;

    if (bytes < FROM_KERNEL) {
        free(memory);
        return;
    }
    (void)munmap(memory, whole_pages(bytes));      /* whole mappings of ours */
    pawl_fetch_sub_relaxed(&store->tables, bytes); /* relaxed: a figure */
}

size_t cache_map_memory(const struct cache_store *store, bool given_up)
{
    struct pawl_map_counts map;
    size_t tables;

    pawl_map_stats(&store->map, &map);
    tables = given_up ? pawl_load_relaxed(&store->tables) : 0; /* relaxed: a figure */
    return tables > map.bytes ? tables : map.bytes;
}

/* ---- opening ---- */

int cache_store_open(struct cache_store **out, const struct cache_store_config *config)
{
    struct pawl_map_memory memory = {allocate_table, release_table, NULL};
    const struct pawl_map_options options = {.equal = cache_equal,
                                             .hash_of = cache_hash_of,
                                             .entries = config->entries,
                                             .memory = &memory};
    struct cache_store *store;
    int error;

    if (config->limit < LIMIT_MIN || config->item_max == 0 || config->item_max > CACHE_VALUE_MAX)
        return -EINVAL;
    store = aligned_alloc(_Alignof(struct cache_store), sizeof(*store));
    if (store == NULL)
        return -ENOMEM;
    memset(store, 0, sizeof(*store));
    memory.context = store;
    pawl_store_relaxed(&store->limit, config->limit); /* relaxed: nobody else knows the store */
    store->item_max = config->item_max;
    store->no_eviction = config->no_eviction;
    store->tap = config->tap;
    store->opened_ns = clock_ns();
    store->opened_unix = (int64_t)time(NULL);
    pawl_store_relaxed(&store->now,
                       (uint32_t)CLOCK_START); /* relaxed, all here: nobody else knows the store */
    pawl_store_relaxed(&store->reserve, (uint64_t)RESERVE);
    pawl_store_relaxed(&store->next_cas, UINT64_C(1));
    pawl_mutex_init(&store->lock, 0);
    error = cache_ghosts_open(&store->ghosts, config->limit / BYTES_A_GHOST);
    if (error == 0) {
        error = pawl_map_init(&store->map, &options);
        if (error != 0)
            cache_ghosts_close(&store->ghosts);
    }
    if (error != 0) {
        free(store);
        return error;
    }
    cache_pool_open(&store->pool, config->limit - cache_ghosts_bytes(&store->ghosts), config->sessions);
    *out = store;
    return 0;
}

void cache_store_close(struct cache_store *store)
{
    if (store == NULL)
        return;
    pawl_map_destroy(&store->map);
    cache_pool_close(&store->pool);
    cache_ghosts_close(&store->ghosts);
    free(store);
}

int cache_store_limit(struct cache_store *store, size_t bytes)
{
    struct pawl_map_counts map;

    pawl_map_stats(&store->map, &map);
    if (bytes < LIMIT_MIN || bytes < map.bytes + cache_ghosts_bytes(&store->ghosts) + 2 * store->item_max)
        return -EINVAL;
    pawl_store_relaxed(&store->limit, bytes); /* relaxed: the next upkeep shares it out */
    return 0;
}

static void change_reserve(struct cache_store *store, int64_t segments)
{
    pawl_fetch_add_relaxed(&store->reserve, (uint64_t)segments); /* relaxed: see store_inner.h */
}

struct cache_session *cache_session_open(struct cache_store *store)
{
    struct cache_session *session = aligned_alloc(_Alignof(struct cache_session), sizeof(*session));

    if (session == NULL)
        return NULL;
    memset(session, 0, sizeof(*session));
    session->store = store;
    change_reserve(store, RESERVE);
    pawl_mutex_lock(&store->lock);
    session->next = store->sessions;
    store->sessions = session;
    pawl_mutex_unlock(&store->lock);
    return session;
}

/* Sums of the words of two counts. */
static void add_counts(struct cache_counts *to, const struct cache_counts *from)
{
#define ADD(field) \
    pawl_store_relaxed(&to->field, pawl_load_relaxed(&to->field) + pawl_load_relaxed(&from->field))
    /* relaxed: figures; `to` is under the lock or the caller's own */
    ADD(stored);
    ADD(evictions);
    ADD(evicted_unfetched);
    ADD(expired);
    ADD(expired_unfetched);
    ADD(spared);
    ADD(ghosts);
    ADD(get_expired);
    ADD(get_flushed);
    ADD(bytes);
#undef ADD
}

void cache_session_close(struct cache_session *session)
{
    struct cache_store *store = session->store;
    struct cache_session **link = &store->sessions;

    for (int queue = 0; queue < CACHE_QUEUES; queue++) {
        if (session->filling[queue] != NULL)
            cache_segment_seal(session->filling[queue], cache_now(store));
    }
    if (session->ready != NULL)
        cache_segment_retire(session->ready);
    if (session->emptying != NULL)
        cache_segment_seal(session->emptying, cache_now(store)); /* to be looked through again */
    change_reserve(store, -RESERVE);
    pawl_mutex_lock(&store->lock);
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    add_counts(&store->closed, &session->counts);
    pawl_mutex_unlock(&store->lock);
    free(session);
}

struct cache_store *cache_session_store(const struct cache_session *session)
{
    return session->store;
}

/* ---- keys ---- */

void cache_key_make(const struct cache_store *store, struct cache_key *key, const char *bytes, size_t count)
{
    key->bytes = bytes;
    key->count = (uint32_t)count;
    key->hash = pawl_hash_bytes(bytes, count, &store->map.seed);
}

void cache_prefetch(const struct cache_store *store, const struct cache_key *key)
{
    pawl_map_prefetch(&store->map, key->hash);
}

void cache_prefetch_item(const struct cache_store *store, uint64_t hash, size_t bytes)
{
    pawl_map_prefetch_object(&store->map, hash, bytes);
}

/* ---- time ---- */

void cache_tick(struct cache_store *store)
{
    const uint32_t skipped = pawl_load_relaxed(&store->skipped); /* relaxed: the next tick is as good */
    const uint32_t now = CLOCK_START + skipped + (uint32_t)((clock_ns() - store->opened_ns) / SECOND);
    /* acquire F: pairs with the release in cache_flush */
    uint32_t flush_at = pawl_load_acquire(&store->flush_at);

    if (now != pawl_load_relaxed(&store->now))
        pawl_store_relaxed(&store->now, now); /* relaxed: see store_inner.h */
    /* relaxed: whoever takes it carries it out */
    if (flush_at != 0 && flush_at <= now && pawl_cas_relaxed(&store->flush_at, &flush_at, 0u))
        cache_flush(store, 0);
}

uint32_t cache_now(const struct cache_store *store)
{
    return pawl_load_relaxed(&store->now); /* relaxed: it is as good as its tick */
}

void cache_skip(struct cache_store *store, uint32_t seconds)
{
    pawl_fetch_add_relaxed(&store->skipped, seconds); /* relaxed: the tick that follows is this thread's */
    cache_tick(store);
}

uint32_t cache_expiry(const struct cache_store *store, int64_t exptime)
{
    const int64_t now = cache_now(store);

    if (exptime == 0)
        return 0;
    if (exptime < 0)
        return LONG_AGO;
    if (exptime > MONTH) {
        /* A date: as far from now as it is from the Unix clock, which may have been set since. */
        exptime = exptime - (int64_t)time(NULL) - pawl_load_relaxed(&store->skipped); /* relaxed: for tests */
        if (exptime <= 0)
            return LONG_AGO;
    }
    return now + exptime < (int64_t)UINT32_MAX ? (uint32_t)(now + exptime) : UINT32_MAX;
}

int64_t cache_ttl(const struct cache_store *store, const struct cache_item *item)
{
    const uint32_t expires = pawl_load_relaxed(&item->expires); /* relaxed: see item.h */
    const uint32_t now = cache_now(store);

    return expires == 0 ? -1 : expires > now ? (int64_t)(expires - now) : 0;
}

static uint16_t seen_now(const struct cache_store *store)
{
    return (uint16_t)(cache_now(store) / SEEN_STEP);
}

uint32_t cache_age(const struct cache_store *store, const struct cache_item *item)
{
    /* relaxed: see item.h. A difference of 16 bits: right up to 72 hours */
    return (uint32_t)(uint16_t)(seen_now(store) - pawl_load_relaxed(&item->seen)) * SEEN_STEP;
}

/* ---- reading ---- */

/* It is there, but has expired or was flushed. */
static PAWL_COLD void count_invalid(struct cache_session *session, const struct cache_item *item)
{
    struct cache_counts *counts = &session->counts;
    const uint32_t expires = pawl_load_relaxed(&item->expires); /* relaxed, both: it is a figure */

    cache_count(expires != 0 && expires <= pawl_load_relaxed(&session->store->now) ? &counts->get_expired
                                                                                   : &counts->get_flushed);
}

struct cache_item *cache_find(struct cache_session *session, const struct cache_key *key)
{
    const struct cache_store *store = session->store;
    struct cache_item *item = pawl_map_get_by(&store->map, key->hash, key, cache_equal);

    if (item == NULL || PAWL_LIKELY(cache_valid(store, item)))
        return item;
    count_invalid(session, item);
    return NULL;
}

void cache_hit(struct cache_session *session, struct cache_item *item)
{
    const uint8_t heat = pawl_load_relaxed(&item->heat); /* relaxed, all here: see item.h */
    const uint16_t seen = seen_now(session->store);

    if ((heat & CACHE_HEAT) != CACHE_HEAT)
        pawl_store_relaxed(&item->heat, (uint8_t)((heat + 1) | CACHE_FETCHED));
    if (pawl_load_relaxed(&item->seen) != seen)
        pawl_store_relaxed(&item->seen, seen);
}

struct pawl_chunk *cache_chunk(const struct cache_session *session, const struct cache_item *item)
{
    return &cache_segment_of(&session->store->pool, item)->chunk;
}

uint32_t cache_refer_from(const struct cache_store *store)
{
    enum { LEAST = 2048, PARTS = 32 };
    const size_t part = store->pool.segment_bytes / PARTS;

    return part > LEAST ? (uint32_t)part : LEAST;
}

struct pawl_chunk *cache_store_chunk(const struct cache_store *store, const struct cache_item *item)
{
    return &cache_segment_of(&store->pool, item)->chunk;
}

/* ---- figures ---- */

void cache_figures(const struct cache_store *const_store, struct cache_figures *figures)
{
    struct cache_store *store = (struct cache_store *)(uintptr_t)const_store; /* to lock */
    const uint64_t map_memory = cache_map_memory(store, true);
    struct pawl_map_counts map;
    struct cache_counts sum;

    memset(&sum, 0, sizeof(sum));
    memset(figures, 0, sizeof(*figures));
    pawl_map_stats(&store->map, &map);
    pawl_mutex_lock(&store->lock);
    add_counts(&sum, &store->closed);
    for (const struct cache_session *session = store->sessions; session != NULL; session = session->next)
        add_counts(&sum, &session->counts);
    pawl_mutex_unlock(&store->lock);

    figures->items = map.entries;
    figures->total_items = pawl_load_relaxed(&sum.stored); /* relaxed, all: this thread's own */
    figures->bytes = (uint64_t)pawl_load_relaxed(&sum.bytes);
    figures->evictions = pawl_load_relaxed(&sum.evictions);
    figures->evicted_unfetched = pawl_load_relaxed(&sum.evicted_unfetched);
    figures->expired = pawl_load_relaxed(&sum.expired);
    figures->expired_unfetched = pawl_load_relaxed(&sum.expired_unfetched);
    figures->spared = pawl_load_relaxed(&sum.spared);
    figures->ghosts = pawl_load_relaxed(&sum.ghosts);
    figures->get_expired = pawl_load_relaxed(&sum.get_expired);
    figures->get_flushed = pawl_load_relaxed(&sum.get_flushed);
    figures->limit = pawl_load_relaxed(&store->limit); /* relaxed: a setting */
    figures->map_bytes = map.bytes;
    figures->map_buckets = map.buckets;
    figures->map_resizing = map.resizing;
    pawl_mutex_lock(&store->pool.lock);
    figures->segments = store->pool.count;
    figures->segments_free = store->pool.free_count;
    figures->age = cache_now(store) - cache_pool_oldest(&store->pool, cache_now(store));
    figures->segment_bytes = store->pool.segment_bytes;
    figures->memory = store->pool.memory + map_memory + cache_ghosts_bytes(&store->ghosts);
    pawl_mutex_unlock(&store->pool.lock);
}
