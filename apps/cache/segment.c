/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <errno.h>
#include <pawl/rcu.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SEGMENT_MIN = 1 << 16,
    SEGMENT_MAX = CACHE_HUGE_PAGE,
    PARTS = 64, /* of the memory, and as many for each who fills segments: a segment is at most one of them */
    SEARCH = 64,     /* segments looked at in one go */
    SMALL_PART = 10, /* of the memory is for what was never hit */
    LOOK_AHEAD =
        8, /* segments at the front of a queue that may be taken out of turn because they are empty */
    SPARSE_PART =
        8, /* less than this part of it is left: copying that costs less than memory that was never touched */
    NEAR = 4, /* segments below the limit: from there on the oldest are emptied anyway, if any may be */
};

static size_t limit_of(const struct cache_pool *pool)
{
    return pawl_load_relaxed(&pool->limit); /* relaxed: an older one is as good, for a moment */
}

/* Under the lock, before it is let go by who changed one of these. */
static void note_room(struct cache_pool *pool)
{
    const size_t room = pool->free_count * pool->segment_bytes + pool->waiting.bytes;
    const size_t limit = limit_of(pool);

    if (pool->most > pool->memory)
        pool->most = pool->memory;
    if (pool->most < limit)
        pool->most = limit;
    /* relaxed: who reads it acts a moment later in any case */
    pawl_store_relaxed(&pool->room_left, (int64_t)(limit + room - pool->memory));
}

void cache_pool_open(struct cache_pool *pool, size_t limit, unsigned int fillers)
{
    const size_t parts = (size_t)PARTS * (1 + (size_t)fillers);

    memset(pool, 0, sizeof(*pool));
    pawl_mutex_init(&pool->lock, 0);
    pawl_store_relaxed(&pool->limit, limit); /* relaxed: nobody else knows the pool */
    pool->segment_bytes = SEGMENT_MAX;
    while (pool->segment_bytes > SEGMENT_MIN && pool->segment_bytes > limit / parts)
        pool->segment_bytes /= 2;
    pool->spares = (2 + (size_t)fillers) * pool->segment_bytes;
    note_room(pool);
}

/* ---- lists ---- */

static void append(struct cache_list *list, struct cache_segment *segment)
{
    segment->next = NULL;
    segment->before = list->last;
    if (list->last != NULL)
        list->last->next = segment;
    else
        list->first = segment;
    list->last = segment;
    list->bytes += segment->size;
}

static void unlink_segment(struct cache_list *list, struct cache_segment *segment)
{
    if (segment->before != NULL)
        segment->before->next = segment->next;
    else
        list->first = segment->next;
    if (segment->next != NULL)
        segment->next->before = segment->before;
    else
        list->last = segment->before;
    list->bytes -= segment->size;
}

/* ---- memory ---- */

void *cache_map_aligned(size_t size, size_t alignment)
{
    char *area = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t before;

    if (area == MAP_FAILED)
        return NULL;
    before = (alignment - (uintptr_t)area % alignment) % alignment;
    if (before != 0)
        munmap(area, before);
    munmap(area + before + size, alignment - before);
    /* Items and buckets are touched at random: with small pages each is a miss of the TLB too. */
    if (alignment >= CACHE_HUGE_PAGE)
        (void)madvise(area + before, size, MADV_HUGEPAGE); /* slower, if it fails */
    return area + before;
}

/* Under the lock. Returns false when memory is out. */
static bool enlist(struct cache_pool *pool, struct cache_segment *segment)
{
    if (pool->count == pool->room) {
        const size_t room = pool->room == 0 ? SEARCH : 2 * pool->room;
        struct cache_segment **all = reallocarray(pool->all, room,
                                                  sizeof(*all)); // NOLINT(bugprone-sizeof-expression)

        if (all == NULL)
            return false;
        pool->all = all;
        pool->room = room;
    }
    segment->place = pool->count;
    pool->all[pool->count++] = segment;
    return true;
}

