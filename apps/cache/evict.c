/* SPDX-License-Identifier: MIT */
/* Room for what comes: the oldest segments are emptied, a few items at a time; what has expired or was flushed goes.
 *
 *   an item of the segment      dead, or no longer in the map      nothing to do
 *                               expired, flushed                   out of the map
 *                               small queue, hit since             copied into the main queue
 *                               main queue, hit since              copied behind it, with one hit less
 *                               others                             out of the map: evicted (small: a ghost stays) */
#include "store_inner.h"
#include "tap.h"

#include <errno.h>
#include <pawl/rcu.h>
#include <string.h>

enum {
    HITS_TO_STAY = 1, /* of the small queue. S3-FIFO has 2; docs/cache.md says what each misses */
    ROUNDS_MAX = 64,  /* segments emptied at once before those that are hit go too */
    ITEMS_A_STEP = 64,
    BUCKETS_A_STEP = 64,
    WAITS_IN_VAIN_MAX = 3, /* when nothing could be emptied */
    WAITS_MAX = 64,        /* when something was, and other workers were faster */
    TRIES_MAX = 16,        /* for one item */
    LITTLE_PART =
        8, /* of a segment: an item that is larger leaves as much, when it is replaced, as is asked for with others */
    COMPACT_PART = 4, /* a segment of which less than this part is left is emptied out of turn */
};

static uint64_t hash_of(const struct cache_store *store, const struct cache_item *item)
{
    return cache_hash_of(item, &store->map.seed);
}

/* ---- one item ---- */

static bool take_out(struct cache_store *store, struct cache_counts *counts, struct cache_item *item)
{
    if (pawl_map_del_object(&store->map, hash_of(store, item), item) != 0)
        return false;
    cache_item_died(store, counts, item);
    return true;
}

/* It has just gone, and stands where it stood until the section ends. */
static void tell(struct cache_store *store, enum cache_tap_kind kind, const struct cache_item *item)
{
    if (PAWL_UNLIKELY((cache_tap_wanted(store->tap) >> kind & 1) != 0))
        cache_tap_item(store->tap, store, kind, item);
}

static void drop_expired(struct cache_store *store, struct cache_counts *counts, struct cache_item *item)
{
    const bool fetched = cache_item_fetched(item);

    if (!take_out(store, counts, item))
        return;
    tell(store, CACHE_TAP_EXPIRE, item);
    cache_count(&counts->expired);
    if (!fetched)
        cache_count(&counts->expired_unfetched);
}

static void evict(struct cache_session *session, struct cache_item *item, enum cache_queue queue)
{
    const bool fetched = cache_item_fetched(item);
    const uint64_t hash = hash_of(session->store, item);

    if (!take_out(session->store, &session->counts, item))
        return;
    tell(session->store, CACHE_TAP_EVICT, item);
    cache_count(&session->counts.evictions);
    if (!fetched)
        cache_count(&session->counts.evicted_unfetched);
    if (queue == CACHE_SMALL)
        cache_ghost_add(&session->store->ghosts, hash);
}

/* A copy of the item in a queue, in its place in the map. False: there is no room for it. */
static bool spare(struct cache_session *session, struct cache_item *item, uint8_t heat,
                  enum cache_queue queue)
{
    const uint64_t hash = hash_of(session->store, item);
    const struct cache_key key = {item->bytes, item->key_bytes, hash};
    const uint32_t bytes = cache_item_value_bytes(item);
    const uint32_t expires = pawl_load_relaxed(&item->expires); /* relaxed: see item.h */
    struct cache_segment *own;
    struct cache_item *copy;

    session->sparing = true;
    copy = cache_item_make(session, queue, &key, bytes, cache_item_flags(item), false, &own);
    session->sparing = false;
    if (copy == NULL)
        return false;
    memcpy(copy->bytes + key.count, cache_item_value(item), bytes);
    cache_item_set_cas(copy, cache_item_cas(item));
    /* relaxed, all: the map's release publishes them; see item.h */
    pawl_store_relaxed(&copy->size, pawl_load_relaxed(&item->size));
    pawl_store_relaxed(&copy->expires, expires);
    pawl_store_relaxed(&copy->heat, heat);
    pawl_store_relaxed(&copy->seen, pawl_load_relaxed(&item->seen));
    if (pawl_map_replace_object(&session->store->map, hash, item, copy) != 0) {
        cache_item_unmake(session, copy, own);
        return true; /* it has gone meanwhile */
    }
    cache_follow_touch(item, copy, expires);
    if (cache_item_won(item))
        (void)cache_win(copy);
    cache_item_died(session->store, &session->counts, item);
    session->sparing = true;
    cache_item_stored(session, copy, own);
    session->sparing = false;
    cache_count(&session->counts.spared);
    return true;
}

