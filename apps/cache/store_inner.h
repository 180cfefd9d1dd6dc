/* SPDX-License-Identifier: MIT */
/* What the files of the store share. */
#ifndef CACHE_STORE_INNER_H
#define CACHE_STORE_INNER_H

#include "ghost.h"
#include "segment.h"
#include "store.h"

#include <string.h>

/* What a session counts: its own words, which others read. */
struct cache_counts {
    PAWL_ATOMIC(uint64_t)
    stored, evictions, evicted_unfetched, expired, expired_unfetched, spared, ghosts, get_expired,
        get_flushed;
    PAWL_ATOMIC(int64_t) bytes; /* of items put into the map, less those that it took out */
};

struct cache_session {
    struct cache_store *store;
    struct cache_session *next; /* of the store's */
    struct cache_segment *filling[CACHE_QUEUES];
    struct cache_segment
        *ready; /* empty: for what is spared when the main queue's is full; with -M always kept */
    struct cache_segment *emptying;
    bool moving;                /* it was half dead: what is left of it stays */
    struct cache_item *emptied; /* the last item of it that was looked at; NULL: none yet */
    uint64_t cas, cas_end;      /* numbers that are this session's to give */
    bool sparing;               /* an item is being copied: nothing is emptied for its sake */
    bool grows; /* what is being made is new. With -M it leaves room for changes: cache_kept() */
    struct cache_counts counts;
} PAWL_LINE_PAIR_ALIGNED;

struct cache_store {
    /* read by all, written now and then */
    struct pawl_map map;
    struct cache_pool pool;
    struct cache_ghosts ghosts;
    PAWL_ATOMIC(size_t) limit; /* relaxed: a setting */
    size_t item_max;
    bool no_eviction;
    struct cache_tap *tap;          /* or NULL */
    PAWL_ATOMIC(uint32_t) now;      /* the clock. Relaxed: it is as good as its tick */
    PAWL_ATOMIC(uint32_t) epoch;    /* F: flushes so far */
    PAWL_ATOMIC(uint32_t) flush_at; /* F: a flush is due then; 0: none */
    PAWL_ATOMIC(uint32_t) skipped;  /* seconds */
    PAWL_ATOMIC(uint64_t)
    reserve; /* segments that should be free. Relaxed: changed when sessions come and go */
    uint64_t opened_ns;
    int64_t opened_unix;
    PAWL_ATOMIC(uint64_t) next_cas PAWL_LINE_PAIR_ALIGNED; /* relaxed: only to be different */
    PAWL_ATOMIC(size_t)
    tables; /* bytes of the map's, also of those that it has given up. Relaxed: a figure */
    /* under the lock */
    struct pawl_mutex lock PAWL_LINE_PAIR_ALIGNED;
    struct cache_session *sessions;
    struct cache_counts closed;   /* what closed sessions had counted */
    struct pawl_map_cursor purge; /* how far the walk is that removes what was flushed */
    uint64_t flushed;             /* the grace period after the last flush */
    uint32_t purged_epoch;        /* all of earlier epochs is gone */
    bool purging;
};

/* For pawl_map_get_by: has the item this key? */
static inline bool cache_equal(const void *object, const void *key)
{
    const struct cache_item *item = object;
    const struct cache_key *wanted = key;

    return item->key_bytes == wanted->count && memcmp(item->bytes, wanted->bytes, wanted->count) == 0;
}

/* The only writer of a count is its session. */
static inline void cache_count(PAWL_ATOMIC(uint64_t) * count)
{
    pawl_store_relaxed(count, pawl_load_relaxed(count) + 1); /* relaxed: figures */
}

static inline uint32_t cache_epoch_of(const struct cache_item *item)
{
    return pawl_load_relaxed(&item->heat) / CACHE_EPOCH; /* relaxed: these bits never change */
}

/* Neither expired nor flushed when there had been `epoch` flushes. */
static inline bool cache_valid_in(const struct cache_store *store, const struct cache_item *item,
                                  uint32_t epoch)
{
    const uint32_t expires = pawl_load_relaxed(&item->expires); /* relaxed: see item.h */

    return (expires == 0 || expires > pawl_load_relaxed(&store->now)) &&
           cache_epoch_of(item) == epoch % (256 / CACHE_EPOCH);
}

