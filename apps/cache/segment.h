/* SPDX-License-Identifier: MIT */
/* Segments: the memory of items, in pieces that are filled from the front, emptied as a whole, and used again.
 *
 *        +--------+------+------+-----------+- - - - - -+
 *        | header | item | item |   item    |   free    |      64 KiB to 2 MiB, aligned to as much
 *        +--------+------+------+-----------+- - - - - -+
 *                                          used
 *
 * free -> filling (one session's) -> sealed, in one of two queues -> emptying (one session's) -> waiting for the readers
 * that may still look into it -> free. The pool's lock guards lists and queues; it is taken a few times a segment. An
 * item too large for a segment has one of its own, which is mapped for it and given back to the system.
 *
 * A reply that is sent from an item's memory holds the segment (<pawl/stream.h>): it is free when nobody does. */
#ifndef CACHE_SEGMENT_H
#define CACHE_SEGMENT_H

#include "item.h"

#include <pawl/mutex.h>
#include <pawl/stream.h>

enum cache_queue { CACHE_SMALL, CACHE_MAIN, CACHE_QUEUES };

struct cache_segment {
    struct pawl_chunk chunk;      /* first: release() is given it */
    struct cache_segment *next;   /* in the list that it is in */
    struct cache_segment *before; /* in a queue */
    struct cache_pool *pool;
    uint64_t grace;                /* of pawl_rcu_start_poll(), while it waits */
    size_t size;                   /* in bytes, this header included */
    size_t place;                  /* in the pool's `all` */
    uint32_t used;                 /* bytes of items. By who fills it; others read it when it is sealed */
    uint32_t stored;               /* bytes of items that were put into the map. The same */
    PAWL_ATOMIC(uint32_t) soonest; /* no item expires before; 0: none ever. Relaxed: see cache_touch */
    uint8_t queue;                 /* enum cache_queue */
    bool sealed, busy;             /* in a queue; and looked through by somebody. Under the lock */
    bool flushed;                  /* it was sealed before a flush. Under the lock */
    uint32_t sealed_at;            /* second of the clock. Under the lock */
    PAWL_ATOMIC(uint64_t) dead PAWL_LINE_PAIR_ALIGNED; /* bytes of items that left the map. Relaxed: a hint */
    char items[] PAWL_LINE_PAIR_ALIGNED;
};

struct cache_list {
    struct cache_segment *first, *last;
    size_t bytes; /* of segments */
};

/* For that of which most is dead: a part at least. */
struct cache_search {
    size_t at;             /* place in `all` where it goes on */
    uint64_t ripened_seen; /* when it began anew */
    size_t looked_in_vain; /* segments since */
};

struct cache_pool {
    size_t segment_bytes;      /* a power of two */
    PAWL_ATOMIC(size_t) limit; /* of all segments; changed under the lock, relaxed for who looks without */
    struct pawl_mutex lock;
    size_t memory; /* of all segments, wherever they are */
    size_t most; /* the limit; when it was lowered, what memory has come down to since, until that is less */
    size_t spares; /* bytes above it for what moves */
    size_t free_count;
    PAWL_ATOMIC(uint32_t)
    waiting_count;                  /* changed under the lock; relaxed for who asks whether there are any */
    PAWL_ATOMIC(int64_t) room_left; /* as cache_pool_room(pool, true), below 0 above the limit; the same */
    PAWL_ATOMIC(uint64_t)
    ripened;                    /* R: segments of which so much died that emptying them gives room, or some */
    size_t count;               /* in `all` */
    struct cache_segment **all; /* mapped, in any order */
    size_t room;                /* in `all` */
    size_t looked_at;           /* place in `all` where the search for expired items goes on */
    size_t swept_at;            /* the same of that for what is nearly empty */
    struct cache_search ripe[2]; /* with -M: for what is ripe, and for what is hardly so */
    struct cache_segment *free;
    char
        *rest; /* of a huge page of which the segments before it were cut; all of them, if they are smaller */
    size_t rest_bytes;
    struct cache_list waiting;             /* the oldest first */
    struct cache_list queue[CACHE_QUEUES]; /* sealed, the oldest first */
};

/* Memory of the kernel's, zero, of whole pages; with huge ones when it is aligned to them. NULL: there is none. */
enum {
    CACHE_PAGE = 4096,
    CACHE_HUGE_PAGE = 1 << 21,
    CACHE_HUGE_PAGES_LEAST = 16, /* in a pool that has any */
    CACHE_RIPE_PART = 8,         /* of a segment is dead: see cache_segment_sparse() */
    CACHE_HARDLY_RIPE_PART = 64  /* the same for what is there already, which is only changed */
};
void *cache_map_aligned(size_t size, size_t alignment);

/* Segments for a pool of `limit` bytes, of which so many threads fill some: the more, the smaller they are. */
void cache_pool_open(struct cache_pool *pool, size_t limit, unsigned int fillers);

/* Gives all back: nobody reads, nothing is being sent. */
void cache_pool_close(struct cache_pool *pool);

/* An empty segment with room for `bytes` of items. NULL with errno ENOMEM (the limit is reached, or the system has no
 * more), E2BIG (it would take more than half of the limit). Any thread. */
struct cache_segment *cache_segment_take(struct cache_pool *pool, size_t bytes);