/* Under the lock: it is about to be unmapped. */
static void delist(struct cache_pool *pool, struct cache_segment *segment)
{
    struct cache_segment *last = pool->all[--pool->count];

    last->place = segment->place;
    pool->all[last->place] = last;
    pool->memory -= segment->size;
}

/* The last hold is gone: nobody reads it, nothing is being sent from it. */
static void released(struct pawl_chunk *chunk)
{
    struct cache_segment *segment = (struct cache_segment *)(void *)chunk;
    struct cache_pool *pool = segment->pool;
    bool surplus;

    pawl_mutex_lock(&pool->lock);
    surplus = segment->size != pool->segment_bytes || pool->memory > limit_of(pool);
    if (surplus) {
        delist(pool, segment);
    } else {
        segment->next = pool->free;
        pool->free = segment;
        pool->free_count++;
    }
    note_room(pool);
    pawl_mutex_unlock(&pool->lock);
    if (surplus)
        munmap(segment, segment->size);
}

/* Under the lock. Segments that are less than a huge page share one: less than a page of what is there is not counted then.
 * Who gives up some of a page's segments splits it; the system has them back when it is short, if not at once. NULL: there is
 * none. */
static struct cache_segment *cut_segment(struct cache_pool *pool)
{
    char *segment;

    if (pool->rest_bytes == 0) {
        if (pool->segment_bytes == CACHE_HUGE_PAGE ||
            limit_of(pool) < (size_t)CACHE_HUGE_PAGES_LEAST * CACHE_HUGE_PAGE)
            return NULL;
        pool->rest = cache_map_aligned(CACHE_HUGE_PAGE, CACHE_HUGE_PAGE);
        if (pool->rest == NULL)
            return NULL;
        pool->rest_bytes = CACHE_HUGE_PAGE;
    }
    segment = pool->rest;
    pool->rest += pool->segment_bytes;
    pool->rest_bytes -= pool->segment_bytes;
    return (struct cache_segment *)(void *)segment;
}

/* Its memory is booked already. NULL: the system has no more. */
static struct cache_segment *map_segment(struct cache_pool *pool, size_t size)
{
    struct cache_segment *segment = NULL;
    bool listed = false;

    if (size == pool->segment_bytes) {
        pawl_mutex_lock(&pool->lock);
        segment = cut_segment(pool);
        pawl_mutex_unlock(&pool->lock);
    }
    if (segment == NULL)
        segment = cache_map_aligned(size, pool->segment_bytes);
    pawl_mutex_lock(&pool->lock);
    if (segment != NULL) {
        segment->pool = pool;
        segment->size = size;
        listed = enlist(pool, segment);
    }
    if (!listed)
        pool->memory -= size;
    note_room(pool);
    pawl_mutex_unlock(&pool->lock);
    if (segment != NULL && !listed) {
        munmap(segment, size);
        return NULL;
    }
    return segment;
}

/* The oldest of which nothing is left: what was overwritten or deleted gives room before anything is evicted. */
static struct cache_segment *take_dead(struct cache_pool *pool)
{
    for (int queue = 0; queue < CACHE_QUEUES; queue++) {
        struct cache_segment *segment = pool->queue[queue].first;

        for (int i = 0; i < LOOK_AHEAD && segment != NULL; i++, segment = segment->next) {
            /* relaxed: whoever empties it asks the map about each item that it is not sure of */
            if (!segment->busy && pawl_load_relaxed(&segment->dead) >= segment->stored) {
                unlink_segment(&pool->queue[queue], segment);
                segment->sealed = false;
                return segment;
            }
        }
    }
    return NULL;
}

/* Under the lock: free segments are given up until another `size` bytes keep to the limit. */
static struct cache_segment *take_surplus(struct cache_pool *pool, size_t size)
{
    struct cache_segment *surplus = NULL;

