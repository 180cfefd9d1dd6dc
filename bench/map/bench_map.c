/* SPDX-License-Identifier: MIT */
/* Maps with keys of 16 bytes: get, get and put, growing.
 *
 *   bench-map [--keys N] [--zipf] [options of the harness]    1,000,000 keys besides 1,000; picked by zipf 0.99
 *   bench-map --longest [N]                                   how long single inserts and dels take, and stops
 *
 * By operation: pawl_map get 0 RMW; put 1 (the bucket), and an object of its own, made of one that it got back after a grace
 * period. The peers' values change in place, but for liburcu's, which is used as ours is. */
#include "map_peers.h"

#include <pawl/clock.h>
#include <pawl/map.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bench_map_keys = 1000;
const uint32_t *bench_map_samples;

static uint64_t many = 1000000;
static bool zipf;
static struct pawl_hash_seed hash_seed;

uint64_t bench_map_hash(const struct bench_key *key)
{
    return pawl_hash_bytes(key, sizeof *key, &hash_seed);
}

/* ---- frequencies ---- */

/* J. Gray et al., "Quickly generating billion-record synthetic databases", 1994, with theta 0.99; numbers are strewn by
 * bench_key_of. */
static void sample_zipf(uint64_t keys)
{
    const double theta = 0.99;
    static uint32_t samples[BENCH_MAP_SAMPLES];
    double zeta = 0, zeta2 = 1 + pow(0.5, theta), eta;
    uint64_t random = 42;

    for (uint64_t i = 1; i <= keys; i++)
        zeta += pow((double)i, -theta);
    eta = (1 - pow(2.0 / (double)keys, 1 - theta)) / (1 - zeta2 / zeta);
    for (int i = 0; i < BENCH_MAP_SAMPLES; i++) {
        double u = bench_random(&random) / 4294967296.0, uz = u * zeta;
        double at = uz < 1 ? 0 : uz < zeta2 ? 1 : (double)keys * pow(eta * u - eta + 1, 1 / (1 - theta));

        samples[i] = at < (double)keys ? (uint32_t)at : 0;
    }
    bench_map_samples = samples;
}

static void set_keys(uint64_t keys)
{
    if (zipf && (bench_map_samples == NULL || bench_map_keys != keys))
        sample_zipf(keys);
    bench_map_keys = keys;
}

/* ---- ours ---- */

struct item {
    struct bench_key key;
    uint64_t value;
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
    value = item != NULL ? item->value : 0;
    pawl_rcu_read_unlock();
    return value;
}

static inline void put(struct limbo *limbo, struct pawl_map *map, const struct bench_key *key, uint64_t value)
{
    struct item *item = take_item(limbo);
    void *old;

    item->key = *key;
    item->value = value;
    if (pawl_map_put(map, pawl_hash_bytes(key, sizeof *key, &map->seed), key, item, &old) != 0)
        abort();
    if (old != NULL)
        give_item(limbo, old);
}

static int open_empty(unsigned threads, void **shared)
{
    struct pawl_map_options options = {.equal = item_equal, .hash_of = item_hash, .seed = &hash_seed};
    struct pawl_map *map = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *map);

    (void)threads;
    if (map == NULL || pawl_map_init(map, &options) != 0)
        abort();
    *shared = map;
    return 0;
}

static int pawl_open(unsigned threads, void **shared)
{
    int status = open_empty(threads, shared);

    for (uint64_t i = 0; i < bench_map_keys; i++) {
        struct bench_key key = bench_key_of(i);

        put(&limbos[0], *shared, &key, i + 1);
    }
    while (pawl_map_help(*shared, 1024)) {
    }
    return status;
}

static void take_out(void *object, void *map)
{
    struct item *item = object;

    if (pawl_map_del_object(map, item_hash(item, &hash_seed), item) == 0)
        free(item); /* nobody else has the map */
}

static void empty_map(void *shared)
{
    struct pawl_map_cursor cursor = {0};

    pawl_rcu_read_lock();
    while (pawl_map_walk(shared, &cursor, 1024, take_out, shared)) {
    }
    pawl_rcu_read_unlock();
    while (pawl_map_help(shared, 1024)) {
    }
}

static void free_list(struct item *item)
{
    while (item != NULL) {
        struct item *next = item->next;

        free(item);
        item = next;
    }
}

