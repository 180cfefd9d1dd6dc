/* SPDX-License-Identifier: MIT */
/* Maps with keys of 16 bytes: get, get and put, growing.
 *
 *   bench-map [--keys N] [--zipf] [options of the harness]    1,000,000 keys besides 1,000; picked by zipf 0.99
 *   bench-map --longest [N]                                   how long single inserts and dels take, and stops
 *
 * By operation: pawl_map get 0 RMW; put 1 (the bucket), and an object of its own, made of one that it got
 * back after a grace period. The peers' values change in place, but for liburcu's, which is used as ours is; "in place" is ours
 * used as theirs: what is there takes the value, 0 RMW. */
#define KIND key
#include "keys.h"
#include "peers.h"

#include <pawl/clock.h>
#include <pawl/map.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_hash_seed hash_seed;

uint64_t bench_map_hash(const struct bench_key *key)
{
    return pawl_hash_bytes(key, sizeof *key, &hash_seed);
}

/* ---- ours ---- */

struct item {
    struct bench_key key;
    PAWL_ATOMIC(uint64_t) value;
    struct item *next; /* while it is in no map */
};

/* Objects that a thread took out, used again when nobody reads them any more: in batches, by a look at each. */
struct limbo {
    struct item *spare, *waiting, *filling;
    uint64_t ticket;
    unsigned int filled;
} __attribute__((aligned(BENCH_LINE_PAIR)));

enum { LIMBO = 2048, THREADS = 64 };

static struct limbo limbos[THREADS]; /* by thread->index; they stay from slice to slice */

static bool item_equal(const void *object, const void *key)
{
    const struct bench_key *a = object, *b = key;

    return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

static uint64_t item_hash(const void *object, const struct pawl_hash_seed *seed)
{
    return pawl_hash_bytes(object, sizeof(struct bench_key), seed);
}

static void give_item(struct limbo *limbo, struct item *item)
{
    item->next = limbo->filling;
    limbo->filling = item;
    if (++limbo->filled % LIMBO != 0 || (limbo->waiting != NULL && !pawl_rcu_poll(limbo->ticket)))
        return; /* once in a batch */
    if (limbo->spare != NULL)
        return; /* there are some still: the next time */
    limbo->spare = limbo->waiting;
    limbo->waiting = limbo->filling;
    limbo->filling = NULL;
    limbo->ticket = pawl_rcu_start_poll();
}

static struct item *take_item(struct limbo *limbo)
{
    struct item *item = limbo->spare;

    if (item != NULL) {
        limbo->spare = item->next;
        __builtin_prefetch(item->next); /* for the next put */
        return item;
    }
    item = malloc(sizeof *item);
    if (item == NULL)
        abort();
    return item;
}

static inline uint64_t get(const struct pawl_map *map, const struct bench_key *key)
{
    const struct item *item;
    uint64_t value;

    pawl_rcu_read_lock();
    item = pawl_map_get_by(map, pawl_hash_bytes(key, sizeof *key, &map->seed), key, item_equal);
    value = item != NULL ? pawl_load_relaxed(&item->value) : 0; /* relaxed: as where it is stored */
    pawl_rcu_read_unlock();
    return value;
}

/* The bucket is asked for before the object is made. */
static inline void put(struct limbo *limbo, struct pawl_map *map, const struct bench_key *key, uint64_t value)
{
    uint64_t hash = pawl_hash_bytes(key, sizeof *key, &map->seed);
    struct item *item;
    void *old;

    pawl_map_prefetch(map, hash);
    item = take_item(limbo);
    item->key = *key;
    pawl_store_relaxed(&item->value, value); /* relaxed: the map publishes it */
    if (pawl_map_put(map, hash, key, item, &old) != 0)
        abort();
    if (old != NULL)
        give_item(limbo, old);
}

/* As the peers do: what is there takes the value. */
static inline void put_in_place(struct limbo *limbo, struct pawl_map *map, const struct bench_key *key,
                                uint64_t value)
{
    uint64_t hash = pawl_hash_bytes(key, sizeof *key, &map->seed);
    struct item *item;

    pawl_rcu_read_lock();
    item = pawl_map_get_by(map, hash, key, item_equal);
    if (item != NULL)
        pawl_store_relaxed(&item->value, value); /* relaxed: a number that stands alone */
    pawl_rcu_read_unlock();
    if (item == NULL)
        put(limbo, map, key, value);
}

static int pawl_open_empty(unsigned threads, void **shared)
{
    struct pawl_map_options options = {.equal = item_equal, .hash_of = item_hash, .seed = &hash_seed};
    struct pawl_map *map = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *map);

    (void)threads;
    if (map == NULL || pawl_map_init(map, &options) != 0)
        abort();
    *shared = map;
    return 0;
}

