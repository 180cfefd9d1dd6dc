/* SPDX-License-Identifier: MIT */
/* The operations that change a map, each under the lock of one chain.
 *
 * What the first bucket of a chain settles, which is nearly all, is one piece of code without calls, hence always_inline. A struct that
 * is handed from function to function goes through memory, and when two stores made what one load of 16 bytes reads, that load waits
 * until both are in the cache, behind the misses of the operation before: a third of the time of a replace. */
#include "map.h"

#include "../sync/fail.h"

#include <pawl/backoff.h>

#include <errno.h>

/* Which inserts and dels look at the load: one of 16, by bits of the hash. */
static inline bool is_sampled(uint64_t hash)
{
    return (hash & UINT64_C(0xf00)) == 0;
}

/* A chain that this thread has locked. Its first bucket's word is kept here until unlock(). */
struct chain {
    char *table;
    struct pawl_map_bucket_ *head;
    uint64_t meta;
};

/* Where something stands, or nothing does: bucket NULL. */
struct place {
    struct pawl_map_bucket_ *bucket;
    unsigned int index;
};

struct found {
    struct place at;                 /* what was looked for */
    struct place empty;              /* the first empty slot */
    struct pawl_map_bucket_ *before; /* the bucket in front of at.bucket */
    struct pawl_map_bucket_ *last;
};

/* ---- the lock ---- */

static inline struct pawl_map_bucket_ *bucket_of(char *table, uint64_t hash)
{
    return map_bucket(table, hash >> map_shift(table));
}

/* Until nobody is there. Returns the table in which the bucket is now. */
static PAWL_COLD char *wait_for(char *table, uint64_t hash)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (;;) {
        /* acquire M: when it has moved, the next table's bucket is filled */
        uint64_t meta = pawl_load_acquire(&bucket_of(table, hash)->meta);

        if ((meta & PAWL_MAP_MOVED_) != 0)
            /* relaxed: as in pawl_map_get_by */
            table = pawl_load_relaxed(&pawl_map_table_of_(table)->next);
        else if ((meta & PAWL_MAP_LOCKED_) != 0)
            pawl_backoff_wait(&backoff); /* the holder goes on */
        else
            return table;
    }
}

/* Of a bucket that this thread has locked in `table`. */
static inline struct chain chain_of(char *table, uint64_t hash)
{
    struct pawl_map_bucket_ *head = bucket_of(table, hash);

    /* relaxed: the lock orders, and nobody else stores here */
    return (struct chain){table, head, pawl_load_relaxed(&head->meta) & ~PAWL_MAP_LOCKED_};
}

/* Before the CAS, which waits for all that the thread did before: so the miss of the object overlaps with that. */
static inline __attribute__((always_inline)) void prefetch_match(const struct pawl_map_bucket_ *head,
                                                                 uint64_t meta, uint64_t hash)
{
    uint64_t match = pawl_map_match_(meta, pawl_map_tag_(hash));

    if (match != 0) /* relaxed: a hint */
        __builtin_prefetch(pawl_map_object_(pawl_load_relaxed(&head->slot[__builtin_ctzll(match) >> 3])));
}

static inline __attribute__((always_inline)) struct chain lock(struct pawl_map *map, uint64_t hash)
{
    char *table = pawl_load_acquire(&map->table); /* T */

    for (;;) {
        struct pawl_map_bucket_ *head = bucket_of(table, hash);
        uint64_t meta = pawl_load_relaxed(&head->meta), seen = meta; /* relaxed: the CAS decides */

        prefetch_match(head, meta, hash);
        if (PAWL_LIKELY((meta & (PAWL_MAP_MOVED_ | PAWL_MAP_LOCKED_)) == 0) &&
            /* acquire M: pairs with unlock() of the holder before; sees what it did. If it fails another thread has done
             * something to this bucket. */
            PAWL_LIKELY(pawl_cas_acquire(&head->meta, &seen, meta | PAWL_MAP_LOCKED_)))
            return (struct chain){table, head, meta};
        table = wait_for(table, hash);
    }
}

static void unlock(const struct chain *chain)
{
    /* release M: publishes what was done to the chain */
    pawl_store_release(&chain->head->meta, chain->meta);
}

/* Of a bucket in the chain. relaxed: the lock orders, and nobody else stores here. */
static uint64_t meta_of(const struct chain *chain, struct pawl_map_bucket_ *bucket)
{
    return bucket == chain->head ? chain->meta : pawl_load_relaxed(&bucket->meta);
}

static void set_meta(struct chain *chain, struct pawl_map_bucket_ *bucket, uint64_t meta)
{
    if (bucket == chain->head)
        chain->meta = meta; /* published by unlock() */
    else
        pawl_store_release(&bucket->meta, meta); /* M: the slots, to readers that come along the chain */
}