static void close_map(void *shared)
{
    empty_map(shared);
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

#define LOOP(name) pawl_##name
#define MAP struct pawl_map
#define GET(thread, map, key) get((map), (key))
#define PUT(thread, map, key, value) put(&limbos[(thread)->index % THREADS], (map), (key), (value))
static void pawl_get(struct bench_thread *thread, uint64_t n);
static void pawl_95(struct bench_thread *thread, uint64_t n);
static void pawl_50(struct bench_thread *thread, uint64_t n);
static void pawl_grow(struct bench_thread *thread, uint64_t n);
#include "map_loops.h"

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
            keys[k] = bench_pick(&random);
            hashes[k] = pawl_hash_bytes(&keys[k], sizeof keys[k], &map->seed);
        }
        pawl_rcu_read_lock();
        pawl_map_get_n(map, BENCH_MAP_BATCH, hashes, wanted, found);
        for (int k = 0; k < BENCH_MAP_BATCH; k++)
            sum += found[k] != NULL ? ((const struct item *)found[k])->value : 0;
        pawl_rcu_read_unlock();
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

OPENERS(pawl)
#if BENCH_HAVE_URCU
OPENERS(peer_lfht)
#endif
#if BENCH_HAVE_CK
OPENERS(peer_ck_ht)
#endif
#if BENCH_HAVE_TBB
OPENERS(peer_tbb_hash_map)
OPENERS(peer_tbb_unordered)
#endif
#if BENCH_HAVE_ABSL
OPENERS(peer_absl_sharded)
#endif
#if BENCH_HAVE_GLIB
OPENERS(peer_glib)
#endif

#define OURS(label, loop, open, fresh)                                                   \
    {                                                                                    \
        .name = label, .setup = open, .reset = fresh, .run = loop, .teardown = close_map \
    }
#define PEER(label, peer, loop, size)                                                              \
    {                                                                                              \
        .name = label, .setup = peer##_open_##size, .run = peer##_##loop, .teardown = peer##_close \
    }
#define PEER_GROW(label, peer)                                                                \
    {                                                                                         \
        .name = label, .setup = peer##_open_empty, .reset = peer##_empty, .run = peer##_grow, \
        .teardown = peer##_close                                                              \
    }
#define MISSING(label, why)           \
    {                                 \
        .name = label, .missing = why \
    }
#if BENCH_HAVE_URCU
#define LFHT(loop, size)                                                                  \
    {                                                                                     \
        .name = "liburcu lfht", .setup = peer_lfht_open_##size, .enter = peer_lfht_enter, \
        .run = peer_lfht_##loop, .leave = peer_lfht_leave, .teardown = peer_lfht_close    \
    }
#define LFHT_GROW                                                                        \
    {                                                                                    \
        .name = "liburcu lfht", .setup = peer_lfht_open_empty, .reset = peer_lfht_empty, \
        .enter = peer_lfht_enter, .run = peer_lfht_grow, .leave = peer_lfht_leave,       \
        .teardown = peer_lfht_close                                                      \
    }
#else
#define LFHT(loop, size) MISSING("liburcu lfht", "built without liburcu-cds (liburcu-dev)")
#define LFHT_GROW LFHT(, )
#endif
#if BENCH_HAVE_CK
#define CK(loop, size) PEER("ck_ht, mutex", peer_ck_ht, loop, size)
#define CK_GROW PEER_GROW("ck_ht, mutex", peer_ck_ht)
#else
#define CK(loop, size) MISSING("ck_ht, mutex", "built without Concurrency Kit (libck-dev)")
#define CK_GROW CK(, )
#endif
#if BENCH_HAVE_TBB
#define TBB(loop, size)                                   \
    PEER("tbb::hash_map", peer_tbb_hash_map, loop, size), \
        PEER("tbb::unordered_map", peer_tbb_unordered, loop, size)
#define TBB_GROW \
    PEER_GROW("tbb::hash_map", peer_tbb_hash_map), PEER_GROW("tbb::unordered_map", peer_tbb_unordered)
#else
#define TBB(loop, size) MISSING("tbb::hash_map", "built without oneTBB (libtbb-dev)")
#define TBB_GROW TBB(, )
#endif
#if BENCH_HAVE_ABSL
#define ABSL(loop, size) PEER("absl, 64 mutexes", peer_absl_sharded, loop, size)
#define ABSL_GROW PEER_GROW("absl, 64 mutexes", peer_absl_sharded)
#else
#define ABSL(loop, size) MISSING("absl, 64 mutexes", "built without Abseil (libabsl-dev)")
#define ABSL_GROW ABSL(, )
#endif
#if BENCH_HAVE_GLIB
#define GLIB(loop, size) PEER("GHashTable, rwlock", peer_glib, loop, size)
#define GLIB_GROW PEER_GROW("GHashTable, rwlock", peer_glib)
#else
#define GLIB(loop, size) MISSING("GHashTable, rwlock", "built without GLib (libglib2.0-dev)")
#define GLIB_GROW GLIB(, )
#endif
#define PEERS(loop, size)                                                                  \
    LFHT(loop, size), CK(loop, size), TBB(loop, size), ABSL(loop, size), GLIB(loop, size), \
    {                                                                                      \
        0                                                                                  \
    }
