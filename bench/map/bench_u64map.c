/* SPDX-License-Identifier: MIT */
/* Maps from words to words: get, get and put, growing.
 *
 *   bench-u64map [--keys N] [--zipf] [options of the harness]   1,000,000 keys besides 1,000; picked by zipf
 *   0.99 bench-u64map --longest [N]                                  how long single inserts and dels take,
 *   and stops
 *
 * By operation: pawl_u64map get 0 RMW; put 1, of a pair. absl alone is not synchronised: what a map costs
 * that nobody shares; its puts by several threads would be wrong, and are left out. */
#include "u64map_peers.h"

#include <pawl/clock.h>
#include <pawl/u64map.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bench_word_keys = 1000;
const uint32_t *bench_word_samples;

static uint64_t many = 1000000;
static bool zipf;

/* ---- frequencies ---- */

/* J. Gray et al., "Quickly generating billion-record synthetic databases", 1994, with theta 0.99; numbers
 * are strewn by bench_word_of. */
static void sample_zipf(uint64_t keys)
{
    const double theta = 0.99;
    static uint32_t samples[BENCH_WORD_SAMPLES];
    double zeta = 0, zeta2 = 1 + pow(0.5, theta), eta;
    uint64_t random = 42;

    for (uint64_t i = 1; i <= keys; i++)
        zeta += pow((double)i, -theta);
    eta = (1 - pow(2.0 / (double)keys, 1 - theta)) / (1 - zeta2 / zeta);
    for (int i = 0; i < BENCH_WORD_SAMPLES; i++) {
        double u = bench_random(&random) / 4294967296.0, uz = u * zeta;
        double at = uz < 1 ? 0 : uz < zeta2 ? 1 : (double)keys * pow(eta * u - eta + 1, 1 / (1 - theta));

        samples[i] = at < (double)keys ? (uint32_t)at : 0;
    }
    bench_word_samples = samples;
}

static void set_keys(uint64_t keys)
{
    if (zipf && (bench_word_samples == NULL || bench_word_keys != keys))
        sample_zipf(keys);
    bench_word_keys = keys;
}

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
#define GET(map, key) get((map), (key))
#define PUT(map, key, value) put((map), (key), (value))
#include "u64map_loops.h"

/* Sixteen keys at a time; an iteration is one key, as in the other loops. */
static void pawl_get_n(struct bench_thread *thread, uint64_t n)
{
    const struct pawl_u64map *map = thread->shared;
    uint64_t keys[BENCH_WORD_BATCH], values[BENCH_WORD_BATCH] = {0}, random = thread->random, sum = 0;
    bool found[BENCH_WORD_BATCH];

    for (uint64_t i = 0; i < n; i += BENCH_WORD_BATCH) {
        for (int k = 0; k < BENCH_WORD_BATCH; k++)
            keys[k] = bench_pick_word(&random);
        (void)pawl_u64map_get_n(map, keys, values, found, BENCH_WORD_BATCH);
        for (int k = 0; k < BENCH_WORD_BATCH; k++)
            sum += values[k];
    }
    bench_keep(sum);
    thread->random = random;
}

/* ---- who takes part: with few keys or many ---- */

#define OPENERS(name)                                            \
    static int name##_open_few(unsigned threads, void **shared)  \
    {                                                            \
        set_keys(1000);                                          \
        return name##_open(threads, shared);                     \
    }                                                            \
    static int name##_open_many(unsigned threads, void **shared) \
    {                                                            \
        set_keys(many);                                          \
        return name##_open(threads, shared);                     \
    }

#define ROW(label, prefix, loop, size)                                                                   \
    {                                                                                                    \
        .name = label, .setup = prefix##_open_##size, .run = prefix##_##loop, .teardown = prefix##_close \
    }
#define ROW_GROW(label, prefix)                                                                     \
    {                                                                                               \
        .name = label, .setup = prefix##_open_empty, .reset = prefix##_empty, .run = prefix##_grow, \
        .teardown = prefix##_close                                                                  \
    }
#define MISSING(label, why)           \
    {                                 \
        .name = label, .missing = why \
    }

OPENERS(pawl)
#if BENCH_HAVE_URCU
OPENERS(word_lfht)
#define LFHT(loop, size)                                                                  \
    {                                                                                     \
        .name = "liburcu lfht", .setup = word_lfht_open_##size, .enter = word_lfht_enter, \
        .run = word_lfht_##loop, .leave = word_lfht_leave, .teardown = word_lfht_close    \
    }
#define LFHT_GROW                                                                        \
    {                                                                                    \
        .name = "liburcu lfht", .setup = word_lfht_open_empty, .reset = word_lfht_empty, \
        .enter = word_lfht_enter, .run = word_lfht_grow, .leave = word_lfht_leave,       \
        .teardown = word_lfht_close                                                      \
    }