/* ---- finding ---- */

/* What to look for: an object with a key, or one at an address. */
struct wanted {
    uint64_t hash;
    const void *key; /* NULL: the object */
    const void *object;
};

static inline __attribute__((always_inline)) bool is_wanted(const struct pawl_map *map, struct wanted wanted,
                                                            uint64_t slot)
{
    if (((slot ^ pawl_map_print_(wanted.hash)) & PAWL_MAP_PRINT_) != 0)
        return false;
    if (wanted.key == NULL)
        return pawl_map_object_(slot) == wanted.object;
    return map->equal(pawl_map_object_(slot), wanted.key);
}

/* The slot of what is wanted, or PAWL_MAP_SLOTS_. */
static inline __attribute__((always_inline)) unsigned int find_in(const struct pawl_map *map,
                                                                  struct wanted wanted,
                                                                  const struct pawl_map_bucket_ *bucket,
                                                                  uint64_t meta)
{
    uint64_t match = pawl_map_match_(meta, pawl_map_tag_(wanted.hash));

    for (; match != 0; match &= match - 1) {
        unsigned int index = (unsigned int)__builtin_ctzll(match) >> 3;

        /* relaxed: the lock orders */
        if (PAWL_LIKELY(is_wanted(map, wanted, pawl_load_relaxed(&bucket->slot[index]))))
            return index;
    }
    return PAWL_MAP_SLOTS_;
}

/* Empty slots of a bucket: as pawl_map_match_. The last slot is none when it is a link. */
static inline uint64_t empty_in(uint64_t meta)
{
    uint64_t match = pawl_map_match_(meta, 0);

    return (meta & PAWL_MAP_CHAINED_) != 0 ? match & ~(UINT64_C(0x80) << 8 * MAP_LAST) : match;
}

/* Along the chain. Its first bucket does not have what is wanted. */
static void find(const struct pawl_map *map, const struct chain *chain, const struct wanted *wanted,
                 struct found *found)
{
    uint64_t meta = chain->meta;

    *found = (struct found){.last = chain->head};
    for (;;) {
        uint64_t empty = empty_in(meta);
        unsigned int index;

        if (found->empty.bucket == NULL && empty != 0)
            found->empty = (struct place){found->last, (unsigned int)__builtin_ctzll(empty) >> 3};
        if ((meta & PAWL_MAP_CHAINED_) == 0)
            return;
        found->before = found->last;
        found->last = &map_linked(found->last)->bucket;
        meta = pawl_load_relaxed(&found->last->meta); /* relaxed: the lock orders */
        index = find_in(map, *wanted, found->last, meta);
        if (index < PAWL_MAP_SLOTS_) {
            found->at = (struct place){found->last, index};
            return;
        }
    }
}

/* ---- changing ---- */

static uint64_t slot_word(uint64_t hash, const void *object)
{
    return (uint64_t)(uintptr_t)object | pawl_map_print_(hash);
}

static void check_object(const char *function, const void *object)
{
    if (PAWL_UNLIKELY(((uintptr_t)object & (PAWL_MAP_PRINT_ | PAWL_MAP_LINK_)) != 0 || object == NULL))
        pawl_sync_fail(function, "the object's address is NULL, odd, or has bits above the 47th");
}

/* relaxed: a figure, and a chain that grows at the same time elsewhere is one that is looked at later */
static void note_length(struct pawl_map *map, const struct chain *chain)
{
    struct pawl_map_bucket_ *bucket = chain->head;
    uint32_t length = 0;

    while ((meta_of(chain, bucket) & PAWL_MAP_CHAINED_) != 0) {
        bucket = &map_linked(bucket)->bucket;
        length++;
    }
    if (length > pawl_load_relaxed(&map->longest))
        pawl_store_relaxed(&map->longest, length);
}

/* All slots are taken: an overflow bucket behind the last, with what stood in its last slot and the object.
 * False: no memory. */
static PAWL_COLD bool lengthen(struct pawl_map *map, struct chain *chain, struct pawl_map_bucket_ *last,
                               uint64_t hash, const void *object)
{
    struct map_link *link = pawl_map_link_open(map, chain->table);
    uint64_t meta = meta_of(chain, last);

    if (link == NULL)
        return false;
    /* relaxed, three: published by the link, below */
    pawl_store_relaxed(&link->bucket.slot[0], pawl_load_relaxed(&last->slot[MAP_LAST]));
    pawl_store_relaxed(&link->bucket.slot[1], slot_word(hash, object));
    pawl_store_relaxed(&link->bucket.meta, map_tag_at(meta, MAP_LAST) | map_tag_for(pawl_map_tag_(hash), 1));
    /* release S: publishes the bucket, and the object. From here on what stood here stands there. */
    pawl_store_release(&last->slot[MAP_LAST], map_link_word(link));
    set_meta(chain, last, (meta & ~map_tag_for(0xff, MAP_LAST)) | PAWL_MAP_CHAINED_);
    note_length(map, chain);
    return true;
}

