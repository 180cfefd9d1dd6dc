/* SPDX-License-Identifier: MIT */
/* Maps: opened and closed, their memory, their figures. */
#include "map.h"

#include "pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern inline const struct pawl_map_bucket_ *pawl_map_bucket_of_(const char *table, uint64_t hash);
extern inline struct pawl_map_table_ *pawl_map_table_of_(char *table);
extern inline uint64_t pawl_map_tag_(uint64_t hash);
extern inline uint64_t pawl_map_print_(uint64_t hash);
extern inline uint64_t pawl_map_match_(uint64_t meta, uint64_t tag);
extern inline void *pawl_map_object_(uint64_t slot);
extern inline void *pawl_map_get_by(const struct pawl_map *map, uint64_t hash, const void *key,
                                    bool (*equal)(const void *object, const void *key));
extern inline void *pawl_map_get(const struct pawl_map *map, uint64_t hash, const void *key);
extern inline void pawl_map_prefetch(const struct pawl_map *map, uint64_t hash);
extern inline void pawl_map_prefetch_object(const struct pawl_map *map, uint64_t hash, size_t bytes);

/* ---- memory ---- */

#define FROM_KERNEL ((size_t)64 << 10) /* bytes from which on a table has pages of its own */

#define SPARES 8 /* a table that is about to grow has an overflow bucket for so many buckets */

static char small; /* the context of who asks for small pages */

/* Of `bytes` for a table `huge` may have huge pages. */
static void *allocate_table(size_t bytes, size_t huge)
{
    return pawl_map_pages_open_(bytes, sizeof(struct pawl_map_table_), huge);
}