/* Neither flushed nor expired. */
static inline bool cache_valid(const struct cache_store *store, const struct cache_item *item)
{
    /* relaxed: who saw an item of a later epoch in the map sees that epoch */
    return cache_valid_in(store, item, pawl_load_relaxed(&store->epoch));
}

/* Of a new item: it was stored in this epoch, and was never hit. */
static inline void cache_set_epoch(struct cache_item *item, uint32_t epoch)
{
    const unsigned int lasts = pawl_load_relaxed(&item->heat) &
                               (CACHE_FLAGGED | CACHE_BASE64); /* relaxed: it is ours */

    /* relaxed: the map's release publishes it */
    pawl_store_relaxed(&item->heat, (uint8_t)(epoch % (256 / CACHE_EPOCH) * CACHE_EPOCH | lasts));
}

/* With -M: bytes that what is new leaves free, so that what is there can be changed. When all of it has become gaps of what was changed
 * since, one segment has a 64th at least, which is enough to go on: each session fills one, and the others share two 64ths. */
static inline size_t cache_kept(const struct cache_store *store)
{
    enum { PART = CACHE_HARDLY_RIPE_PART, PART_AT_MOST = 16 };
    const size_t limit = pawl_load_relaxed(&store->pool.limit); /* relaxed, both: settings */
    const uint64_t fillers = pawl_load_relaxed(&store->reserve) / 2;
    const size_t kept = limit / PART + (size_t)fillers * store->pool.segment_bytes;

    return kept < limit / PART_AT_MOST ? kept : limit / PART_AT_MOST;
}

/* An item that is not in the map yet, all but the value and the cas filled in. *own: it has a segment of its own, because it is
 * large or shall stand `alone`; to be sealed when it is stored. NULL with errno E2BIG, ENOMEM. */
struct cache_item *cache_item_make(struct cache_session *session, enum cache_queue queue,
                                   const struct cache_key *key, uint32_t value_bytes, uint32_t flags,
                                   bool alone, struct cache_segment **own);

/* It was not stored after all: the last one that was made. */
void cache_item_unmake(struct cache_session *session, struct cache_item *item, struct cache_segment *own);

/* It is in the map. */
void cache_item_stored(struct cache_session *session, struct cache_item *item, struct cache_segment *own);

/* It was taken out of the map by who counts in `counts`. */
void cache_item_died(struct cache_store *store, struct cache_counts *counts, struct cache_item *item);

/* The expiry of an item of this segment. */
void cache_note_expiry(struct cache_segment *segment, uint32_t expires);

/* Behind a change of the map: the heir has the place of the old item, and the time that was `copied` from it. Who touched the old one
 * meanwhile may not have seen the new one. */
void cache_follow_touch(const struct cache_item *old, struct cache_item *heir, uint32_t copied);

uint64_t cache_next_cas(struct cache_session *session, uint64_t above);

/* ---- evict.c ---- */

/* Empties the oldest segments, for about so many bytes. */
void cache_make_room(struct cache_session *session, size_t bytes);

/* The same until so much is free or waits to be, as far as there is room for what is spared. */
void cache_make_room_now(struct cache_session *session, size_t bytes);

/* When a segment is taken: what was overwritten or deleted elsewhere makes room, so that memory grows less. */
void cache_gather(struct cache_session *session);

/* With -M: keeps a segment for what moves, if it has none. Without it what is dead could not give back its memory, when there is
 * no other. */
void cache_keep_ready(struct cache_session *session);

/* Room for an item of so many bytes, for which there was none: waits for readers. `alone`: it takes a segment for itself. `tries` counts
 * what was tried for this item. False: there cannot be any, or it cannot wait here, in a section. */
bool cache_wait_for_room(struct cache_session *session, size_t item_bytes, bool alone, unsigned tries);

/* Bytes that the map takes; with a table that it has `given_up`, until that is the system's again. */
size_t cache_map_memory(const struct cache_store *store, bool given_up);

/* The map's memory is a part of the limit: what it takes, the segments may not. */
void cache_share_memory(struct cache_store *store);

/* Will there soon be no room? */
bool cache_short(struct cache_store *store);

/* Before a change, outside of its section: what was emptied is freed if its readers have left. */
void cache_prepare(struct cache_session *session);

/* For pawl_map_hash_of. */
uint64_t cache_hash_of(const void *object, const struct pawl_hash_seed *seed);

#endif