static bool add(struct pawl_map *map, struct chain *chain, const struct found *found, uint64_t hash,
                const void *object)
{
    struct place empty = found->empty;

    if (PAWL_UNLIKELY(empty.bucket == NULL))
        return lengthen(map, chain, found->last, hash, object);
    /* release S: publishes the object to a reader that takes an older tag for this slot's */
    pawl_store_release(&empty.bucket->slot[empty.index], slot_word(hash, object));
    set_meta(chain, empty.bucket,
             meta_of(chain, empty.bucket) | map_tag_for(pawl_map_tag_(hash), empty.index));
    return true;
}

/* What stands in a slot, and in its place the object, unless that is NULL. */
static inline __attribute__((always_inline)) void *exchange(struct pawl_map_bucket_ *bucket,
                                                            unsigned int index, uint64_t hash,
                                                            const void *object)
{
    uint64_t slot = pawl_load_relaxed(&bucket->slot[index]); /* relaxed: the lock orders */

    if (object != NULL)
        pawl_store_release(&bucket->slot[index], slot_word(hash, object)); /* S: publishes the object */
    return pawl_map_object_(slot);
}

/* Takes an overflow bucket, now empty, out of the chain. What it holds stays as it is: readers may be there. */
static PAWL_COLD struct map_link *unlink_bucket(struct chain *chain, const struct found *found, uint64_t meta)
{
    struct pawl_map_bucket_ *bucket = found->at.bucket, *before = found->before;

    if ((meta & PAWL_MAP_CHAINED_) !=
        0) /* release S: the bucket behind, though readers have seen it already */
        pawl_store_release(&before->slot[MAP_LAST], pawl_load_relaxed(&bucket->slot[MAP_LAST]));
    else
        set_meta(chain, before, meta_of(chain, before) & ~PAWL_MAP_CHAINED_);
    return (struct map_link *)(void *)bucket;
}

/* Takes the found object out; returns the overflow bucket that went with it, or NULL. */
static struct map_link *take_out(struct chain *chain, const struct found *found)
{
    struct pawl_map_bucket_ *bucket = found->at.bucket;
    /* relaxed: the lock orders */
    uint64_t meta = pawl_load_relaxed(&bucket->meta) & ~map_tag_for(0xff, found->at.index);

    set_meta(chain, bucket, meta);
    if ((meta & MAP_TAGS) != 0)
        return NULL;
    return unlink_bucket(chain, found, meta);
}

/* ---- the operations ---- */

enum how { INSERT, PUT, REPLACE };

/* Where the first bucket does not settle it: the rest of the chain, or a longer one. As store(). */
static __attribute__((noinline)) int store_along(struct pawl_map *map, char *table,
                                                 const struct wanted *wanted, enum how how,
                                                 const void *object, void **old)
{
    struct chain chain = chain_of(table, wanted->hash);
    struct found found;
    int status = 0;

    find(map, &chain, wanted, &found);
    if (found.at.bucket != NULL)
        *old = exchange(found.at.bucket, found.at.index, wanted->hash, how == INSERT ? NULL : object);
    else if (how == REPLACE)
        status = -ENOENT;
    else if (!add(map, &chain, &found, wanted->hash, object))
        status = -ENOMEM;
    unlock(&chain);
    if (found.at.bucket != NULL)
        return how == INSERT ? -EEXIST : 0;
    if (status == 0) {
        pawl_counter_add(&map->entries, 1);
        map_inserted(map, table, found.empty.bucket == NULL || is_sampled(wanted->hash));
    }
    return status;
}

/* The one with the key goes to *old, in the map or not any more. In a section, so that the table stays. */
static inline __attribute__((always_inline)) int store_in(struct pawl_map *map, struct wanted wanted,
                                                          enum how how, const void *object, void **old)
{
    struct chain chain = lock(map, wanted.hash);
    unsigned int index = find_in(map, wanted, chain.head, chain.meta);
    uint64_t empty;

