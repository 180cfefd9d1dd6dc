/* SPDX-License-Identifier: MIT */
/* A concurrent hash map whose reads cost what unsynchronised reads cost.
 *
 * Purpose    The general map: keys of any form, which stand inside your objects; the map holds pointers to them. Caches,
 *            sessions, routes, names. For 64-bit keys with 64-bit values take <pawl/u64map.h>, which needs no objects;
 *            for a handful of objects a list, <pawl/hlist.h>.
 * Model      A set of objects with different keys. Each operation is atomic: get, insert, put (upsert), replace, del,
 *            and on one object: replace_object, del_object. Those that take an object out hand it to the caller, and to
 *            no other: it frees it when no reader can have it any more (pawl_rcu_call, or pawl_rcu_synchronize).
 *
 *              pawl_rcu_read_lock();
 *              item = pawl_map_get(map, hash, &key);               valid until the unlock
 *              pawl_rcu_read_unlock();
 *
 *              old = pawl_map_del(map, hash, &key);
 *              if (old != NULL)
 *                  pawl_rcu_call(&old->retired, free_item);
 *
 *            The caller computes the hash, once for as many operations as it likes; see pawl_map_options.
 * Resizing   Grows at 5 objects a bucket, shrinks at 1, by 2. No operation does it alone: those that insert or delete
 *            meanwhile move 8 buckets each (one of 16 does, once all were tried), pawl_map_help() does it for who has
 *            time. A bucket is in the old table until it has moved, then in the new one; a reader that finds it gone
 *            looks there. Nothing is copied but buckets, and no object is touched for it in tables of 2^8 to 2^24
 *            buckets.
 * Progress   get, get_n: lock-free; one looks again when a writer has changed the very slot in which it found its object,
 *            and that writer has made progress. walk: wait-free but for the length of a chain. A writer waits for another writer of
 *            the same bucket, and one that is stopped there stops those (and nobody else; a resize goes on around it,
 *            but does not end). Readers never wait, and no writer waits for readers. Keys that all have the same
 *            hash make one chain: still right, and linear.
 * Ordering   M: a writer's last store, to the bucket's word, releases; readers acquire it. Who finds an object
 *            sees what was stored in it before it was put in. S: a slot, the same. T, N: tables and chains.
 *            Labels in src/core/map/map.h.
 * Signals    get, get_n and walk may be called from signal handlers (if equal may). Nothing else may.
 * fork       The child has the map as it is; a bucket that another thread was just changing stays locked in it, and if one
 *            was just beginning a resize, the child's map keeps its size.
 * Errors     -ENOMEM: nothing was changed. A resize for which there is no memory waits for better times: the map stays
 *            right, chains become longer. An object at an odd address, or at 2^48 and above (tags in the top byte),
 *            aborts.
 * Memory     A bucket is one line: 7 pointers, each with 16 bits of its hash, a byte of the hash for each, and a lock. At 2.5
 *            to 5 objects a bucket 13 to 26 bytes an object, some more for overflow (128 bytes a piece, 1 bucket of 8 has
 *            one before it grows; tables of more than 2 MiB keep addresses for as many, which are not used twice). During a resize
 *            both tables. Empty: 768 bytes and what two counters take.
 * Cost       get, hit: the line of the bucket, the object. Miss: one line; an object is touched for nothing by one get in
 *            4,000 with a million objects, one in 250 with 20 million. No atomic read-modify-write, no fence, no store.
 *            Writers: 1 RMW, on the bucket; insert and del 1 restartable add more; while it resizes 2 RMW more, on
 *            lines shared by writers, and one for each bucket that they move.
 * Source     Buckets of a line with a lock inside: T. David, R. Guerraoui, V. Trigonakis, "Asynchronized concurrency"
 *            (CLHT), 2015; fingerprints: Fan, Andersen, Kaminsky, "MemC3", 2013. Moving bucket by bucket with marks is
 *            ours in this form. docs/map.md compares it with J. Triplett, P. McKenney, J. Walpole, "Resizable, scalable,
 *            concurrent hash tables via relativistic programming", 2011.
 * Checked    tests/map/map/check_map.c, docs/map.md.
 */