/* Hits that are left to an item that stays; -1: it goes. By the heat that was read once, as what is stored with them: else a hit
 * that comes between could make a state of nothing. */
static int hits_left(uint8_t heat, enum cache_queue queue)
{
    const int hits = heat & CACHE_HEAT;

    if (queue == CACHE_SMALL)
        return hits >= HITS_TO_STAY ? 0 : -1;
    return hits - 1;
}

/* Empties a segment of one item. Whoever calls is in a section. */
static void settle(struct cache_session *session, struct cache_item *item, enum cache_queue queue,
                   bool spare_hit)
{
    const uint8_t heat = pawl_load_relaxed(&item->heat); /* relaxed: see item.h */
    const int hits = hits_left(heat, queue);

    if (cache_heat_dead(heat))
        return;
    if (!cache_valid(session->store, item)) {
        drop_expired(session->store, &session->counts, item);
        return;
    }
    if (spare_hit && hits >= 0 && spare(session, item, (uint8_t)((heat & ~CACHE_HEAT) | hits), CACHE_MAIN))
        return;
    evict(session, item, queue);
}

/* A hit may have undone the mark of a dead one. In a section. */
static bool is_there(const struct cache_store *store, const struct cache_item *item)
{
    const struct cache_key key = {item->bytes, item->key_bytes, hash_of(store, item)};

    return pawl_map_get_by(&store->map, key.hash, &key, cache_equal) == item;
}

/* One item of it, hit or not. False: there is no room for it, and it may not go. In a section. */
static bool move(struct cache_session *session, struct cache_item *item, enum cache_queue queue)
{
    const uint8_t heat = pawl_load_relaxed(&item->heat); /* relaxed: see item.h */

    if (cache_heat_dead(heat))
        return true;
    if (!cache_valid(session->store, item)) {
        drop_expired(session->store, &session->counts, item);
        return true;
    }
    if (spare(session, item, heat, queue))
        return true;
    if (session->store->no_eviction && is_there(session->store, item))
        return false;
    evict(session, item, queue);
    return true;
}

/* ---- a segment ---- */

/* An item that has a segment for itself is not copied: the segment goes to the back of the queue. */
static bool spare_whole(struct cache_session *session, struct cache_segment *segment)
{
    struct cache_item *item = cache_segment_next(segment, NULL);
    uint8_t heat;
    int hits;

    if (segment->size == session->store->pool.segment_bytes || item == NULL ||
        !cache_valid(session->store, item))
        return false;
    heat = pawl_load_relaxed(&item->heat); /* relaxed: see item.h */
    hits = hits_left(heat, segment->queue);
    if (cache_heat_dead(heat) || hits < 0)
        return false;
    pawl_store_relaxed(&item->heat, (uint8_t)((heat & ~CACHE_HEAT) | hits)); /* relaxed: as above */
    segment->queue = CACHE_MAIN;
    cache_segment_seal(segment, cache_now(session->store));
    cache_count(&session->counts.spared);
    return true;
}

/* Goes on with the session's segment, or begins another, for up to `items` and `bytes`. False: there is none, or no room
 * for what would be spared. */