static void end_resize(struct pawl_map *map)
{
    while (pawl_map_help(map, 1024)) {
    }
}

static void take_out(void *object, void *map)
{
    struct item *item = object;

    if (pawl_map_del_object(map, item_hash(item, &hash_seed), item) == 0)
        free(item); /* nobody else has the map */
}

static void pawl_empty(void *shared)
{
    struct pawl_map_cursor cursor = {0};

    pawl_rcu_read_lock();
    while (pawl_map_walk(shared, &cursor, 1024, take_out, shared)) {
    }
    pawl_rcu_read_unlock();
    end_resize(shared);
}

static void free_list(struct item *item)
{
    while (item != NULL) {
        struct item *next = item->next;

        free(item);
        item = next;
    }
}

static void pawl_close(void *shared)
{
    pawl_empty(shared);
    pawl_map_destroy(shared);
    free(shared);
    pawl_rcu_synchronize();
    for (int i = 0; i < THREADS; i++) {
        free_list(limbos[i].spare);
        free_list(limbos[i].waiting);
        free_list(limbos[i].filling);
    }
    memset(limbos, 0, sizeof limbos);
}

static int pawl_open(unsigned threads, void **shared);
static void pawl_get(struct bench_thread *thread, uint64_t n);
static void pawl_95(struct bench_thread *thread, uint64_t n);
static void pawl_50(struct bench_thread *thread, uint64_t n);
static void pawl_grow(struct bench_thread *thread, uint64_t n);
#define LOOP(name) pawl_##name
#define MAP struct pawl_map
#define KEY struct bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get((map), &(key))
#define PUT(thread, map, key, value) put(&limbos[(thread)->index % THREADS], (map), &(key), (value))
#define SETTLE(map) end_resize(map)
#include "loops.h"

static void pawl_in_place_95(struct bench_thread *thread, uint64_t n);
static void pawl_in_place_50(struct bench_thread *thread, uint64_t n);
#define LOOP(name) pawl_in_place_##name
#define MAP struct pawl_map
#define KEY struct bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get((map), &(key))
#define PUT(thread, map, key, value) put_in_place(&limbos[(thread)->index % THREADS], (map), &(key), (value))
#define MIX_ONLY
#include "loops.h"

/* Sixteen keys at a time; an iteration is one key, as in the other loops. */
static void pawl_get_n(struct bench_thread *thread, uint64_t n)
{
    const struct pawl_map *map = thread->shared;
    struct bench_key keys[BENCH_MAP_BATCH];
    const void *wanted[BENCH_MAP_BATCH];
    uint64_t hashes[BENCH_MAP_BATCH], random = thread->random, sum = 0;
    void *found[BENCH_MAP_BATCH];

    for (int k = 0; k < BENCH_MAP_BATCH; k++)
        wanted[k] = &keys[k];
    for (uint64_t i = 0; i < n; i += BENCH_MAP_BATCH) {
        for (int k = 0; k < BENCH_MAP_BATCH; k++) {
            keys[k] = bench_key_of(bench_pick(&random));
            hashes[k] = pawl_hash_bytes(&keys[k], sizeof keys[k], &map->seed);
        }
        pawl_rcu_read_lock();
        pawl_map_get_n(map, BENCH_MAP_BATCH, hashes, wanted, found);
        for (int k = 0; k < BENCH_MAP_BATCH; k++)
            sum += found[k] != NULL ? pawl_load_relaxed(&((const struct item *)found[k])->value) : 0;
        pawl_rcu_read_unlock();
    }
    bench_keep(sum);
    thread->random = random;
}