#ifndef PAWL_MAP_H
#define PAWL_MAP_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/counter.h>
#include <pawl/hash.h>
#include <pawl/rcu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

enum { PAWL_MAP_SLOTS_ = 7 };

/* One line. meta: a byte of the hash for each slot, 0 where it is empty; the top byte is of flags. A slot: the object's
 * address, and 16 bits of its hash in the top. The last slot of a bucket that overflows is the address of the next
 * one, with bit 0 set. */
struct pawl_map_bucket_ {
    PAWL_ATOMIC(uint64_t) meta;                  /* M */
    PAWL_ATOMIC(uint64_t) slot[PAWL_MAP_SLOTS_]; /* S */
} __attribute__((aligned(PAWL_CACHELINE)));

PAWL_STATIC_ASSERT(sizeof(struct pawl_map_bucket_) == PAWL_CACHELINE, "a bucket is one line");

#define PAWL_MAP_LOCKED_ (UINT64_C(1) << 56)  /* a writer is here */
#define PAWL_MAP_CHAINED_ (UINT64_C(1) << 57) /* the last slot is a link */
#define PAWL_MAP_MOVED_ (UINT64_C(1) << 58)   /* look in the next table */
#define PAWL_MAP_LINK_ UINT64_C(1)            /* in a slot */
#define PAWL_MAP_PRINT_ UINT64_C(0xffff000000000000)

/* What stands before the buckets of a table. */
struct pawl_map_table_ {
    PAWL_ATOMIC(char *) next; /* N: where this one's buckets move to; NULL: nowhere yet */
    struct pawl_retired retired;
    struct pawl_map *map;
    size_t bytes;                                        /* of the table, this included */
    uint64_t spare;                                      /* overflow buckets behind the others */
    struct pawl_retired pages;                           /* for the callbacks that touch its huge pages */
    size_t touched;                                      /* theirs: bytes of the buckets */
    bool touching, unwanted;                             /* theirs: they come again; it is to be freed then */
    PAWL_ATOMIC(uint64_t) ready;                         /* buckets whose pages are there */
    PAWL_ATOMIC(uint64_t) cursor PAWL_LINE_PAIR_ALIGNED; /* the next buckets to move, round and round */
    PAWL_ATOMIC(uint64_t) moved;                         /* how many have */
    PAWL_ATOMIC(uint64_t) spent;                         /* of `spare` */
    PAWL_ATOMIC(uint64_t) waited; /* how often somebody left it, as pages were not there */
} PAWL_LINE_PAIR_ALIGNED;

/* Where memory comes from. allocate returns zeroed memory, aligned to 128, or NULL. Called by writers,
 * which have a bucket locked: neither may call the map. release is called by the domain's worker too. */
struct pawl_map_memory {
    void *(*allocate)(size_t bytes, void *context);
    void (*release)(void *memory, size_t bytes, void *context);
    void *context;
};

/* The default, but without huge pages, also where the kernel gives them to all. With it, tables of 4 MiB and more (from 164,000
 * objects on) ask for them: gets miss the address translation less often. The first touch of one takes long; RCU's worker does
 * it when a map grows or shrinks. docs/map.md has figures. */
extern PAWL_API const struct pawl_map_memory pawl_map_small_pages;

struct pawl_map {
    PAWL_ATOMIC(char *) table; /* T: address of bucket 0, plus 64 - log2(buckets) */
    bool (*equal)(const void *object, const void *key);
    uint64_t (*hash_of)(const void *object, const struct pawl_hash_seed *seed);
    struct pawl_rcu *rcu;
    struct pawl_hash_seed seed;
    struct pawl_map_memory memory;
    size_t floor; /* buckets: not fewer */
    struct pawl_counter entries;
    struct pawl_counter links; /* overflow buckets */
    /* written now and then */
    PAWL_ATOMIC(uint32_t) resizing PAWL_LINE_PAIR_ALIGNED; /* somebody is about to start one */
    PAWL_ATOMIC(bool) closing;                             /* no more callbacks for pages */
    PAWL_ATOMIC(uint32_t) longest; /* buckets of the longest chain since the last resize */
    PAWL_ATOMIC(uint64_t) resizes;
    PAWL_ATOMIC(uint64_t) failures; /* of resizes and moves, for want of memory */
};