#define GETS(size)                                                                        \
    {                                                                                     \
        OURS("pawl_map", pawl_get, pawl_open_##size, NULL),                               \
            OURS("pawl_map, by 16", pawl_get_n, pawl_open_##size, NULL), PEERS(get, size) \
    }
#define MIX(loop, size)                                                          \
    {                                                                            \
        OURS("pawl_map", pawl_##loop, pawl_open_##size, NULL), PEERS(loop, size) \
    }

static const struct bench_contender few_get[] = GETS(few), many_get[] = GETS(many);
static const struct bench_contender few_95[] = MIX(95, few), many_95[] = MIX(95, many);
static const struct bench_contender few_50[] = MIX(50, few), many_50[] = MIX(50, many);
static const struct bench_contender growing[] = {OURS("pawl_map", pawl_grow, open_empty, empty_map),
                                                 LFHT_GROW,
                                                 CK_GROW,
                                                 TBB_GROW,
                                                 ABSL_GROW,
                                                 GLIB_GROW,
                                                 {0}};

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
    uint64_t wall, cpu, over_5ms;
};

static void note(struct longest *longest, uint64_t wall, uint64_t cpu)
{
    longest->wall = wall > longest->wall ? wall : longest->wall;
    longest->cpu = cpu > longest->cpu ? cpu : longest->cpu;
    longest->over_5ms += cpu > 5000000;
}

/* From empty to n and back, each operation timed: by the clock, which counts whoever else ran, and by the processor time
 * of the thread, which does not. */
static int time_longest(uint64_t n)
{
    struct longest insert = {0}, del = {0};
    struct pawl_map_counts stats;
    struct item *taken = NULL;
    uint64_t began, wall, cpu;
    void *shared;

    open_empty(1, &shared);
    began = pawl_clock_ns();
    for (uint64_t i = 0; i < n; i++) {
        struct bench_key key = bench_key_of(i);
        struct item *item = take_item(&limbos[0]);
        uint64_t hash = bench_map_hash(&key);

        *item = (struct item){key, i + 1, NULL};
        cpu = thread_ns();
        wall = pawl_clock_ns();
        if (pawl_map_insert(shared, hash, &key, item, NULL) != 0)
            abort();
        note(&insert, pawl_clock_ns() - wall, thread_ns() - cpu);
    }
    pawl_map_stats(shared, &stats);
    printf("%llu inserts in %.2f s with timing; %zu buckets, %llu resizes, %.1f bytes a key\n",
           (unsigned long long)n, (double)(pawl_clock_ns() - began) / 1e9, stats.buckets,
           (unsigned long long)stats.resizes, (double)stats.bytes / (double)n);
    for (uint64_t i = 0; i < n; i++) {
        struct bench_key key = bench_key_of(i);
        uint64_t hash = bench_map_hash(&key);
        struct item *item;

        cpu = thread_ns();
        wall = pawl_clock_ns();
        item = pawl_map_del(shared, hash, &key);
        note(&del, pawl_clock_ns() - wall, thread_ns() - cpu);
        item->next = taken; /* freed at the end: a free list of millions makes malloc slow at some time */
        taken = item;
    }
    insert.over_5ms += del.over_5ms;
    printf("longest insert %.3f ms processor time (%.3f ms by the clock), longest del %.3f ms (%.3f ms); "
           "%llu of them took more than 5 ms of processor time\n",
           (double)insert.cpu / 1e6, (double)insert.wall / 1e6, (double)del.cpu / 1e6, (double)del.wall / 1e6,
           (unsigned long long)insert.over_5ms);
    free_list(taken);
    close_map(shared);
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
        GROUP("grow", "Inserts into an empty map, which grows.", growing),
        {0},
    };
    static const struct bench_program program = {"map", "Maps with keys of 16 bytes.", groups};

    if (pawl_hash_seed_init(&hash_seed) != 0)
        abort();
    argc = own_options(argc, argv);
    if (argc >= 2 && strcmp(argv[1], "--longest") == 0)
        return time_longest(argc >= 3 ? strtoull(argv[2], NULL, 0) : many);
    if (many == 0 || many > UINT32_MAX) {
        fprintf(stderr, "bench-map: --keys must be 1 to %u\n", UINT32_MAX);
        return 2;
    }
    return bench_main(argc, argv, &program);
}