    while (pool->memory + size > limit_of(pool) && pool->free != NULL) {
        struct cache_segment *segment = pool->free;

        pool->free = segment->next;
        pool->free_count--;
        delist(pool, segment);
        segment->next = surplus;
        surplus = segment;
    }
    return surplus;
}

static void unmap_all(struct cache_segment *segment)
{
    while (segment != NULL) {
        struct cache_segment *next = segment->next;

        munmap(segment, segment->size);
        segment = next;
    }
}

enum limit { HOLDS, HOLDS_IF_SOME_RETURNS, IS_EXCEEDED };

/* It is exceeded until each has its spare one above it: clients that do not read what is sent hold what was emptied, and nobody says
 * when it comes back. */
static struct cache_segment *take_free(struct cache_pool *pool, size_t size, enum limit how)
{
    struct cache_segment *segment = NULL, *surplus = NULL;
    bool booked = false, above;

    pawl_mutex_lock(&pool->lock);
    if (size == pool->segment_bytes && pool->free != NULL) {
        segment = pool->free;
        pool->free = segment->next;
        pool->free_count--;
    } else {
        surplus = take_surplus(pool, size);
        above = how == IS_EXCEEDED || (how == HOLDS_IF_SOME_RETURNS && pool->waiting.first == NULL);
        booked = pool->memory + size <= limit_of(pool) ||
                 (above && pool->memory + size <= pool->most + pool->spares);
        pool->memory += booked ? size : 0;
    }
    note_room(pool);
    pawl_mutex_unlock(&pool->lock);
    unmap_all(surplus);
    if (booked)
        segment = map_segment(pool, size);
    if (segment == NULL)
        errno = ENOMEM;
    return segment;
}

size_t cache_segment_size(const struct cache_pool *pool, size_t bytes)
{
    const size_t whole = bytes + offsetof(struct cache_segment, items);

    return whole <= pool->segment_bytes ? pool->segment_bytes
                                        : (whole + CACHE_PAGE - 1) & ~(size_t)(CACHE_PAGE - 1);
}

/* NULL with errno ENOMEM. */
static struct cache_segment *take_empty(struct cache_pool *pool, size_t size, enum limit how)
{
    struct cache_segment *segment;

    cache_pool_reap(pool);
    segment = take_free(pool, size, how);
    if (segment == NULL)
        return NULL;
    pawl_chunk_init(&segment->chunk, released);
    segment->used = 0;
    segment->stored = 0;
    pawl_store_relaxed(&segment->soonest, 0u); /* relaxed, both: it is this thread's */
    pawl_store_relaxed(&segment->dead, UINT64_C(0));
    return segment;
}

struct cache_segment *cache_segment_take(struct cache_pool *pool, size_t bytes)
{
    const size_t size = cache_segment_size(pool, bytes);

    if (size > limit_of(pool) / 2) {
        errno = E2BIG;
        return NULL;
    }
    return take_empty(pool, size, HOLDS);
}

struct cache_segment *cache_segment_take_spare(struct cache_pool *pool, bool waited)
{
    return take_empty(pool, pool->segment_bytes, waited ? IS_EXCEEDED : HOLDS_IF_SOME_RETURNS);
}

void cache_pool_close(struct cache_pool *pool)
{
    struct cache_segment *segment;

    while ((segment = cache_segment_oldest(pool)) != NULL)
        cache_segment_retire(segment);
    while (pool->waiting.first != NULL) {
        pawl_rcu_synchronize();
        cache_pool_reap(pool);
    }
    cache_pool_limit(pool, 0);
    if (pool->rest_bytes != 0)
        munmap(pool->rest, pool->rest_bytes);
    free((void *)pool->all);
}

void cache_pool_limit(struct cache_pool *pool, size_t limit)
{
    struct cache_segment *surplus;

    pawl_mutex_lock(&pool->lock);
    pawl_store_relaxed(&pool->limit, limit); /* relaxed: under the lock */
    surplus = take_surplus(pool, 0);
    note_room(pool);
    pawl_mutex_unlock(&pool->lock);
    unmap_all(surplus);
}