    if (index < PAWL_MAP_SLOTS_) {
        void *other = exchange(chain.head, index, wanted.hash, how == INSERT ? NULL : object);

        unlock(&chain);
        *old = other;
        return how == INSERT ? -EEXIST : 0;
    }
    *old = NULL;
    empty = empty_in(chain.meta);
    if (PAWL_UNLIKELY((chain.meta & PAWL_MAP_CHAINED_) != 0 || empty == 0)) {
        struct wanted copy = wanted;

        return store_along(map, chain.table, &copy, how, object, old);
    }
    if (how != REPLACE) {
        index = (unsigned int)__builtin_ctzll(empty) >> 3;
        /* release S: publishes the object to a reader that takes an older tag for this slot's */
        pawl_store_release(&chain.head->slot[index], slot_word(wanted.hash, object));
        chain.meta |= map_tag_for(pawl_map_tag_(wanted.hash), index);
    }
    unlock(&chain);
    if (how == REPLACE)
        return -ENOENT;
    pawl_counter_add(&map->entries, 1);
    map_inserted(map, chain.table, is_sampled(wanted.hash));
    return 0;
}

static inline __attribute__((always_inline)) int store(struct pawl_map *map, struct wanted wanted,
                                                       enum how how, const void *object, void **old)
{
    int status;

    pawl_rcu_read_lock_in(map->rcu);
    status = store_in(map, wanted, how, object, old);
    pawl_rcu_read_unlock_in(map->rcu);
    return status;
}

/* As store_along(). */
static __attribute__((noinline)) void *take_along(struct pawl_map *map, char *table,
                                                  const struct wanted *wanted)
{
    struct chain chain = chain_of(table, wanted->hash);
    struct map_link *link = NULL;
    struct found found;
    void *old = NULL;

    find(map, &chain, wanted, &found);
    if (found.at.bucket != NULL) {
        old = exchange(found.at.bucket, found.at.index, wanted->hash, NULL);
        link = take_out(&chain, &found);
    }
    unlock(&chain);
    if (link != NULL)
        pawl_map_link_retire(map, chain.table, link);
    return old;
}

static inline __attribute__((always_inline)) void *take(struct pawl_map *map, struct wanted wanted)
{
    struct chain chain;
    unsigned int index;
    void *old = NULL;

    pawl_rcu_read_lock_in(map->rcu);
    chain = lock(map, wanted.hash);
    index = find_in(map, wanted, chain.head, chain.meta);
    if (PAWL_LIKELY(index < PAWL_MAP_SLOTS_)) {
        old = exchange(chain.head, index, wanted.hash, NULL);
        chain.meta &= ~map_tag_for(0xff, index);
        unlock(&chain);
    } else if ((chain.meta & PAWL_MAP_CHAINED_) != 0) {
        struct wanted copy = wanted;

        old = take_along(map, chain.table, &copy);
    } else {
        unlock(&chain);
    }
    if (old != NULL) {
        pawl_counter_add(&map->entries, -1);
        map_deleted(map, chain.table, is_sampled(wanted.hash));
    }
    pawl_rcu_read_unlock_in(map->rcu);
    return old;
}

int pawl_map_insert(struct pawl_map *map, uint64_t hash, const void *key, void *object, void **present)
{
    struct wanted wanted = {hash, key, NULL};
    void *other;
    int status;

    check_object("pawl_map_insert", object);
    status = store(map, wanted, INSERT, object, &other);
    if (present != NULL)
        *present = other;
    return status;
}

void *pawl_map_get_or_insert(struct pawl_map *map, uint64_t hash, const void *key, void *object)
{
    void *there = pawl_map_get(map, hash, key);
    int status;

    if (there != NULL)
        return there;
    status = pawl_map_insert(map, hash, key, object, &there);
    if (status == -ENOMEM)
        errno = ENOMEM;
    return status == 0 ? object : there;
}

int pawl_map_put(struct pawl_map *map, uint64_t hash, const void *key, void *object, void **old)
{
    struct wanted wanted = {hash, key, NULL};

    check_object("pawl_map_put", object);
    return store(map, wanted, PUT, object, old);
}

int pawl_map_replace(struct pawl_map *map, uint64_t hash, const void *key, void *object, void **old)
{
    struct wanted wanted = {hash, key, NULL};

    check_object("pawl_map_replace", object);
    return store(map, wanted, REPLACE, object, old);
}

void *pawl_map_del(struct pawl_map *map, uint64_t hash, const void *key)
{
    struct wanted wanted = {hash, key, NULL};

    return take(map, wanted);
}

int pawl_map_replace_object(struct pawl_map *map, uint64_t hash, const void *expected, void *object)
{
    struct wanted wanted = {hash, NULL, expected};
    void *old;

    check_object("pawl_map_replace_object", object);
    return store(map, wanted, REPLACE, object, &old);
}

int pawl_map_del_object(struct pawl_map *map, uint64_t hash, const void *expected)
{
    struct wanted wanted = {hash, NULL, expected};

    return take(map, wanted) != NULL ? 0 : -ENOENT;
}
