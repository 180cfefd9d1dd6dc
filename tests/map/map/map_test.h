/* SPDX-License-Identifier: MIT */
/* What the tests of the map share: items with a number for a key, and memory that can run out. */
#ifndef PAWL_TESTS_MAP_TEST_H
#define PAWL_TESTS_MAP_TEST_H

#include "../../sync/sync_test.h"

#include <pawl/map.h>

#include <errno.h>

enum { IN_USE = 0x1234, GONE = 0x4321 };

struct item {
    uint64_t number;
    uint64_t hash;
    int state; /* IN_USE until it is reclaimed */
    struct pawl_retired retired;
};

static inline bool item_equal(const void *object, const void *key)
{
    return ((const struct item *)object)->number == *(const uint64_t *)key;
}

static inline uint64_t item_hash(const void *object, const struct pawl_hash_seed *seed)
{
    (void)seed;
    return ((const struct item *)object)->hash;
}

static inline struct item *make_item(uint64_t number, uint64_t hash)
{
    struct item *item = malloc(sizeof *item);

    if (item == NULL)
        abort();
    *item = (struct item){.number = number, .hash = hash, .state = IN_USE};
    return item;
}

static inline void free_item(struct pawl_retired *retired)
{
    struct item *item = pawl_retired_of(retired, struct item, retired);

    item->state = GONE;
    free(item);
}

static inline void retire_item(struct item *item)
{
    pawl_rcu_call(&item->retired, free_item);
}

/* ---- memory that is counted, and of which there can be none ---- */

struct ration {
    PAWL_ATOMIC(long) bytes;  /* in use */
    PAWL_ATOMIC(long) blocks; /* the same */
    PAWL_ATOMIC(long) left;   /* so many allocations succeed; negative: all */
};

static inline void *ration_allocate(size_t bytes, void *context)
{
    struct ration *ration = context;
    void *memory;

    if (pawl_load_relaxed(&ration->left) == 0)
        return NULL;
    if (pawl_load_relaxed(&ration->left) > 0)
        pawl_fetch_sub_relaxed(&ration->left, 1);
    memory = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);
    if (memory == NULL)
        return NULL;
    pawl_fetch_add_relaxed(&ration->bytes, (long)bytes);
    pawl_fetch_add_relaxed(&ration->blocks, 1);
    return memset(memory, 0, bytes);
}

static inline void ration_release(void *memory, size_t bytes, void *context)
{
    struct ration *ration = context;

    pawl_fetch_sub_relaxed(&ration->bytes, (long)bytes);
    pawl_fetch_sub_relaxed(&ration->blocks, 1);
    free(memory);
}

static inline struct pawl_map_memory ration_memory(struct ration *ration)
{
    pawl_store_relaxed(&ration->left, -1);
    return (struct pawl_map_memory){ration_allocate, ration_release, ration};
}

static inline void open_map(struct pawl_map *map, struct ration *ration)
{
    struct pawl_map_memory memory;
    struct pawl_map_options options = {.equal = item_equal, .hash_of = item_hash};

    if (ration != NULL) {
        memory = ration_memory(ration);
        options.memory = &memory;
    }
    assert_int_equal(pawl_map_init(map, &options), 0);
}

/* ---- operations by number, with a hash that is the caller's or the default one ---- */

static inline uint64_t hash_of(const struct pawl_map *map, uint64_t number)
{
    return pawl_hash_u64(number, &map->seed);
}

static inline struct item *get_at(struct pawl_map *map, uint64_t number, uint64_t hash)
{
    struct item *item;

    pawl_rcu_read_lock();
    item = pawl_map_get(map, hash, &number);
    if (item != NULL && (item->number != number || item->state != IN_USE))
        abort();
    pawl_rcu_read_unlock();
    return item;
}

static inline struct item *get(struct pawl_map *map, uint64_t number)
{
    return get_at(map, number, hash_of(map, number));
}

/* 0, -EEXIST or -ENOMEM; the item is freed again when it is not put in. */
static inline int insert_at(struct pawl_map *map, uint64_t number, uint64_t hash)
{
    struct item *item = make_item(number, hash);
    int status = pawl_map_insert(map, hash, &number, item, NULL);

    if (status != 0)
        free(item);
    return status;
}

static inline int insert(struct pawl_map *map, uint64_t number)
{
    return insert_at(map, number, hash_of(map, number));
}

static inline bool del_at(struct pawl_map *map, uint64_t number, uint64_t hash)
{
    struct item *item = pawl_map_del(map, hash, &number);

    if (item == NULL)
        return false;
    if (item->number != number || item->state != IN_USE)
        abort();
    retire_item(item);
    return true;
}

static inline bool del(struct pawl_map *map, uint64_t number)
{
    return del_at(map, number, hash_of(map, number));
}

static inline void settle(struct pawl_map *map)
{
    while (pawl_map_help(map, 64)) {
    }
}

static inline void retire_visited(void *object, void *argument)
{
    struct item *item = object;

    if (pawl_map_del_object(argument, item->hash, item) == 0)
        retire_item(item);
}

static inline void close_map(struct pawl_map *map)
{
    struct pawl_map_cursor cursor = {0};
    bool more;

    do {
        pawl_rcu_read_lock();
        more = pawl_map_walk(map, &cursor, 1000, retire_visited, map);
        pawl_rcu_read_unlock();
    } while (more);
    assert_int_equal(pawl_map_size(map), 0);
    pawl_map_destroy(map);
    pawl_rcu_barrier();
}

static inline uint64_t map_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The tests in the other files; how many failed. */
int run_map_limits(void);
int run_hash(void);

#endif