/* ---- queues ---- */

void cache_segment_seal(struct cache_segment *segment, uint32_t now)
{
    struct cache_pool *pool = segment->pool;

    pawl_mutex_lock(&pool->lock);
    segment->sealed = true;
    segment->sealed_at = now;
    segment->busy = false;
    segment->flushed = false; /* also of one that somebody has looked through, and that stays */
    append(&pool->queue[segment->queue], segment);
    /* relaxed, both: ours, and under the lock of who looks. What died while it was filled is to be found now. */
    if (pawl_load_relaxed(&segment->dead) >= pool->segment_bytes / CACHE_HARDLY_RIPE_PART)
        pawl_fetch_add_relaxed(&pool->ripened, UINT64_C(1));
    pawl_mutex_unlock(&pool->lock);
}

uint32_t cache_pool_oldest(const struct cache_pool *pool, uint32_t now)
{
    uint32_t oldest = now;

    for (int queue = 0; queue < CACHE_QUEUES; queue++) {
        const struct cache_segment *first = pool->queue[queue].first;

        if (first != NULL && first->sealed_at < oldest)
            oldest = first->sealed_at;
    }
    return oldest;
}

/* By a reply that is being sent. It can be emptied, but is not free until the client has read. Relaxed: a hint. */
static bool is_held(const struct cache_segment *segment)
{
    return pawl_load_relaxed(&segment->chunk.holds) > 1;
}

static struct cache_segment *first_idle(struct cache_pool *pool, enum cache_queue queue)
{
    struct cache_segment *segment = pool->queue[queue].first, *held = NULL;

    for (int i = 0; segment != NULL && (segment->busy || is_held(segment)); segment = segment->next) {
        if (!segment->busy && held == NULL)
            held = segment;
        if (++i == SEARCH) {
            segment = NULL;
            break;
        }
    }
    if (segment == NULL)
        segment = held;
    if (segment != NULL) {
        unlink_segment(&pool->queue[queue], segment);
        segment->sealed = false;
    }
    return segment;
}

struct cache_segment *cache_segment_oldest(struct cache_pool *pool)
{
    struct cache_segment *segment;

    pawl_mutex_lock(&pool->lock);
    segment = take_dead(pool);
    if (segment == NULL) {
        const size_t small = pool->queue[CACHE_SMALL].bytes;
        const size_t main = pool->queue[CACHE_MAIN].bytes;
        const enum cache_queue queue = small >= (small + main) / SMALL_PART ? CACHE_SMALL : CACHE_MAIN;

        segment = first_idle(pool, queue);
        if (segment == NULL)
            segment = first_idle(pool, CACHE_QUEUES - 1 - queue);
    }
    pawl_mutex_unlock(&pool->lock);
    return segment;
}

/* ---- what is worth emptying ---- */

/* Under the lock. Bytes of it that died; all of it, if it was flushed. */
static uint64_t dead_in(const struct cache_segment *segment)
{
    return segment->flushed ? segment->stored : pawl_load_relaxed(&segment->dead); /* relaxed: a hint */
}

/* Under the lock. Nothing of it moves, so it may be large, or held: then it is free when it is sent. */
static bool is_all_dead(const struct cache_segment *segment)
{
    return segment->sealed && !segment->busy && dead_in(segment) >= segment->stored;
}

/* Under the lock. Can what is left of it move, to some purpose? */
static bool is_movable(const struct cache_pool *pool, const struct cache_segment *segment)
{
    return segment->sealed && !segment->busy && segment->size == pool->segment_bytes && !is_held(segment);
}

/* Under the lock. */
static void take_out_of_queue(struct cache_segment *segment)
{
    unlink_segment(&segment->pool->queue[segment->queue], segment);
    segment->sealed = false;
}

