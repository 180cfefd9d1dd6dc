/* SPDX-License-Identifier: MIT */
/* The store: items by key, in so much memory and no more.
 *
 * Purpose    All that a cache does when the network is taken away: get, set and its kin, expiry, eviction, statistics.
 * Model      Items stand one behind the other in *segments* of 64 KiB to 2 MiB; a map (<pawl/map.h>) finds them by key. A
 *            segment is filled by one worker, sealed, and queued. When memory is short, the oldest segment is emptied:
 *            what was hit since stays (it is copied to a new one, for that is what a queue's back is), the rest is
 *            dropped, the segment is reused. So there are no size classes to go stale, nothing is rounded up but to 8
 *            bytes, and the queue costs no pointer an item.
 *
 *                set --> small queue (a tenth) --hit--> main queue --hit--> main queue again
 *                            |  cold: its hash is remembered ("ghost")  |  cold: dropped
 *                            `--- set again soon: straight into main ---'
 *
 *            That is S3-FIFO (J. Yang et al., "FIFO queues are all you need for cache eviction", 2023) on a log (S. Rumble
 *            et al., "Log-structured memory for DRAM-based storage", 2014; J. Yang et al., "Segcache", 2021).
 * Reading    Inside pawl_rcu_read_lock() ... unlock() of the default domain: no lock, no reference, one relaxed store
 *            at most. An item found is valid until the section ends; to keep it longer, cache_hold() its segment.
 * Writing    Through a session, which is one worker's: each has a segment of its own to fill in either queue. Writers
 *            of one bucket of the map wait for each other, otherwise for nobody.
 * Atomic     Each operation is. cas, incr, append and the like compare and replace; a reader sees an item whole.
 * Clock      Seconds since the store was opened, plus 2, so that 0 is "never" and 1 is "long ago".
 * Memory     `limit` bytes: segments, the map, the ghosts. Exceeded while the map grows, by its larger table, until
 *            segments have been given up for it, and by what readers hold.
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include "item.h"

#include <pawl/map.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_chunk;
struct cache_store;
struct cache_tap;
struct cache_session;

struct cache_store_config {
    size_t limit;          /* bytes in all; at least 1 MiB */
    size_t item_max;       /* bytes of an item, as cache_item_counted() (-I) */
    uint32_t sessions;     /* there will be about so many; 0: one or two */
    size_t entries;        /* room in the map for so many from the beginning; 0: small */
    bool no_eviction;      /* when it is full, sets fail (-M) */
    struct cache_tap *tap; /* is told of evictions and expiries; NULL: nobody is */
};

/* Returns 0, -EINVAL, -ENOMEM, or an errno of getrandom. */
int cache_store_open(struct cache_store **out, const struct cache_store_config *config);
void cache_store_close(struct cache_store *store); /* no session is open; NULL is fine */

/* From now on so many bytes in all: what is too much is evicted as sets come. Returns 0 or -EINVAL (less than 1 MiB, or
 * than the map and twice the largest item take). Any thread. */
int cache_store_limit(struct cache_store *store, size_t bytes);

/* One for each thread that writes. Returns NULL when memory is out. */
struct cache_session *cache_session_open(struct cache_store *store);
void cache_session_close(struct cache_session *session);
struct cache_store *cache_session_store(const struct cache_session *session);

/* ---- keys ---- */

struct cache_key {
    const char *bytes;
    uint32_t count; /* 1 to CACHE_KEY_MAX */
    uint64_t hash;
};

void cache_key_make(const struct cache_store *store, struct cache_key *key, const char *bytes, size_t count);

/* The bucket's memory is asked for: for several keys at once. */
void cache_prefetch(const struct cache_store *store, const struct cache_key *key);

/* Some time later: the item's first bytes are, if there is one. In a section. */
void cache_prefetch_item(const struct cache_store *store, uint64_t hash, size_t bytes);

/* ---- time ---- */

/* Moves the clock on; several times a second, by anybody. */
void cache_tick(struct cache_store *store);

uint32_t cache_now(const struct cache_store *store);

/* The clock jumps so many seconds ahead: for tests. */
void cache_skip(struct cache_store *store, uint32_t seconds);