/* ---- who takes part: with few keys or many ---- */

#include "contenders.h"

#if BENCH_HAVE_GLIB
OPENERS(key_glib)
#define GLIB(loop, size) ROW("GHashTable, rwlock", key_glib, loop, size)
#define GLIB_GROW ROW_GROW("GHashTable, rwlock", key_glib)
#else
#define GLIB(loop, size) MISSING("GHashTable, rwlock", "built without GLib (libglib2.0-dev)")
#define GLIB_GROW GLIB(, )
#endif

#define GETS(size)                                                                                     \
    {                                                                                                  \
        ROW("pawl_map", pawl, get, size), ROW("pawl_map, by 16", pawl, get_n, size), PEERS(get, size), \
            GLIB(get, size), {0},                                                                      \
    }
#define IN_PLACE(loop, size)                                                                  \
    {                                                                                         \
        .name = "pawl_map, in place", .setup = pawl_open_##size, .run = pawl_in_place_##loop, \
        .teardown = pawl_close                                                                \
    }
#define MIX(loop, size)                                                                                    \
    {                                                                                                      \
        ROW("pawl_map", pawl, loop, size), IN_PLACE(loop, size), PEERS(loop, size), GLIB(loop, size), {0}, \
    }

static const struct bench_contender few_get[] = GETS(few), many_get[] = GETS(many);
static const struct bench_contender few_95[] = MIX(95, few), many_95[] = MIX(95, many);
static const struct bench_contender few_50[] = MIX(50, few), many_50[] = MIX(50, many);
static const struct bench_contender growing[] = {ROW_GROW("pawl_map", pawl), PEERS_GROW, GLIB_GROW, {0}};

/* ---- the longest ---- */

/* From empty to n and back, each operation timed: by the clock, which counts whoever else ran, and by the
 * processor time of the thread, which does not. */
static int time_longest(uint64_t n)
{
    struct bench_longest insert = {0}, del = {0};
    struct pawl_map_counts stats;
    struct item *taken = NULL;
    uint64_t began;
    void *shared;

    (void)pawl_open_empty(1, &shared);
    began = pawl_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        struct bench_key key = bench_key_of(i);
        struct item *item = take_item(&limbos[0]);
        uint64_t hash = bench_map_hash(&key);

        item->key = key;
        pawl_store_relaxed(&item->value, i + 1); /* relaxed: the map publishes it */
        bench_longest_begin(&insert);
        if (pawl_map_insert(shared, hash, &key, item, NULL) != 0)
            abort();
        bench_longest_end(&insert);
    }
    pawl_map_stats(shared, &stats);
    printf("%llu inserts in %.2f s with timing; %zu buckets, %llu resizes, %.1f "
           "bytes a key\n",
           (unsigned long long)n, (double)(pawl_clock_ns() - began) / 1e9, stats.buckets,
           (unsigned long long)stats.resizes, (double)stats.bytes / (double)n);
    for (uint64_t i = 0; i < n; i++) {
        struct bench_key key = bench_key_of(i);
        uint64_t hash = bench_map_hash(&key);
        struct item *item;

        bench_longest_begin(&del);
        item = pawl_map_del(shared, hash, &key);
        bench_longest_end(&del);
        item->next = taken; /* freed at the end: a free list of millions makes
                           malloc slow at some time */
        taken = item;
    }
    bench_longest_print(&insert, &del);
    free_list(taken);
    pawl_close(shared);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = GROUPS;
    static const struct bench_program program = {"map", "Maps with keys of 16 bytes.", groups};

    if (pawl_hash_seed_init(&hash_seed) != 0)
        abort();
    return bench_map_main(argc, argv, &program, time_longest);
}