/* Under the lock. Another one round. */
static struct cache_segment *next_at(struct cache_pool *pool, size_t *at)
{
    if (*at >= pool->count)
        *at = 0;
    return pool->all[(*at)++];
}

static struct cache_segment *find_nearly_empty(struct cache_pool *pool)
{
    for (size_t i = 0; i < SEARCH && i < pool->count; i++) {
        struct cache_segment *segment = next_at(pool, &pool->swept_at);

        if (is_all_dead(segment) ||
            (is_movable(pool, segment) && dead_in(segment) + segment->stored / SPARSE_PART > segment->stored))
            return segment;
    }
    return NULL;
}

/* The best of those that are looked at. If all were looked at in vain since one last ripened there is none, and it costs nothing
 * to ask again. */
static struct cache_segment *find_ripe(struct cache_pool *pool, bool may_move, bool hard)
{
    struct cache_search *search = &pool->ripe[hard];
    /* acquire R: pairs with the release in cache_segment_lost() */
    const uint64_t ripened = pawl_load_acquire(&pool->ripened);
    struct cache_segment *best = NULL;
    uint64_t most = pool->segment_bytes / (hard ? CACHE_HARDLY_RIPE_PART : CACHE_RIPE_PART) - 1;
    bool in_vain = may_move;

    if (ripened != search->ripened_seen)
        search->looked_in_vain = 0;
    search->ripened_seen = ripened;
    if (search->looked_in_vain >= pool->count)
        return NULL;
    for (size_t i = 0; i < SEARCH && i < pool->count; i++) {
        struct cache_segment *segment = next_at(pool, &search->at);

        if (is_all_dead(segment))
            return segment;
        if (!segment->sealed || dead_in(segment) <= most)
            continue;
        if (may_move && is_movable(pool, segment)) {
            best = segment;
            most = dead_in(segment);
        } else if (segment->busy || is_held(segment)) {
            in_vain = false; /* later, perhaps: nobody says when */
        }
    }
    if (best != NULL || !in_vain)
        search->looked_in_vain = 0;
    else
        search->looked_in_vain += SEARCH;
    return best;
}

struct cache_segment *cache_segment_half_dead(struct cache_pool *pool)
{
    struct cache_segment *best = NULL;
    uint64_t most = pool->segment_bytes / 2;

    pawl_mutex_lock(&pool->lock);
    for (size_t i = 0; i < SEARCH && i < pool->count; i++) {
        struct cache_segment *segment = next_at(pool, &pool->swept_at);

        if (is_movable(pool, segment) && dead_in(segment) > most) {
            best = segment;
            most = dead_in(segment);
        }
    }
    if (best != NULL)
        take_out_of_queue(best);
    pawl_mutex_unlock(&pool->lock);
    return best;
}

/* Under the lock. Those that are free, or will be when their readers have left. */
static uint64_t segments_soon(const struct cache_pool *pool)
{
    return pool->free_count + pool->waiting.bytes / pool->segment_bytes;
}

/* Under the lock. */
static struct cache_segment *find_sparse(struct cache_pool *pool, const struct cache_thrift *thrift)
{
    struct cache_segment *found = NULL;

    if (!thrift->now && pool->memory + NEAR * pool->segment_bytes <= limit_of(pool))
        found = find_nearly_empty(pool);
    else if (thrift->without_loss && (thrift->now || segments_soon(pool) < thrift->spare))
        found = find_ripe(pool, thrift->may_move, thrift->hard);
    if (found != NULL)
        take_out_of_queue(found);
    return found;
}

struct cache_segment *cache_segment_sparse(struct cache_pool *pool, const struct cache_thrift *thrift)
{
    struct cache_segment *found;
    size_t looked = 0;
    bool more;