/* The protocol's exptime: 0 never, below 0 at once, up to 30 days from now, beyond a date of the Unix clock. */
uint32_t cache_expiry(const struct cache_store *store, int64_t exptime);

/* Seconds that are left; -1: it never expires. */
int64_t cache_ttl(const struct cache_store *store, const struct cache_item *item);

/* Seconds since it was last hit or set, to 4 s, modulo 72 h (2^16 times 4 s). */
uint32_t cache_age(const struct cache_store *store, const struct cache_item *item);

/* ---- reading, in a section ---- */

/* NULL: there is none, or it has expired, or was flushed. Does not count as a hit. */
struct cache_item *cache_find(struct cache_session *session, const struct cache_key *key);

/* A hit: it is warmer now. */
void cache_hit(struct cache_session *session, struct cache_item *item);

/* The chunk that keeps an item's memory when it is held (<pawl/stream.h>): bytes of it may be sent after the section. */
struct pawl_chunk *cache_chunk(const struct cache_session *session, const struct cache_item *item);

/* Values of so many bytes are worth it: a holder keeps a whole segment, or the memory of that item alone. */
uint32_t cache_refer_from(const struct cache_store *store);

/* ---- writing; takes sections itself, and may be called in one ---- */

enum cache_result {
    CACHE_STORED,
    CACHE_NOT_STORED, /* add: it is there; replace, append, prepend: it is not */
    CACHE_EXISTS,     /* cas: it has changed */
    CACHE_NOT_FOUND,
    CACHE_NOT_NUMBER, /* incr, decr: the value is none */
    CACHE_TOO_LARGE,
    CACHE_NO_MEMORY,
};

enum cache_mode { CACHE_SET, CACHE_ADD, CACHE_REPLACE, CACHE_APPEND, CACHE_PREPEND };

struct cache_change {
    enum cache_mode mode;
    uint32_t flags;
    uint32_t expires; /* of cache_expiry() */
    uint64_t cas;     /* only in place of an item with this one; 0: of any */
    uint64_t new_cas; /* the item shall have this one; 0: a fresh one (meta flag E) */
    bool if_stale; /* meta flag I: with an older cas than the item's it is stored all the same, but stale */
    bool vivify;   /* append, prepend: make it if it is not there (meta flag N), expires as said */
    bool
        base64; /* the key came so. What is joined to a value forgets how its key had come, as memcached's does */
    const char *value;
    uint32_t value_bytes;
    uint64_t stored_cas; /* out: what the item has now */
};

enum cache_result cache_store_item(struct cache_session *session, const struct cache_key *key,
                                   struct cache_change *change);

/* A value that is too large to wait for elsewhere: room for it at once, filled as it comes, then stored or thrown away.
 * NULL with errno E2BIG or ENOMEM. Only CACHE_SET, ADD and REPLACE. */
struct cache_item *cache_large_open(struct cache_session *session, const struct cache_key *key,
                                    uint32_t value_bytes, uint32_t flags);
char *cache_large_value(struct cache_item *item);
enum cache_result cache_large_store(struct cache_session *session, const struct cache_key *key,
                                    struct cache_item *item, struct cache_change *change);
void cache_large_drop(struct cache_session *session, struct cache_item *item);

enum { CACHE_NUMBER_MAX = 20 };

struct cache_sum {
    bool down; /* decr: stops at 0; incr wraps at 2^64 */
    uint64_t delta;
    uint64_t cas, new_cas; /* as above */
    bool vivify;           /* make it if it is not there */
    uint64_t initial;
    uint32_t expires; /* of what is made, and with `touch` of what is there */
    bool touch;
    uint64_t value;      /* out */
    uint64_t stored_cas; /* out */
};

/* As memcached: the text of the number, padded with blanks behind to the length that the value had. */
enum cache_result cache_add_number(struct cache_session *session, const struct cache_key *key,
                                   struct cache_sum *sum);

/* CACHE_STORED: deleted. cas as above. */
enum cache_result cache_delete(struct cache_session *session, const struct cache_key *key, uint64_t cas);