/* Both functions are called while the object is in the map, by writers with its bucket locked: they may not call the
 * map, nor wait.
 *   equal     whether the object has this key; `key` is what the caller gave, in whatever form it likes
 *   hash_of   the hash of the object's key, the same that callers give with the key. All 64 bits must be good:
 *             pawl_hash_bytes and its like under map->seed. */
struct pawl_map_options {
    bool (*equal)(const void *object, const void *key);
    uint64_t (*hash_of)(const void *object, const struct pawl_hash_seed *seed);
    size_t entries;                       /* room for so many from the beginning, and for ever; 0: small */
    struct pawl_rcu *rcu;                 /* NULL: pawl_rcu_default */
    const struct pawl_map_memory *memory; /* NULL: malloc; mmap from 64 KiB, huge pages from 4 MiB */
    const struct pawl_hash_seed *seed;    /* NULL: a fresh one */
};

/* Returns 0, -EINVAL (no function, too many entries), -ENOMEM, or an errno of getrandom. */
PAWL_API int pawl_map_init(struct pawl_map *map, const struct pawl_map_options *options)
    PAWL_NONNULL PAWL_MUST_USE;

/* Gives the memory back; the objects stay the caller's (pawl_map_walk first). Nobody uses the map any more. Waits for
 * callbacks of the domain, so not inside a section of it, nor in a callback. */
PAWL_API void pawl_map_destroy(struct pawl_map *map) PAWL_NONNULL;

/* ---- reading: inside a section of the map's domain, or online ---- */

PAWL_API PAWL_INLINE const struct pawl_map_bucket_ *pawl_map_bucket_of_(const char *table, uint64_t hash)
{
    size_t shift = (uintptr_t)table % PAWL_CACHELINE;

    return (const struct pawl_map_bucket_ *)(const void *)(table - shift) + (hash >> shift);
}

PAWL_API PAWL_INLINE struct pawl_map_table_ *pawl_map_table_of_(char *table)
{
    return (struct pawl_map_table_ *)(void *)(table - (uintptr_t)table % PAWL_CACHELINE) - 1;
}

/* The byte of a hash in meta: any but 0. */
PAWL_API PAWL_INLINE uint64_t pawl_map_tag_(uint64_t hash)
{
    return (hash & 0xff) + ((hash & 0xff) == 0);
}

/* The bits of a hash in a slot: 40 to 55, so that tables of 2^8 to 2^24 buckets split without a look at objects. */
PAWL_API PAWL_INLINE uint64_t pawl_map_print_(uint64_t hash)
{
    return hash << 8 & PAWL_MAP_PRINT_;
}

/* Bit 7 of each of the seven bytes that equal the tag, exactly. */
PAWL_API PAWL_INLINE uint64_t pawl_map_match_(uint64_t meta, uint64_t tag)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t differs = meta ^ tag * UINT64_C(0x0101010101010101);

    return ~(((differs & low) + low) | differs | low) & UINT64_C(0x0080808080808080);
}

PAWL_API PAWL_INLINE void *pawl_map_object_(uint64_t slot)
{
    return (void *)(uintptr_t)(slot & ~(PAWL_MAP_PRINT_ | PAWL_MAP_LINK_));
}

