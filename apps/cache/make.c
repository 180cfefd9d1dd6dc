/* SPDX-License-Identifier: MIT */
/* Items on their way into the store: room in a segment, a number, the map. */
#include "store_inner.h"

#include <errno.h>
#include <pawl/rcu.h>
#include <string.h>

enum {
    CAS_BLOCK = 1024, /* numbers that a session takes at once */
    ROOM_A_BYTE = 2,  /* bytes emptied for each that is stored, while memory is short */
    ROOM_A_MOVE =
        2048, /* bytes emptied for each item that is stored, while the map has taken memory of segments: when it
                         * grows, an item that is put in moves some 1 KiB of its buckets */
    SEEN_STEP = 4,
};

/* Another segment for this queue; the one that was filled goes into it. */
static struct cache_segment *next_segment(struct cache_session *session, enum cache_queue queue, size_t bytes)
{
    struct cache_pool *pool = &session->store->pool;
    struct cache_segment *segment = NULL;

    if (session->sparing && session->ready != NULL && cache_segment_room(session->ready) >= bytes) {
        segment = session->ready;
        session->ready = NULL;
        segment->queue = (uint8_t)queue;
        return segment;
    }
    if (!session->sparing) {
        cache_share_memory(session->store); /* the map may have grown since the last one */
        cache_keep_ready(session);
    }
    segment = cache_segment_take(pool, bytes);
    if (segment == NULL && errno == ENOMEM && !session->store->no_eviction && !session->sparing) {
        cache_make_room_now(session, cache_segment_size(pool, bytes));
        segment = cache_segment_take(pool, bytes);
    }
    if (segment == NULL)
        return NULL;
    segment->queue = (uint8_t)queue;
    if (!session->sparing)
        cache_gather(session);
    return segment;
}

/* A segment with room: the session's, or one for this item alone. */
static struct cache_segment *segment_for(struct cache_session *session, enum cache_queue queue, size_t bytes,
                                         bool alone, struct cache_segment **own)
{
    const struct cache_pool *pool = &session->store->pool;
    struct cache_segment *segment = session->filling[queue];

    *own = NULL;
    if (alone || bytes > pool->segment_bytes - offsetof(struct cache_segment, items))
        return *own = next_segment(session, queue, bytes);
    if (segment == NULL || cache_segment_room(segment) < bytes) {
        struct cache_segment *next = next_segment(session, queue, bytes);

        if (next == NULL)
            return NULL;
        segment = session->filling[queue]; /* what moved meanwhile may have begun another */
        if (segment != NULL && cache_segment_room(segment) >= bytes && session->ready == NULL) {
            session->ready = next;
            return segment;
        }
        if (segment != NULL)
            cache_segment_seal(segment, cache_now(session->store));
        session->filling[queue] = segment = next;
    }
    return segment;
}

/* What is new. */
static bool leaves_room(const struct cache_session *session, enum cache_queue queue, size_t bytes, bool alone)
{
    const struct cache_pool *pool = &session->store->pool;
    const struct cache_segment *segment = session->filling[queue];
    size_t room = cache_kept(session->store);

    if (alone || segment == NULL || cache_segment_room(segment) < bytes)
        room += cache_segment_size(pool, bytes);
    return cache_pool_room_soon(pool) >= (int64_t)room;
}