static void *allocate(size_t bytes, void *context)
{
    void *memory;

    if (bytes >= FROM_KERNEL)
        return allocate_table(bytes, context != &small ? bytes - sizeof(struct pawl_map_table_) : 0);
    memory = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

static void release(void *memory, size_t bytes, void *context)
{
    (void)context;
    if (bytes < FROM_KERNEL)
        free(memory);
    else
        pawl_map_pages_close_(memory, bytes);
}

const struct pawl_map_memory pawl_map_small_pages = {allocate, release, &small};

/* ---- overflow buckets ----
 *
 * Large tables bring their own, behind their buckets, where pages are taken when they are touched: nobody waits for a malloc that
 * first sorts the hundred thousands which a resize gave back, and those that a table brought go with it. They are not used again
 * before: who needs more gets them one by one. */

static struct map_link *spares(struct pawl_map_table_ *header)
{
    return (struct map_link *)(void *)((char *)header + header->bytes) - header->spare;
}

static struct map_link *take_spare(struct pawl_map_table_ *header)
{
    uint64_t number;

    /* relaxed, both: whose is which is all they say */
    if (pawl_load_relaxed(&header->spent) >= header->spare)
        return NULL;
    number = pawl_fetch_add_relaxed(&header->spent, UINT64_C(1));
    return number < header->spare ? spares(header) + number : NULL;
}

static bool is_spare(struct pawl_map_table_ *header, const struct map_link *link)
{
    return header->spare != 0 && link >= spares(header) && link < spares(header) + header->spare;
}

struct map_link *pawl_map_link_open(struct pawl_map *map, char *table)
{
    struct map_link *link = take_spare(pawl_map_table_of_(table));

    if (link == NULL) {
        link = map->memory.allocate(sizeof *link, map->memory.context);
        if (link == NULL)
            return NULL;
        link->map = map;
    }
    pawl_counter_add(&map->links, 1);
    return link;
}

void pawl_map_link_close(struct pawl_map *map, char *table, struct map_link *link)
{
    pawl_counter_add(&map->links, -1);
    if (!is_spare(pawl_map_table_of_(table), link))
        map->memory.release(link, sizeof *link, map->memory.context);
}

static void reclaim_link(struct pawl_retired *retired)
{
    struct map_link *link = pawl_retired_of(retired, struct map_link, retired);

    link->map->memory.release(link, sizeof *link, link->map->memory.context);
}

void pawl_map_link_retire(struct pawl_map *map, char *table, struct map_link *link)
{
    pawl_counter_add(&map->links, -1);
    if (!is_spare(pawl_map_table_of_(table), link))
        pawl_rcu_call_in(map->rcu, &link->retired, reclaim_link);
}

void pawl_map_chain_retire(struct pawl_map *map, char *table, struct pawl_map_bucket_ *bucket, uint64_t meta)
{
    while ((meta & PAWL_MAP_CHAINED_) != 0) {
        struct map_link *link = map_linked(bucket);

        bucket = &link->bucket;
        /* relaxed: the caller had the lock, nobody changes it any more */
        meta = pawl_load_relaxed(&bucket->meta);
        pawl_map_link_retire(map, table, link);
    }
}

/* ---- tables ---- */

/* Those of more than 2 MiB come with overflow buckets, and from 4 MiB on in huge pages, unless the caller has memory of its own. */
static struct pawl_map_table_ *open_large(const struct pawl_map *map, size_t bytes, size_t buckets)
{
    const size_t spare = buckets / SPARES;
    const size_t huge = map->memory.context != &small ? buckets * sizeof(struct pawl_map_bucket_) : 0;
    struct pawl_map_table_ *header = allocate_table(bytes + spare * sizeof(struct map_link), huge);

    if (header == NULL)
        return NULL;
    header->spare = spare;
    header->bytes = spare * sizeof(struct map_link);
    /* relaxed: whoever gets the table acquires it */
    pawl_store_relaxed(&header->ready, pawl_map_pages_are_huge_(huge) ? UINT64_C(0) : (uint64_t)buckets);
    return header;
}

char *pawl_map_table_open(struct pawl_map *map, size_t buckets)
{
    size_t bytes = sizeof(struct pawl_map_table_) + buckets * sizeof(struct pawl_map_bucket_);
    struct pawl_map_table_ *header;

    if (map->memory.allocate == allocate && bytes > PAWL_MAP_HUGE_PAGE_) {
        header = open_large(map, bytes, buckets);
    } else {
        header = map->memory.allocate(bytes, map->memory.context);
        if (header != NULL)
            pawl_store_relaxed(&header->ready, (uint64_t)buckets); /* relaxed: as above */
    }
    if (header == NULL)
        return NULL;
    header->map = map;
    header->bytes += bytes;
    return (char *)(header + 1) + (64 - __builtin_ctzll(buckets));
}

void pawl_map_table_close(struct pawl_map *map, char *table)
{
    struct pawl_map_table_ *header = pawl_map_table_of_(table);

    map->memory.release(header, header->bytes, map->memory.context);
}

/* The links of the buckets that have not moved. Nobody else has the map: relaxed. */
static void close_chains(struct pawl_map *map, char *table)
{
    for (size_t i = 0; i < map_buckets(table); i++) {
        struct pawl_map_bucket_ *bucket = map_bucket(table, i);
        uint64_t meta = pawl_load_relaxed(&bucket->meta);
        struct map_link *link = NULL;

        if ((meta & (PAWL_MAP_CHAINED_ | PAWL_MAP_MOVED_)) == PAWL_MAP_CHAINED_)
            link = map_linked(bucket);
        while (link != NULL) {
            struct map_link *done = link;

            meta = pawl_load_relaxed(&link->bucket.meta);
            link = (meta & PAWL_MAP_CHAINED_) != 0 ? map_linked(&link->bucket) : NULL;
            pawl_map_link_close(map, table, done);
        }
    }
}

/* ---- from the beginning to the end ---- */

/* Buckets for so many entries, which then do not grow. */
static size_t buckets_for(size_t entries)
{
    size_t buckets = MAP_SMALLEST;

    while (buckets * MAP_GROW_AT < entries)
        buckets *= 2;
    return buckets;
}

static int open_parts(struct pawl_map *map)
{
    int status = pawl_counter_init(&map->entries);
    char *table;

    if (status != 0)
        return status;
    status = pawl_counter_init(&map->links);
    if (status != 0) {
        pawl_counter_destroy(&map->entries);
        return status;
    }
    table = pawl_map_table_open(map, map->floor);
    if (table == NULL) {
        pawl_counter_destroy(&map->links);
        pawl_counter_destroy(&map->entries);
        return -ENOMEM;
    }
    pawl_store_relaxed(&map->table, table); /* relaxed: nobody else has the map yet */
    return 0;
}

int pawl_map_init(struct pawl_map *map, const struct pawl_map_options *options)
{
    int status = 0;

    if (options->equal == NULL || options->hash_of == NULL ||
        options->entries > MAP_MOST_BUCKETS * MAP_GROW_AT ||
        (options->memory != NULL && (options->memory->allocate == NULL || options->memory->release == NULL)))
        return -EINVAL;
    memset(map, 0, sizeof *map);
    map->equal = options->equal;
    map->hash_of = options->hash_of;
    map->rcu = options->rcu != NULL ? options->rcu : &pawl_rcu_default;
    map->memory = options->memory != NULL ? *options->memory
                                          : (struct pawl_map_memory){allocate, release, NULL};
    map->floor = buckets_for(options->entries);
    if (options->seed != NULL)
        map->seed = *options->seed;
    else
        status = pawl_hash_seed_init(&map->seed);
    return status != 0 ? status : open_parts(map);
}

void pawl_map_destroy(struct pawl_map *map)
{
    char *table = pawl_load_relaxed(&map->table); /* relaxed, here: nobody else has the map any more */

    /* relaxed: the barrier orders it before the next round of callbacks */
    pawl_store_relaxed(&map->closing, true);
    pawl_rcu_barrier_in(map->rcu); /* what was retired needs the map to be released */
    while (table != NULL) {
        char *next = pawl_load_relaxed(&pawl_map_table_of_(table)->next); /* of a resize that did not end */

        close_chains(map, table);
        pawl_map_table_close(map, table);
        table = next;
    }
    pawl_counter_destroy(&map->links);
    pawl_counter_destroy(&map->entries);
}

/* ---- figures ---- */

/* Adds and subtractions on different CPUs may be seen in any order. */
static size_t counted(const struct pawl_counter *counter)
{
    long n = pawl_counter_read(counter);

    return n > 0 ? (size_t)n : 0;
}

size_t pawl_map_size(const struct pawl_map *map)
{
    return counted(&map->entries);
}

/* Without overflow buckets, which are counted where they are used. */
static size_t bytes_of(char *table)
{
    return sizeof(struct pawl_map_table_) + map_buckets(table) * sizeof(struct pawl_map_bucket_);
}

void pawl_map_stats(const struct pawl_map *map, struct pawl_map_counts *stats)
{
    char *table, *next;

    memset(stats, 0, sizeof *stats);
    pawl_rcu_read_lock_in(map->rcu);
    table = pawl_load_acquire(&map->table);                     /* T */
    next = pawl_load_acquire(&pawl_map_table_of_(table)->next); /* N */
    stats->entries = counted(&map->entries);
    stats->links = counted(&map->links);
    stats->buckets = map_buckets(next != NULL ? next : table);
    stats->bytes = sizeof *map + bytes_of(table) + stats->links * sizeof(struct map_link);
    if (next != NULL)
        stats->bytes += bytes_of(next);
    stats->resizing = next != NULL;
    pawl_rcu_read_unlock_in(map->rcu);
    /* relaxed, all: figures */
    stats->longest = pawl_load_relaxed(&map->longest);
    stats->resizes = pawl_load_relaxed(&map->resizes);
    stats->failures = pawl_load_relaxed(&map->failures);
}