/* meta delete with I: marks it stale, with a new expiry if `touch`, a fresh cas. */
enum cache_result cache_invalidate(struct cache_session *session, const struct cache_key *key, uint64_t cas,
                                   bool touch, uint32_t expires);

/* In a section, of an item that was found in it. False: another item has its place, which may have been made of this one before
 * it had its new time (incr, append): that one is to be touched, or time and value are not of one moment. */
bool cache_touch(struct cache_session *session, struct cache_item *item, uint32_t expires);

/* Until it holds; a change of the key that is under way may show the old time until it ends. Returns the item that has the time; `item` of the key was found in this section. */
struct cache_item *cache_touch_key(struct cache_session *session, const struct cache_key *key,
                                   struct cache_item *item, uint32_t expires);

/* True once for each item: the caller is the one to make it anew (meta: win). In a section. */
bool cache_win(struct cache_item *item);

/* What is stored by then is gone at second `when` of the clock (cache_now() or earlier: at once). */
void cache_flush(struct cache_store *store, uint32_t when);

/* The same with the protocol's exptime, as memcached takes it: 0 and below are now, and so is "in a second"; a date that has
 * gone by is never. In place of a flush that was still to come. */
void cache_flush_after(struct cache_store *store, int64_t exptime);

/* ---- upkeep ---- */

/* A bounded piece of work, some 64 items: expired items and short memory. Returns whether more is to be done now. Any
 * session; called once a second, and again while it says so. */
bool cache_maintain(struct cache_session *session);

/* ---- out of it and into it again (snapshot.h) ---- */

/* What there is of an item beside its key. */
struct cache_restored {
    uint64_t cas;
    uint32_t expires; /* as cache_expiry(): second of the clock, 0 never */
    uint32_t flags;
    uint32_t age; /* as cache_age() */
    uint8_t heat; /* of item.h: hits, and whether it was fetched at all */
    bool stale, won;
    bool spared; /* it is in the main queue */
    bool base64; /* its key came so */
    const char *value;
    uint32_t value_bytes;
};

/* In a section. */
void cache_describe(const struct cache_store *store, const struct cache_item *item,
                    struct cache_restored *to);

/* An item as it was described. CACHE_STORED; CACHE_EXISTS: there is one with this key, which stays; CACHE_TOO_LARGE,
 * CACHE_NO_MEMORY. */
enum cache_result cache_restore(struct cache_session *session, const struct cache_key *key,
                                const struct cache_restored *from);

typedef void cache_visit_fn(void *arg, const struct cache_item *item);

/* Visits the items of up to `buckets` buckets that count: as pawl_map_walk(). In a section. Any thread. */
bool cache_walk(const struct cache_store *store, struct pawl_map_cursor *cursor, size_t buckets,
                cache_visit_fn *fn, void *arg);

/* As cache_chunk(), for who has no session. */
struct pawl_chunk *cache_store_chunk(const struct cache_store *store, const struct cache_item *item);

/* All numbers of items so far are below the first; from now on they are given from the second on. */
uint64_t cache_cas_end(const struct cache_store *store);
void cache_cas_begin(struct cache_store *store, uint64_t cas);

/* When a flush is due; 0: none. How many there have been. */
uint32_t cache_flush_at(const struct cache_store *store);
uint32_t cache_flushes(const struct cache_store *store);

/* ---- figures ---- */

struct cache_figures {
    uint64_t items, total_items; /* now; ever stored */
    uint64_t bytes;              /* of items, as cache_item_size() */
    uint64_t memory;             /* of segments, map and ghosts */
    uint64_t limit;
    uint64_t evictions; /* items dropped while they were valid */
    uint64_t evicted_unfetched;
    uint64_t expired; /* items removed after their time */
    uint64_t expired_unfetched;
    uint64_t spared;                   /* items copied because they were hit */
    uint64_t ghosts;                   /* sets of what was remembered */
    uint64_t get_expired, get_flushed; /* looked for, and there, but no longer valid */
    uint64_t segments, segments_free, segment_bytes;
    uint64_t age; /* seconds since the segment was filled, or last spared, that has been longest in a queue */
    uint64_t map_bytes, map_buckets, map_resizing;
};

void cache_figures(const struct cache_store *store, struct cache_figures *figures);

#endif