    do {
        pawl_mutex_lock(&pool->lock);
        found = find_sparse(pool, thrift);
        looked += SEARCH;
        more = thrift->now && looked < pool->count && pool->ripe[thrift->hard].looked_in_vain < pool->count;
        pawl_mutex_unlock(&pool->lock);
    } while (found == NULL && more);
    return found;
}

void cache_pool_flush(struct cache_pool *pool)
{
    pawl_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++)
        if (pool->all[i]->sealed)
            pool->all[i]->flushed = true;
    pawl_fetch_add_relaxed(&pool->ripened, UINT64_C(1)); /* relaxed: what it tells of is the lock's */
    pawl_mutex_unlock(&pool->lock);
}

/* ---- expiry ---- */

struct cache_segment *cache_segment_expired(struct cache_pool *pool, uint32_t now, bool *more)
{
    struct cache_segment *found = NULL;

    pawl_mutex_lock(&pool->lock);
    for (int i = 0; i < SEARCH && found == NULL && pool->looked_at < pool->count; i++) {
        struct cache_segment *segment = pool->all[pool->looked_at++];

        if (segment->sealed && !segment->busy && cache_segment_due(segment, now))
            found = segment;
    }
    if (found != NULL)
        found->busy = true;
    *more = pool->looked_at < pool->count;
    if (!*more)
        pool->looked_at = 0;
    pawl_mutex_unlock(&pool->lock);
    return found;
}

void cache_segment_leave(struct cache_segment *segment, bool take)
{
    struct cache_pool *pool = segment->pool;

    pawl_mutex_lock(&pool->lock);
    segment->busy = false;
    if (take) {
        unlink_segment(&pool->queue[segment->queue], segment);
        segment->sealed = false;
    }
    pawl_mutex_unlock(&pool->lock);
}

/* ---- from a queue to the free ones ---- */

void cache_segment_retire(struct cache_segment *segment)
{
    struct cache_pool *pool = segment->pool;

    segment->grace = pawl_rcu_start_poll();
    pawl_mutex_lock(&pool->lock);
    append(&pool->waiting, segment);
    pawl_store_relaxed(&pool->waiting_count,
                       pawl_load_relaxed(&pool->waiting_count) + 1); /* relaxed: the lock's */
    note_room(pool);
    pawl_mutex_unlock(&pool->lock);
}

static struct cache_segment *take_waited(struct cache_pool *pool)
{
    struct cache_segment *segment;

    pawl_mutex_lock(&pool->lock);
    segment = pool->waiting.first;
    if (segment != NULL && pawl_rcu_poll(segment->grace)) {
        unlink_segment(&pool->waiting, segment);
        pawl_store_relaxed(&pool->waiting_count,
                           pawl_load_relaxed(&pool->waiting_count) - 1); /* relaxed: the lock's */
        note_room(pool);
    } else {
        segment = NULL;
    }
    pawl_mutex_unlock(&pool->lock);
    return segment;
}

void cache_pool_reap(struct cache_pool *pool)
{
    struct cache_segment *segment;

    while ((segment = take_waited(pool)) != NULL) {
        const struct pawl_slice slice = {.chunk = &segment->chunk};

        pawl_slice_release(&slice);
    }
}

size_t cache_pool_room(struct cache_pool *pool, bool waiting)
{
    const size_t limit = limit_of(pool);
    size_t room;

    pawl_mutex_lock(&pool->lock);
    room = pool->free_count * pool->segment_bytes + (waiting ? pool->waiting.bytes : 0);
    room = limit + room > pool->memory ? limit + room - pool->memory : 0;
    pawl_mutex_unlock(&pool->lock);
    return room;
}

/* ---- items ---- */

struct cache_item *cache_segment_next(const struct cache_segment *segment, const struct cache_item *item)
{
    const char *at = segment->items;

    if (item != NULL)
        at = (const char *)item + cache_item_bytes(item);
    return at < segment->items + segment->used ? (struct cache_item *)(uintptr_t)at : NULL;
}