static bool empty_some(struct cache_session *session, unsigned items, size_t bytes, bool spare_hit)
{
    struct cache_segment *segment = session->emptying;
    struct cache_item *item = NULL;
    size_t done = 0;

    if (segment == NULL) {
        /* What is spared needs room before this segment gives some. */
        if (session->ready == NULL && spare_hit) {
            session->ready = cache_segment_take_spare(&session->store->pool, false);
            if (session->ready == NULL)
                return false;
        }
        segment = spare_hit ? cache_segment_half_dead(&session->store->pool) : NULL;
        session->moving = segment != NULL;
        if (segment == NULL)
            segment = cache_segment_oldest(&session->store->pool);
        if (segment == NULL)
            return false;
        if (!session->moving && spare_hit && spare_whole(session, segment))
            return true;
        session->emptying = segment;
        session->emptied = NULL;
    } else {
        spare_hit = true; /* one that is not finished was begun with room for what it spares */
    }
    pawl_rcu_read_lock();
    while (items-- > 0 && done < bytes && (item = cache_segment_next(segment, session->emptied)) != NULL) {
        session->emptied = item;
        done += cache_item_bytes(item);
        if (session->moving)
            (void)move(session, item, segment->queue);
        else
            settle(session, item, segment->queue, spare_hit);
    }
    pawl_rcu_read_unlock();
    if (cache_segment_next(segment, session->emptied) == NULL) {
        session->emptying = NULL;
        cache_segment_retire(segment);
    }
    return true;
}

/* ---- what was overwritten or deleted ---- */

/* Copies what is left of a segment and retires it. If there is no room for all of it some goes; but where nothing may, the segment
 * stays: false. It is nobody else's meanwhile, so readers need not wait until all of it has moved. */
static bool compact(struct cache_session *session, struct cache_segment *segment)
{
    struct cache_item *item = NULL;
    bool stays = false;

    do {
        pawl_rcu_read_lock();
        for (int i = 0; i < ITEMS_A_STEP && (item = cache_segment_next(segment, item)) != NULL && !stays; i++)
            stays = !move(session, item, segment->queue);
        pawl_rcu_read_unlock();
    } while (item != NULL && !stays);
    if (stays)
        cache_segment_seal(segment, cache_now(session->store));
    else
        cache_segment_retire(segment);
    return !stays;
}

void cache_keep_ready(struct cache_session *session)
{
    if (session->store->no_eviction && session->ready == NULL)
        session->ready = cache_segment_take_spare(&session->store->pool, false);
}

/* False: there is nothing to be gained. */
static bool gather(struct cache_session *session, struct cache_thrift thrift)
{
    struct cache_store *store = session->store;
    struct cache_segment *segment;

    cache_keep_ready(session);
    thrift.without_loss = store->no_eviction;
    thrift.may_move = !store->no_eviction || session->ready != NULL;
    segment = cache_segment_sparse(&store->pool, &thrift);
    return segment != NULL && compact(session, segment);
}

void cache_gather(struct cache_session *session)
{
    const uint64_t spare = pawl_load_relaxed(&session->store->reserve); /* relaxed: see store_inner.h */

    (void)gather(session, (struct cache_thrift){.spare = spare});
}

/* ---- room ---- */

void cache_prepare(struct cache_session *session)
{
    struct cache_pool *pool = &session->store->pool;

    /* relaxed: if it has just changed, the next one sees it */
    if (pawl_load_relaxed(&pool->waiting_count) != 0 && !pawl_rcu_read_held())
        cache_pool_reap(pool);
}

void cache_make_room(struct cache_session *session, size_t bytes)
{
    if (!session->store->no_eviction)
        (void)empty_some(session, ITEMS_A_STEP, bytes, true);
}

/* Empties segments until so much is free or waits to be. */
static void empty_until(struct cache_session *session, size_t bytes, bool spare_hit)
{
    struct cache_pool *pool = &session->store->pool;
    bool found = true;

    for (unsigned round = 0; found && cache_pool_room(pool, true) < bytes; round++)
        found = empty_some(session, UINT32_MAX, SIZE_MAX, spare_hit && round < ROUNDS_MAX);
    cache_pool_reap(pool);
}

void cache_make_room_now(struct cache_session *session, size_t bytes)
{
    empty_until(session, bytes, true);
}

static void wait_for_readers(struct cache_pool *pool)
{
    pawl_rcu_synchronize();
    cache_pool_reap(pool);
}

/* What was emptied last has not come back yet, so there was none for what moves. False: it is not that. */
static bool wait_for_ready(struct cache_session *session)
{
    if (session->ready != NULL)
        return false;
    wait_for_readers(&session->store->pool);
    session->ready = cache_segment_take_spare(&session->store->pool, true);
    return session->ready != NULL;
}

