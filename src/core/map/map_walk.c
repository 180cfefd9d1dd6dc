/* SPDX-License-Identifier: MIT */
/* Reading many: walks, and gets whose cache misses overlap. */
#include "map.h"

/* The bucket that has this hash now. */
static const struct pawl_map_bucket_ *bucket_now(const struct pawl_map *map, uint64_t hash, char **table)
{
    const struct pawl_map_bucket_ *bucket;

    *table = pawl_load_acquire(&map->table); /* T */
    for (;;) {
        bucket = pawl_map_bucket_of_(*table, hash);
        if ((pawl_load_acquire(&bucket->meta) & PAWL_MAP_MOVED_) == 0) /* M */
            return bucket;
        *table = pawl_load_relaxed(&pawl_map_table_of_(*table)->next); /* relaxed: as in pawl_map_get_by */
    }
}

struct visit {
    void (*visit)(void *object, void *argument);
    void *argument;
    const struct pawl_map *map;
    uint64_t from; /* hashes below were visited before */
    bool some;     /* are in this bucket */
};

static void visit_slot(const struct visit *visit, uint64_t slot)
{
    void *object = pawl_map_object_(slot);

    if (!visit->some || visit->map->hash_of(object, &visit->map->seed) >= visit->from)
        visit->visit(object, visit->argument);
}

/* One chain, as pawl_map_get_by reads it: each meta once, each slot once. If it moves meanwhile, it stays here as it was. */
static void visit_chain(const struct visit *visit, const struct pawl_map_bucket_ *bucket)
{
    uint64_t meta, slot;

    do {
        meta = pawl_load_acquire(&bucket->meta); /* M */
        slot = 0;
        for (unsigned int i = 0; i < PAWL_MAP_SLOTS_; i++) {
            if (map_tag_at(meta, i) == 0 && (i < MAP_LAST || (meta & PAWL_MAP_CHAINED_) == 0))
                continue;
            slot = pawl_load_acquire(&bucket->slot[i]); /* S */
            if ((slot & PAWL_MAP_LINK_) == 0 && map_tag_at(meta, i) != 0)
                visit_slot(visit, slot);
        }
        bucket = pawl_map_object_(slot);
    } while ((slot & PAWL_MAP_LINK_) != 0);
}

bool pawl_map_walk(const struct pawl_map *map, struct pawl_map_cursor *cursor, size_t buckets,
                   void (*visit)(void *object, void *argument), void *argument)
{
    for (size_t i = 0; i < buckets && !cursor->ended; i++) {
        char *table;
        const struct pawl_map_bucket_ *bucket = bucket_now(map, cursor->at, &table);
        unsigned int shift = map_shift(table);
        uint64_t first = cursor->at >> shift << shift;
        struct visit of = {visit, argument, map, cursor->at, first < cursor->at};

        visit_chain(&of, bucket);
        cursor->at = first + (UINT64_C(1) << shift);
        cursor->ended = cursor->at == 0; /* behind the last bucket */
    }
    return !cursor->ended;
}

/* ---- batches ---- */

enum { BATCH = 16 };

/* Buckets on their way, then objects, then all else. */
static size_t get_batch(const struct pawl_map *map, size_t n, const uint64_t *hashes, const void *const *keys,
                        void **objects)
{
    char *table = pawl_load_acquire(&map->table); /* T */
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(pawl_map_bucket_of_(table, hashes[i]));
    for (size_t i = 0; i < n; i++)
        pawl_map_prefetch_object(map, hashes[i], 1);
    for (size_t i = 0; i < n; i++) {
        objects[i] = pawl_map_get(map, hashes[i], keys[i]);
        found += objects[i] != NULL;
    }
    return found;
}

size_t pawl_map_get_n(const struct pawl_map *map, size_t n, const uint64_t *hashes, const void *const *keys,
                      void **objects)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i += BATCH)
        found += get_batch(map, n - i < BATCH ? n - i : BATCH, hashes + i, keys + i, objects + i);
    return found;
}