/* As pawl_map_get; `equal` stands for the map's, and is inlined when it is a constant. */
PAWL_API PAWL_INLINE void *pawl_map_get_by(const struct pawl_map *map, uint64_t hash, const void *key,
                                           bool (*equal)(const void *object, const void *key))
{
    uint64_t tag = pawl_map_tag_(hash), print = pawl_map_print_(hash);
    const struct pawl_map_bucket_ *bucket;
    char *table;

again:
    /* acquire T: pairs with the release in finish(), the table is whole */
    table = pawl_load_acquire(&map->table);
    bucket = pawl_map_bucket_of_(table, hash);
    for (;;) {
        /* acquire M: pairs with the releases of unlock(), sees the slots that go with the tags */
        uint64_t meta = pawl_load_acquire(&bucket->meta), slot = 0;

        if (PAWL_UNLIKELY((meta & PAWL_MAP_MOVED_) != 0)) {
            /* relaxed: who set MOVED had read it, and M says that it is there, with its buckets filled */
            table = pawl_load_relaxed(&pawl_map_table_of_(table)->next);
            bucket = pawl_map_bucket_of_(table, hash);
            continue;
        }
        for (uint64_t match = pawl_map_match_(meta, tag); match != 0; match &= match - 1) {
            unsigned int index = (unsigned int)__builtin_ctzll(match) >> 3;

            /* acquire S: pairs with the releases that store slots, sees what is in the object or bucket */
            slot = pawl_load_acquire(&bucket->slot[index]);
            if (PAWL_LIKELY(((slot ^ print) & (PAWL_MAP_PRINT_ | PAWL_MAP_LINK_)) == 0)) {
                void *object = pawl_map_object_(slot);

                if (PAWL_LIKELY(equal(object, key))) {
                    /* The tag may be of an object that has gone, whose slot is just being given to this one: then it is
                     * not in the map yet, and who saw it now might not see it next time. relaxed: S shows at least the
                     * word that its writer locked, which lacks the tag. */
                    if (PAWL_UNLIKELY((pawl_load_relaxed(&bucket->meta) >> 8 * index & 0xff) != tag))
                        goto again; /* a writer has changed this very slot */
                    return object;
                }
            }
        }
        /* The last slot has become a link since meta was read: what stood there stands behind it now. */
        if (PAWL_LIKELY((meta & PAWL_MAP_CHAINED_) == 0 && (slot & PAWL_MAP_LINK_) == 0))
            return NULL;
        slot = pawl_load_acquire(&bucket->slot[PAWL_MAP_SLOTS_ - 1]); /* S */
        if ((slot & PAWL_MAP_LINK_) == 0)
            return NULL; /* the chain went empty, and its place was taken, since meta was read */
        bucket = (const struct pawl_map_bucket_ *)pawl_map_object_(slot);
    }
}

/* The object with this key, valid until the section ends; or NULL. */
PAWL_API PAWL_INLINE void *pawl_map_get(const struct pawl_map *map, uint64_t hash, const void *key)
{
    return pawl_map_get_by(map, hash, key, map->equal);
}

/* objects[i] = get(hashes[i], keys[i]) for all i below n: the misses of the cache overlap. n is any number; steps of 16.
 * The gets are atomic one by one. Returns how many were found. */
PAWL_API size_t pawl_map_get_n(const struct pawl_map *map, size_t n, const uint64_t *hashes,
                               const void *const *keys, void **objects) PAWL_NONNULL;

/* The memory of the bucket is asked for: for who hashes several keys before it gets the first. */
PAWL_API PAWL_INLINE void pawl_map_prefetch(const struct pawl_map *map, uint64_t hash)
{
    __builtin_prefetch(pawl_map_bucket_of_(pawl_load_acquire(&map->table), hash)); /* T */
}

/* The first lines of the object are asked for, or of another with the same bits of its hash, as far as `bytes` of it: some
 * time after the bucket was. Inside a section. */
PAWL_API PAWL_INLINE void pawl_map_prefetch_object(const struct pawl_map *map, uint64_t hash, size_t bytes)
{
    const struct pawl_map_bucket_ *bucket = pawl_map_bucket_of_(pawl_load_acquire(&map->table), hash); /* T */
    /* relaxed, both: a hint, which no get relies on */
    uint64_t match = pawl_map_match_(pawl_load_relaxed(&bucket->meta), pawl_map_tag_(hash));

    const char *object;

    if (match == 0)
        return;
    object = (const char *)pawl_map_object_(pawl_load_relaxed(&bucket->slot[__builtin_ctzll(match) >> 3]));
    for (size_t at = 0; at < bytes; at += PAWL_CACHELINE)
        __builtin_prefetch(object + at);
}

/* ---- changing: any thread, inside a section or not ----
 *
 * `object` has the key, and is whole. What is handed out as *present or by get_or_insert is still in the map: valid
 * only in a section of the caller's. Other objects handed out are out of the map, and the caller's to retire. */