/* What has to be free before an item can be made. 0: what is left in the segment that is filled will do. */
static size_t room_to_make(const struct cache_session *session, size_t item_bytes, bool alone)
{
    const struct cache_segment *segment = session->filling[CACHE_SMALL];
    const size_t room = session->grows ? cache_kept(session->store) : 0;

    return !alone && segment != NULL && cache_segment_room(segment) >= item_bytes
               ? room
               : room + cache_segment_size(&session->store->pool, item_bytes);
}

/* Nothing may be evicted: what was overwritten, deleted or flushed has to make room, for what moves besides. True: it is worth
 * another try. */
static bool wait_for_dead(struct cache_session *session, size_t item_bytes, bool alone)
{
    struct cache_pool *pool = &session->store->pool;
    const size_t segment_bytes = pool->segment_bytes;
    const bool hard = !session->grows && !alone && item_bytes <= segment_bytes / LITTLE_PART;
    const struct cache_thrift thrift = {.now = true, .hard = hard};
    size_t room = room_to_make(session, item_bytes, alone);
    /* Every other time gives as much as that part of a segment. If that is not enough others took it. */
    size_t times = 2 * (room / segment_bytes + 2) * (hard ? CACHE_HARDLY_RIPE_PART : CACHE_RIPE_PART);

    /* Somebody else has made some; or it is not the limit: the system has no more memory. */
    if (cache_pool_room(pool, false) >= room) {
        (void)gather(session, thrift);
        return true;
    }
    while (room != 0 && cache_pool_room(pool, true) < room + (session->ready == NULL ? segment_bytes : 0)) {
        if (times-- == 0 || !(gather(session, thrift) || wait_for_ready(session))) {
            if (hard) /* there are gaps enough: other workers are busy with them */
                wait_for_readers(pool);
            return hard;
        }
        room = room_to_make(session, item_bytes,
                            alone); /* less, when what has moved left a part of its segment */
    }
    if (room != 0)
        wait_for_readers(pool);
    return true;
}

bool cache_wait_for_room(struct cache_session *session, size_t item_bytes, bool alone, unsigned tries)
{
    struct cache_pool *pool = &session->store->pool;
    const size_t bytes = cache_segment_size(pool, item_bytes);
    int in_vain = 0;

    if (pawl_rcu_read_held() || tries == TRIES_MAX)
        return false;
    if (session->store->no_eviction)
        return wait_for_dead(session, item_bytes, alone);
    /* It is not the limit: the system has no more memory. What is emptied can be used again. */
    if (cache_pool_room(pool, false) >= bytes)
        (void)empty_some(session, UINT32_MAX, SIZE_MAX, false);
    for (int wait = 0; wait < WAITS_MAX && in_vain < WAITS_IN_VAIN_MAX; wait++) {
        empty_until(session, bytes, wait == 0);
        in_vain += cache_pool_room(pool, true) < bytes;
        wait_for_readers(pool);
        if (cache_pool_room(pool, false) >= bytes)
            return true;
    }
    return false;
}

bool cache_short(struct cache_store *store)
{
    const uint64_t reserve = pawl_load_relaxed(&store->reserve); /* relaxed: see store_inner.h */

    return cache_pool_room_soon(&store->pool) < (int64_t)(reserve * store->pool.segment_bytes);
}

void cache_share_memory(struct cache_store *store)
{
    const size_t limit = pawl_load_relaxed(&store->limit); /* relaxed: a setting */
    /* Where nothing may be evicted, nothing is refused for what is about to come back. */
    const size_t taken = cache_map_memory(store, !store->no_eviction) + cache_ghosts_bytes(&store->ghosts);

    cache_pool_limit(&store->pool, limit > taken ? limit - taken : 0);
}

/* ---- what has expired ---- */

/* Removes what has expired from a segment that stays where it is. */
static void expire_in(struct cache_session *session, struct cache_segment *segment)
{
    const struct cache_store *store = session->store;
    struct cache_item *item = NULL;

    pawl_store_relaxed(&segment->soonest, 0u); /* relaxed: those that are touched meanwhile note themselves */
    pawl_rcu_read_lock();
    while ((item = cache_segment_next(segment, item)) != NULL) {
        if (cache_item_dead(item))
            continue;
        if (cache_valid(store, item))
            cache_note_expiry(segment, pawl_load_relaxed(&item->expires));
        else
            drop_expired(session->store, &session->counts, item);
    }
    pawl_rcu_read_unlock();
}

