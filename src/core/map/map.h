/* SPDX-License-Identifier: MIT */
/* The map from the inside.
 *
 *   map->table --> [ header | bucket 0 | bucket 1 | ... ]          bucket of a hash: its top bits
 *                     next --> [ header | ... ]                    while it resizes
 *
 *   bucket   meta [ t0 t1 t2 t3 t4 t5 t6 | flags ]   slots [ s0 .. s5 | s6 or link ] --> overflow bucket, the same
 *
 * Top bits, so that bucket b becomes 2b and 2b + 1 of a table of twice the size, and hashes keep their order: a walk goes
 * by hash, whatever the tables are.
 *
 * Who may write. LOCKED in the word of a bucket (of a table) is the lock of its chain. Its holder alone stores into the
 * chain. A bucket that has MOVED is never changed again.
 *
 * Why readers need neither lock nor version. They read one meta, then the slots that it points out, then go on along the
 * chain. An entry never moves but in three ways, each of which a reader survives whose meta is older:
 *   1 from the last slot of a full bucket into a fresh overflow bucket. The store of the link into that slot is the one
 *     moment: before it the entry is here, after it behind the link.
 *   2 into the next table. The old bucket stays as it was: the reader finds what was there when it moved.
 *   3 an overflow bucket that has become empty is unlinked. It stays as it was, with its link, for a grace period.
 * A key that stays is therefore where it was when meta was read, or where 1 leads. For a key that is deleted and
 * inserted again elsewhere meanwhile, "no" is right: between the two.
 *
 * What is found must be in the map for good, or be taken out by somebody: an object whose slot is stored, and whose tag is not,
 * could be seen by a reader that still has the tag of the slot's former object, and missed by the same reader a moment later. So a
 * reader looks at the tag again after it has found the object (one load of the line that it has).
 *
 * Ordering
 *   M   a writer's release of meta at the end -> a reader's, the next writer's, or a mover's acquire: slots, links and
 *       objects that go with the tags; with MOVED, the buckets of the next table, filled by plain (relaxed) stores.
 *   S   a slot's release -> a reader's acquire: the object behind it, or the overflow bucket. M is not enough: a reader
 *       with an older meta may read a younger slot.
 *   N   a table's next -> who helps to resize: the header of the next one.
 *   T   map->table -> everybody: the whole table. Who ends a resize has acquired from all who moved a part of it.
 *   H   `resizing` exchanged -> stored: one at a time starts a resize. */
#ifndef PAWL_CORE_MAP_MAP_H
#define PAWL_CORE_MAP_MAP_H

#include <pawl/map.h>

#define MAP_TAGS UINT64_C(0x00ffffffffffffff)
#ifndef MAP_SMALLEST             /* closures for the model checker make do with 2 */
#define MAP_SMALLEST ((size_t)8) /* buckets; also what a helper moves at once */
#endif

enum {
    MAP_GROW_AT = 5,   /* objects a bucket */
    MAP_SHRINK_AT = 1, /* the same: after shrinking by 2 it is far from either */
    MAP_LAST = PAWL_MAP_SLOTS_ - 1,
    MAP_LOWEST_PRINT_BIT = 40, /* of a hash, in a slot: pawl_map_print_ */
    MAP_PRINT_BITS = 16,
};

#define MAP_MOST_BUCKETS ((size_t)1 << 40)

/* An overflow bucket. Readers touch its first line only. */
struct map_link {
    struct pawl_map_bucket_ bucket;
    struct pawl_retired retired;
    struct pawl_map *map;
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct map_link) == PAWL_CACHELINE_PAIR, "128 bytes, as the header says");
PAWL_STATIC_ASSERT(sizeof(struct pawl_map_table_) == (size_t)2 * PAWL_CACHELINE_PAIR,
                   "the header of a table");
PAWL_STATIC_ASSERT(offsetof(struct pawl_map, resizing) % PAWL_CACHELINE_PAIR == 0,
                   "what is written stands apart from what readers need");

static inline unsigned int map_shift(const char *table)
{
    return (unsigned int)((uintptr_t)table % PAWL_CACHELINE);
}

static inline size_t map_buckets(const char *table)
{
    return (size_t)1 << (64 - map_shift(table));
}

static inline struct pawl_map_bucket_ *map_bucket(char *table, size_t index)
{
    return (struct pawl_map_bucket_ *)(void *)(table - map_shift(table)) + index;
}

static inline uint64_t map_tag_at(uint64_t meta, unsigned int index)
{
    return meta >> 8 * index & 0xff;
}

static inline uint64_t map_tag_for(uint64_t tag, unsigned int index)
{
    return tag << 8 * index;
}

/* Of the chain's next bucket, when meta says that there is one. The caller has the lock, or nobody else has the map. */
static inline struct map_link *map_linked(struct pawl_map_bucket_ *bucket)
{
    /* relaxed: the lock orders */
    return pawl_map_object_(pawl_load_relaxed(&bucket->slot[MAP_LAST]));
}

static inline uint64_t map_link_word(const struct map_link *link)
{
    return (uint64_t)(uintptr_t)link | PAWL_MAP_LINK_;
}

/* Of a chain in `table`. An empty one, or NULL. */
struct map_link *pawl_map_link_open(struct pawl_map *map, char *table);
/* At once: one that nobody has seen. */
void pawl_map_link_close(struct pawl_map *map, char *table, struct map_link *link);
/* After a grace period. */
void pawl_map_link_retire(struct pawl_map *map, char *table, struct map_link *link);
/* All links behind a bucket that has been taken out of use, with the meta that it had. */
void pawl_map_chain_retire(struct pawl_map *map, char *table, struct pawl_map_bucket_ *bucket, uint64_t meta);

/* A table of a power of two of buckets, or NULL. */
char *pawl_map_table_open(struct pawl_map *map, size_t buckets);
void pawl_map_table_close(struct pawl_map *map, char *table);

void pawl_map_inserted(struct pawl_map *map, char *table, bool look);
void pawl_map_deleted(struct pawl_map *map, char *table, bool look);

/* Whether a writer whose bucket was in `table` has nothing to help with. Inside a section. */
static inline bool map_is_at_rest(const struct pawl_map *map, char *table)
{
    /* acquire T. relaxed: a resize that has just begun is for the next writer */
    return pawl_load_acquire(&map->table) == table &&
           pawl_load_relaxed(&pawl_map_table_of_(table)->next) == NULL;
}

/* After an insert or a del that left the lock: carries a resize on, or looks whether one should begin. `table` is where
 * its bucket was. Inside a section. */
static inline void map_inserted(struct pawl_map *map, char *table, bool look)
{
    if (PAWL_UNLIKELY(look || !map_is_at_rest(map, table)))
        pawl_map_inserted(map, table, look);
}

static inline void map_deleted(struct pawl_map *map, char *table, bool look)
{
    if (PAWL_UNLIKELY(look || !map_is_at_rest(map, table)))
        pawl_map_deleted(map, table, look);
}

#endif