#else
#define LFHT(loop, size) MISSING("liburcu lfht", "built without liburcu-cds (liburcu-dev)")
#define LFHT_GROW LFHT(, )
#endif
#if BENCH_HAVE_CK
OPENERS(word_ck)
#define CK(loop, size) ROW("ck_ht, mutex", word_ck, loop, size)
#define CK_GROW ROW_GROW("ck_ht, mutex", word_ck)
#else
#define CK(loop, size) MISSING("ck_ht, mutex", "built without Concurrency Kit (libck-dev)")
#define CK_GROW CK(, )
#endif
#if BENCH_HAVE_TBB
OPENERS(word_tbb)
OPENERS(word_tbb_unordered)
#define TBB(loop, size) \
    ROW("tbb::hash_map", word_tbb, loop, size), ROW("tbb::unordered_map", word_tbb_unordered, loop, size)
#define TBB_GROW ROW_GROW("tbb::hash_map", word_tbb), ROW_GROW("tbb::unordered_map", word_tbb_unordered)
#else
#define TBB(loop, size) MISSING("tbb::hash_map", "built without oneTBB (libtbb-dev)")
#define TBB_GROW TBB(, )
#endif
#if BENCH_HAVE_ABSL
OPENERS(word_absl)
OPENERS(word_absl_alone)
#define ABSL(loop, size) ROW("absl, 64 mutexes", word_absl, loop, size)
#define ABSL_ALONE(size) ROW("absl, not synchronised", word_absl_alone, get, size)
#define ABSL_GROW ROW_GROW("absl, 64 mutexes", word_absl)
#else
#define ABSL(loop, size) MISSING("absl, 64 mutexes", "built without Abseil (libabsl-dev)")
#define ABSL_ALONE(size) ABSL(, )
#define ABSL_GROW ABSL(, )
#endif

#define PEERS(loop, size) LFHT(loop, size), CK(loop, size), TBB(loop, size), ABSL(loop, size)
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
static const struct bench_contender growing[] = {
    ROW_GROW("pawl_u64map", pawl), LFHT_GROW, CK_GROW, TBB_GROW, ABSL_GROW, {0},
};

#define GROUP(label, text, what)                                                              \
    {                                                                                         \
        .name = label, .about = text, .unit = "key", .threads = {1, 2, 8}, .contenders = what \
    }

/* ---- the longest ---- */

static uint64_t thread_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

struct longest {
    uint64_t wall, cpu;
};

static void note(struct longest *longest, uint64_t wall, uint64_t cpu)
{
    longest->wall = wall > longest->wall ? wall : longest->wall;
    longest->cpu = cpu > longest->cpu ? cpu : longest->cpu;
}

/* From empty to n and back, each operation timed: by the clock, which counts whoever else ran, and by the
 * processor time of the thread, which does not. */
static int time_longest(uint64_t n)
{
    struct longest insert = {0, 0}, del = {0, 0};
    uint64_t began = pawl_clock_ns(), wall, cpu;
    struct pawl_u64map map;

    if (pawl_u64map_init(&map, 0) != 0)
        abort();
    for (uint64_t i = 0; i < n; i++) {
        cpu = thread_ns();
        wall = pawl_clock_ns();
        if (pawl_u64map_insert(&map, bench_word_of(i), i, NULL) != 0)
            abort();
        note(&insert, pawl_clock_ns() - wall, thread_ns() - cpu);
    }
    printf("%llu inserts in %.2f s with timing; %.1f bytes a key\n", (unsigned long long)n,
           (double)(pawl_clock_ns() - began) / 1e9, (double)pawl_u64map_bytes(&map) / (double)n);
    for (uint64_t i = 0; i < n; i++) {
        cpu = thread_ns();
        wall = pawl_clock_ns();
        if (pawl_u64map_del(&map, bench_word_of(i), NULL) != 0)
            abort();
        note(&del, pawl_clock_ns() - wall, thread_ns() - cpu);
    }
    printf("longest insert %.3f ms processor time (%.3f ms by the clock), longest del %.3f ms (%.3f ms); "
           "%zu bytes left\n",
           (double)insert.cpu / 1e6, (double)insert.wall / 1e6, (double)del.cpu / 1e6, (double)del.wall / 1e6,
           pawl_u64map_bytes(&map));
    pawl_u64map_destroy(&map);
    return 0;
}

/* Takes our options out of argv. */
static int own_options(int argc, char **argv)
{
    int kept = 1;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--zipf") == 0)
            zipf = true;
        else if (strcmp(argv[i], "--keys") == 0 && i + 1 < argc)
            many = strtoull(argv[++i], NULL, 0);
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    return kept;
}

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        GROUP("get-few", "Get, 1,000 keys.", few_get),
        GROUP("get", "Get, --keys.", many_get),
        GROUP("95-few", "One put in 20, 1,000 keys.", few_95),
        GROUP("95", "One put in 20, --keys.", many_95),
        GROUP("50-few", "Every other one a put, 1,000 keys.", few_50),
        GROUP("50", "Every other one a put, --keys.", many_50),
        GROUP("grow", "Puts into an empty map, which grows.", growing),
        {0},
    };
    static const struct bench_program program = {"u64map", "Maps from words to words.", groups};

    argc = own_options(argc, argv);
    if (argc >= 2 && strcmp(argv[1], "--longest") == 0)
        return time_longest(argc >= 3 ? strtoull(argv[2], NULL, 0) : many);
    if (many == 0 || many > UINT32_MAX) {
        fprintf(stderr, "bench-u64map: --keys must be 1 to %u\n", UINT32_MAX);
        return 2;
    }
    return bench_main(argc, argv, &program);
}