/* One that a session keeps for what moves, at the limit too: when nothing waits for its readers any more, it may be above, as one
 * for each who fills segments may be, and two. Else what is dead could give back its memory only while others leave some. `waited`:
 * the caller has waited for what was to come back, and others took it; it may be above though more is to come: else those who are
 * slower never had one. NULL: not now. */
struct cache_segment *cache_segment_take_spare(struct cache_pool *pool, bool waited);

/* From now on so many bytes. Gives back what is free above it. */
void cache_pool_limit(struct cache_pool *pool, size_t limit);

/* Filled: to the back of its queue, at second `now`. */
void cache_segment_seal(struct cache_segment *segment, uint32_t now);

/* When the segment was sealed that has been longest in a queue; `now`: there is none. Under the lock. */
uint32_t cache_pool_oldest(const struct cache_pool *pool, uint32_t now);

/* The one to be emptied next, taken out of its queue; NULL: there is none. A tenth of the memory is the small queue's. */
struct cache_segment *cache_segment_oldest(struct cache_pool *pool);

/* How room is looked for before a segment is taken. */
struct cache_thrift {
    bool without_loss; /* nothing is evicted: near the limit only what is dead makes room */
    bool may_move;     /* there is room near the limit for what is left of a segment */
    bool now;  /* as near the limit, whatever is free; all are looked at, 64 at a time, if they must be */
    bool hard; /* and a 64th that is dead will do, instead of an eighth */
    uint64_t spare; /* else so many segments are, when they are free or soon will be */
};

/* One that is worth emptying, of the next 64 that are looked at, taken out of its queue. Far from the limit: one of which less than
 * an eighth is left. How much is free is not asked: what is taken now comes back when readers have left, and while it does not
 * others are needed. Near it: that of which most is dead, an eighth at least. NULL: there is none; or what is oldest goes anyway.
 * Any thread. */
struct cache_segment *cache_segment_sparse(struct cache_pool *pool, const struct cache_thrift *thrift);

/* Before what is oldest goes: that of which most is dead, half at least, of the next 64. To move the other half for each that is
 * stored keeps up with what comes. NULL: there is none. Any thread. */
struct cache_segment *cache_segment_half_dead(struct cache_pool *pool);

/* So many bytes of it died. Any thread. */
static inline void cache_segment_lost(struct cache_pool *pool, struct cache_segment *segment, size_t bytes)
{
    const uint64_t ripe = pool->segment_bytes / CACHE_RIPE_PART;
    const uint64_t hardly = pool->segment_bytes / CACHE_HARDLY_RIPE_PART;
    const uint64_t before = pawl_fetch_add_relaxed(&segment->dead, (uint64_t)bytes); /* relaxed: a hint */
    const uint64_t after = before + bytes;

    /* release R: who acquires it in cache_segment_sparse() finds what died */
    if (PAWL_UNLIKELY((before < ripe && after >= ripe) || (before < hardly && after >= hardly)))
        (void)pawl_fetch_add_release(&pool->ripened, UINT64_C(1));
}

/* All that is sealed now was flushed. Whoever empties it asks each item. */
void cache_pool_flush(struct cache_pool *pool);

/* Has something in it expired? */
static inline bool cache_segment_due(const struct cache_segment *segment, uint32_t now)
{
    const uint32_t soonest = pawl_load_relaxed(
        &segment->soonest); /* relaxed: next time, if it has just changed */

    return soonest != 0 && soonest <= now;
}

/* The next sealed one in which something has expired at `now`, of the next 64 that are looked at; it stays where it is,
 * and is nobody else's until cache_segment_leave(). *more: there are others to look at in this round. */
struct cache_segment *cache_segment_expired(struct cache_pool *pool, uint32_t now, bool *more);

/* Back to the others; or, when `take`, out of its queue and the caller's to empty. */
void cache_segment_leave(struct cache_segment *segment, bool take);

/* Emptied: no item of it is in the map. It is free when its readers have left. */
void cache_segment_retire(struct cache_segment *segment);

/* Frees what waited long enough. Not inside a section if it is to succeed for sure. */
void cache_pool_reap(struct cache_pool *pool);

/* Bytes that can be taken, now or, with `waiting`, when the readers have left what was emptied. */
size_t cache_pool_room(struct cache_pool *pool, bool waiting);

/* The latter, without the lock, as it was a moment ago; below 0: so much is taken above the limit, which was lowered. */
static inline int64_t cache_pool_room_soon(const struct cache_pool *pool)
{
    return pawl_load_relaxed(
        &pool->room_left); /* relaxed: who is late by one change looks again with the next item */
}

/* What a segment for an item of so many bytes takes. */
size_t cache_segment_size(const struct cache_pool *pool, size_t bytes);

static inline struct cache_segment *cache_segment_of(const struct cache_pool *pool,
                                                     const struct cache_item *item)
{
    /* An item of its own segment stands at its front, so this is right for large ones too. */
    return (struct cache_segment *)((uintptr_t)item & ~(uintptr_t)(pool->segment_bytes - 1));
}

static inline size_t cache_segment_room(const struct cache_segment *segment)
{
    return segment->size - offsetof(struct cache_segment, items) - segment->used;
}

/* The item behind `item`, or the first for NULL; NULL: there is no more. For who has the segment for itself. */
struct cache_item *cache_segment_next(const struct cache_segment *segment, const struct cache_item *item);

#endif
