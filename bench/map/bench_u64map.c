/* SPDX-License-Identifier: MIT */
/* Maps from words to words: get, get and put, growing.
 *
 *   bench-u64map [--keys N] [--zipf] [options of the harness]    1,000,000 keys besides 1,000; picked by zipf 0.99
 *   bench-u64map --longest [N]                                   how long single inserts and dels take, and stops
 *
 * By operation: pawl_u64map get 0 RMW; put 1, of a pair. absl alone is not synchronised: what a map costs
 * that nobody shares; its puts by several threads would be wrong, and are left out. */
#define KIND word
#include "keys.h"
#include "peers.h"

#include <pawl/clock.h>
#include <pawl/u64map.h>

#include <stdio.h>
#include <stdlib.h>

/* ---- ours ---- */

static int pawl_open_empty(unsigned threads, void **shared)
{
    struct pawl_u64map *map = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *map);

    (void)threads;
    if (map == NULL || pawl_u64map_init(map, 0) != 0)
        abort();
    *shared = map;
    return 0;
}

static void pawl_empty(void *shared)
{
    pawl_u64map_destroy(shared);
    if (pawl_u64map_init(shared, 0) != 0)
        abort();
}

static void pawl_close(void *shared)
{
    pawl_u64map_destroy(shared);
    free(shared);
}

static inline uint64_t get(const struct pawl_u64map *map, uint64_t key)
{
    uint64_t value = 0;

    (void)pawl_u64map_get(map, key, &value);
    return value;
}

static inline void put(struct pawl_u64map *map, uint64_t key, uint64_t value)
{
    if (pawl_u64map_put(map, key, value, NULL) < 0)
        abort();
}

static int pawl_open(unsigned threads, void **shared);
static void pawl_get(struct bench_thread *thread, uint64_t n);
static void pawl_95(struct bench_thread *thread, uint64_t n);
static void pawl_50(struct bench_thread *thread, uint64_t n);
static void pawl_grow(struct bench_thread *thread, uint64_t n);
#define LOOP(name) pawl_##name
#define MAP struct pawl_u64map
#define KEY uint64_t
#define KEY_OF bench_word_of
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put((map), (key), (value))
#include "loops.h"

/* Sixteen keys at a time; an iteration is one key, as in the other loops. */
static void pawl_get_n(struct bench_thread *thread, uint64_t n)
{
    const struct pawl_u64map *map = thread->shared;
    uint64_t keys[BENCH_MAP_BATCH], values[BENCH_MAP_BATCH] = {0}, random = thread->random, sum = 0;
    bool found[BENCH_MAP_BATCH];

    for (uint64_t i = 0; i < n; i += BENCH_MAP_BATCH) {
        for (int k = 0; k < BENCH_MAP_BATCH; k++)
            keys[k] = bench_word_of(bench_pick(&random));
        (void)pawl_u64map_get_n(map, keys, values, found, BENCH_MAP_BATCH);
        for (int k = 0; k < BENCH_MAP_BATCH; k++)
            sum += values[k];
    }
    bench_keep(sum);
    thread->random = random;
}

/* ---- who takes part: with few keys or many ---- */

#include "contenders.h"

#if BENCH_HAVE_ABSL
OPENERS(word_absl_alone)
#define ABSL_ALONE(size) ROW("absl, not synchronised", word_absl_alone, get, size)
#else
#define ABSL_ALONE(size) ABSL(, )
#endif

#define GETS(size)                                                                                           \
    {                                                                                                        \
        ROW("pawl_u64map", pawl, get, size), ROW("pawl_u64map, by 16", pawl, get_n, size), ABSL_ALONE(size), \
            PEERS(get, size), {0},                                                                           \
    }
#define MIX(loop, size)                                               \
    {                                                                 \
        ROW("pawl_u64map", pawl, loop, size), PEERS(loop, size), {0}, \
    }

static const struct bench_contender few_get[] = GETS(few), many_get[] = GETS(many);
static const struct bench_contender few_95[] = MIX(95, few), many_95[] = MIX(95, many);
static const struct bench_contender few_50[] = MIX(50, few), many_50[] = MIX(50, many);
static const struct bench_contender growing[] = {ROW_GROW("pawl_u64map", pawl), PEERS_GROW, {0}};

/* ---- the longest ---- */

/* From empty to n and back, each operation timed: by the clock, which counts whoever else ran, and by the
 * processor time of the thread, which does not. */
static int time_longest(uint64_t n)
{
    struct bench_longest insert = {0}, del = {0};
    uint64_t began = pawl_clock_ns();
    struct pawl_u64map map;

    if (pawl_u64map_init(&map, 0) != 0)
        abort();
    for (uint64_t i = 0; i < n; i++) {
        bench_longest_begin(&insert);
        if (pawl_u64map_insert(&map, bench_word_of(i), i, NULL) != 0)
            abort();
        bench_longest_end(&insert);
    }
    printf("%llu inserts in %.2f s with timing; %.1f bytes a key\n", (unsigned long long)n,
           (double)(pawl_clock_ns() - began) / 1e9, (double)pawl_u64map_bytes(&map) / (double)n);
    for (uint64_t i = 0; i < n; i++) {
        bench_longest_begin(&del);
        if (pawl_u64map_del(&map, bench_word_of(i), NULL) != 0)
            abort();
        bench_longest_end(&del);
    }
    bench_longest_print(&insert, &del);
    printf("%zu bytes left\n", pawl_u64map_bytes(&map));
    pawl_u64map_destroy(&map);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = GROUPS;
    static const struct bench_program program = {"u64map", "Maps from words to words.", groups};

    return bench_map_main(argc, argv, &program, time_longest);
}