/* Returns whether there are more segments to look at. */
static bool expire_some(struct cache_session *session)
{
    const uint32_t now = cache_now(session->store);
    bool more;

    /* What this session fills, nobody else may look through. */
    for (int queue = 0; queue < CACHE_QUEUES; queue++) {
        struct cache_segment *own = session->filling[queue];

        if (own != NULL && cache_segment_due(own, now))
            expire_in(session, own);
    }
    struct cache_segment *segment = cache_segment_expired(&session->store->pool, cache_now(session->store),
                                                          &more);
    bool take;

    if (segment == NULL)
        return more;
    expire_in(session, segment);
    /* relaxed: a hint */
    take = segment->stored - pawl_load_relaxed(&segment->dead) < segment->stored / COMPACT_PART &&
           segment->size == session->store->pool.segment_bytes;
    cache_segment_leave(segment, take);
    if (take)
        (void)compact(session, segment);
    return true;
}

/* ---- what was flushed ---- */

/* With the store's lock, whose counts are those of nobody's session. */
static void purge_item(void *object, void *argument)
{
    struct cache_store *store = argument;
    struct cache_item *item = object;

    if (!cache_valid(store, item))
        drop_expired(store, &store->closed, item);
}

/* With the store's lock. */
static void purge_some(struct cache_store *store)
{
    pawl_rcu_read_lock();
    store->purging = pawl_map_walk(&store->map, &store->purge, BUCKETS_A_STEP, purge_item, store);
    pawl_rcu_read_unlock();
    if (!store->purging)
        store->purged_epoch = pawl_load_relaxed(&store->epoch); /* relaxed: changed under this lock */
}

/* The same when there is time. Who looked before the last flush may put what is older than it wherever a walk has been already: so this
 * one begins when all those have left. Returns whether there is more to do now. */
static bool purge_in_time(struct cache_store *store)
{
    if (!store->purging || !pawl_rcu_poll(store->flushed))
        return false;
    purge_some(store);
    return store->purging;
}

/* An item carries 3 bits of its epoch: before they come round again all older items must have gone. Flushes that come faster than
 * there is time for walks cannot wait, as they may be in a section themselves: what somebody puts behind this walk has the next one,
 * which comes one epoch early for that. With the store's lock. */
static void purge_now(struct cache_store *store)
{
    /* relaxed: our lock */
    while (pawl_load_relaxed(&store->epoch) - store->purged_epoch >= 256 / CACHE_EPOCH - 2)
        purge_some(store);
}

void cache_flush(struct cache_store *store, uint32_t when)
{
    if (when > cache_now(store)) {
        /* release F: pairs with the acquire in cache_tick */
        pawl_store_release(&store->flush_at, when);
        return;
    }
    pawl_mutex_lock(&store->lock);
    purge_now(store);
    pawl_fetch_add_relaxed(&store->epoch,
                           1u); /* relaxed: cache_valid compares a number that is as old as the read */
    cache_pool_flush(&store->pool);
    store->flushed = pawl_rcu_start_poll();
    store->purge = (struct pawl_map_cursor){0};
    store->purging = true;
    pawl_mutex_unlock(&store->lock);
}

void cache_flush_after(struct cache_store *store, int64_t exptime)
{
    const uint32_t when = exptime > 0 ? cache_expiry(store, exptime) : 0;

    pawl_store_relaxed(&store->flush_at,
                       0u); /* relaxed: one that was to come is forgotten, nothing is published */
    if (exptime <= 0)
        cache_flush(store, cache_now(store));
    else if (when >= cache_now(store))
        cache_flush(store, when - 1);
}

/* ---- all of it ---- */

bool cache_maintain(struct cache_session *session)
{
    struct cache_store *store = session->store;
    bool more;

    pawl_mutex_lock(&store->lock);
    more = purge_in_time(store);
    pawl_mutex_unlock(&store->lock);
    more |= expire_some(session);
    more |= pawl_map_help(&store->map, BUCKETS_A_STEP);
    cache_share_memory(store);
    if (!store->no_eviction && cache_short(store))
        more |= empty_some(session, ITEMS_A_STEP, SIZE_MAX, true);
    cache_pool_reap(&store->pool);
    return more;
}