/* Puts the object in if no other has its key. Returns 0; -EEXIST, with the other in *present (unless NULL); -ENOMEM. */
PAWL_API int pawl_map_insert(struct pawl_map *map, uint64_t hash, const void *key, void *object,
                             void **present) PAWL_MUST_USE __attribute__((nonnull(1, 3, 4)));

/* The object that is in the map afterwards: the one that was there, or this one. NULL with errno ENOMEM. */
PAWL_API void *pawl_map_get_or_insert(struct pawl_map *map, uint64_t hash, const void *key, void *object)
    PAWL_NONNULL PAWL_MUST_USE;

/* Puts the object in, in place of the one with its key if there is one, which is then *old; else *old = NULL.
 * Returns 0 or -ENOMEM, which cannot be if there was one. */
PAWL_API int pawl_map_put(struct pawl_map *map, uint64_t hash, const void *key, void *object, void **old)
    PAWL_NONNULL PAWL_MUST_USE;

/* In place of the one with its key, which is then *old. Returns 0 or -ENOENT, with *old = NULL. */
PAWL_API int pawl_map_replace(struct pawl_map *map, uint64_t hash, const void *key, void *object, void **old)
    PAWL_NONNULL PAWL_MUST_USE;

/* Takes the object with this key out. Returns it, or NULL. */
PAWL_API void *pawl_map_del(struct pawl_map *map, uint64_t hash, const void *key) PAWL_NONNULL PAWL_MUST_USE;

/* Compare and replace: `object`, which has the same key, in place of `expected`, if that is in the map. Nothing is
 * compared but the address. Returns 0, or -ENOENT. To be sure that it is the same `expected`, and not one made later at
 * its address: found in a section that has not ended yet. */
PAWL_API int pawl_map_replace_object(struct pawl_map *map, uint64_t hash, const void *expected, void *object)
    PAWL_NONNULL PAWL_MUST_USE;

/* Takes out `expected` if it is in the map: for eviction. As above. */
PAWL_API int pawl_map_del_object(struct pawl_map *map, uint64_t hash, const void *expected)
    PAWL_NONNULL PAWL_MUST_USE;

/* ---- walking ---- */

/* Where a walk is: a hash. Zero is a fresh one; it may be kept for as long as one likes, and copied. */
struct pawl_map_cursor {
    uint64_t at;
    bool ended;
};

/* Visits up to `buckets` buckets from the cursor on, in the order of hashes: visit(object, argument) for each object.
 * Returns whether there is more. Over all the calls of a walk each key that stays in the map is visited exactly once,
 * resized or not; one that comes or goes, or goes and comes back, is visited or not, perhaps as two objects. Inside a
 * section, one for all calls or one for each. `visit` may change the map. */
PAWL_API bool pawl_map_walk(const struct pawl_map *map, struct pawl_map_cursor *cursor, size_t buckets,
                            void (*visit)(void *object, void *argument), void *argument)
    __attribute__((nonnull(1, 2, 4)));

/* ---- the rest ---- */

/* Carries a resize on by up to `buckets` buckets, rounded up to 8. Returns whether one is under way afterwards. For
 * idle times, and for who wants its figures from a map at rest. */
PAWL_API bool pawl_map_help(struct pawl_map *map, size_t buckets) PAWL_NONNULL;

/* Objects in the map: exact when nobody changes it. One line for each CPU that ever did. */
PAWL_API size_t pawl_map_size(const struct pawl_map *map) PAWL_NONNULL;

struct pawl_map_counts {
    size_t entries;
    size_t buckets;    /* of the table, or of the one that it becomes */
    size_t links;      /* overflow buckets */
    size_t longest;    /* how many of them in one chain, at most, since the last resize */
    size_t bytes;      /* of what is used: not what waits for a grace period, nor for the end of its table */
    uint64_t resizes;  /* that have ended */
    uint64_t failures; /* how often there was no memory for one */
    bool resizing;
};

PAWL_API void pawl_map_stats(const struct pawl_map *map, struct pawl_map_counts *stats) PAWL_NONNULL;

PAWL_END_DECLS
#endif