struct cache_item *cache_item_make(struct cache_session *session, enum cache_queue queue,
                                   const struct cache_key *key, uint32_t value_bytes, uint32_t flags,
                                   bool alone, struct cache_segment **own)
{
    const struct cache_store *store = session->store;
    const size_t bytes = cache_item_size(key->count, value_bytes, flags != 0);
    struct cache_segment *segment;
    struct cache_item *item;

    if (cache_item_counted(key->count, value_bytes, flags != 0) > store->item_max) {
        errno = E2BIG;
        return NULL;
    }
    if (PAWL_UNLIKELY(store->no_eviction) && session->grows && !session->sparing &&
        !leaves_room(session, queue, bytes, alone)) {
        errno = ENOMEM;
        return NULL;
    }
    segment = segment_for(session, queue, bytes, alone, own);
    if (segment == NULL)
        return NULL;
    item = (struct cache_item *)(void *)(segment->items + segment->used);
    segment->used += (uint32_t)bytes;
    item->key_bytes = (uint8_t)key->count;
    /* relaxed, all: the map's release publishes them */
    pawl_store_relaxed(&item->size, value_bytes);
    pawl_store_relaxed(&item->expires, 0u);
    pawl_store_relaxed(&item->heat, (uint8_t)(flags != 0 ? CACHE_FLAGGED : 0));
    cache_set_epoch(item, pawl_load_relaxed(&store->epoch));
    pawl_store_relaxed(&item->seen, (uint16_t)(cache_now(store) / SEEN_STEP));
    memcpy(item->bytes, key->bytes, key->count);
    memcpy(item->bytes + key->count + value_bytes, "\r\n", CACHE_LINE_END);
    if (flags != 0)
        memcpy(item->bytes + key->count + value_bytes + CACHE_LINE_END, &flags, sizeof(flags));
    return item;
}

static struct cache_segment *segment_of(struct cache_session *session, const struct cache_item *item)
{
    return cache_segment_of(&session->store->pool, item);
}

void cache_item_unmake(struct cache_session *session, struct cache_item *item, struct cache_segment *own)
{
    struct cache_segment *segment = segment_of(session, item);

    segment->used -= (uint32_t)cache_item_bytes(item);
    if (own != NULL) { /* it was never in the map: there is no reader to wait for */
        const struct pawl_slice slice = {.chunk = &own->chunk};

        pawl_slice_release(&slice);
    }
}

static void add_bytes(struct cache_counts *counts, int64_t bytes)
{
    PAWL_ATOMIC(int64_t) *sum = &counts->bytes;

    pawl_store_relaxed(sum, pawl_load_relaxed(sum) + bytes); /* relaxed: a figure, the caller's */
}

void cache_note_expiry(struct cache_segment *segment, uint32_t expires)
{
    uint32_t soonest = pawl_load_relaxed(&segment->soonest); /* relaxed: see cache_segment_expired */

    while (expires != 0 && (soonest == 0 || expires < soonest)) {
        if (pawl_cas_weak_relaxed(&segment->soonest, &soonest, expires))
            return;
    }
}

void cache_item_stored(struct cache_session *session, struct cache_item *item, struct cache_segment *own)
{
    struct cache_segment *segment = segment_of(session, item);
    const size_t bytes = cache_item_bytes(item);

    cache_note_expiry(segment, pawl_load_relaxed(&item->expires)); /* relaxed: see item.h */
    segment->stored += (uint32_t)bytes;
    add_bytes(&session->counts, (int64_t)bytes);
    if (own != NULL)
        cache_segment_seal(own, cache_now(session->store));
    if (!session->sparing && cache_short(session->store)) {
        const size_t room = ROOM_A_BYTE * bytes;
        const bool above = cache_pool_room_soon(&session->store->pool) < 0;

        cache_make_room(session, above && room < ROOM_A_MOVE ? ROOM_A_MOVE : room);
    }
}

void cache_item_died(struct cache_store *store, struct cache_counts *counts, struct cache_item *item)
{
    const size_t bytes = cache_item_bytes(item);

    const unsigned int lasts = pawl_load_relaxed(&item->heat) &
                               ~CACHE_STATE; /* relaxed: these bits never change */

    /* relaxed: a hint for who empties the segment */
    pawl_store_relaxed(&item->heat, (uint8_t)(lasts | CACHE_DEAD | cache_item_fetched(item)));
    cache_segment_lost(&store->pool, cache_segment_of(&store->pool, item), bytes);
    add_bytes(counts, -(int64_t)bytes);
}

uint64_t cache_next_cas(struct cache_session *session, uint64_t above)
{
    if (session->cas == session->cas_end || session->cas <= above) {
        /* relaxed: only to be different from all others, and above those that were given before */
        session->cas = pawl_fetch_add_relaxed(&session->store->next_cas, (uint64_t)CAS_BLOCK);
        session->cas_end = session->cas + CAS_BLOCK;
    }
    /* A client may have chosen a greater one; behind the greatest there is only 0, which stands for any. */
    return session->cas > above || above == UINT64_MAX ? session->cas++ : above + 1;
}
