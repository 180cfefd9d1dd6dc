/* SPDX-License-Identifier: MIT */
/* Numbers by key: 1,000 keys, to which all threads add.
 *
 * By operation: pawl_percpu_hash 0 RMW, no line that another CPU writes; what is shared 1 RMW on the key's line. */
#include "small.h"

#include <pawl/percpu_hash.h>
#include <pawl/rseq.h>
#include <pawl/u64map.h>

#include <errno.h>
#include <stdlib.h>

static const char *no_sequences(void)
{
    return pawl_rseq_available() ? NULL : pawl_rseq_get_info()->reason;
}

/* All keys are there before the first slice: on the CPU that opens; elsewhere the warm-up sees to it. */
static int open_percpu(unsigned threads, void **shared)
{
    struct pawl_percpu_hash *hash = malloc(sizeof *hash);
    int status;

    (void)threads;
    if (hash == NULL)
        return -ENOMEM;
    *shared = hash;
    status = pawl_percpu_hash_init(hash, SMALL_KEYS);
    for (uint64_t i = 0; status == 0 && i < SMALL_KEYS; i++)
        status = pawl_percpu_hash_add(hash, bench_word_of(i), 1);
    return status;
}

static void close_percpu(void *shared)
{
    pawl_percpu_hash_destroy(shared);
    free(shared);
}

static void add_percpu(struct bench_thread *thread, uint64_t iterations)
{
    struct pawl_percpu_hash *hash = thread->shared;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++)
        if (pawl_percpu_hash_add(hash, small_key(&random), 1) != 0)
            abort();
    thread->random = random;
}

static void get_percpu(struct bench_thread *thread, uint64_t iterations)
{
    const struct pawl_percpu_hash *hash = thread->shared;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++)
        bench_keep((uint64_t)pawl_percpu_hash_get(hash, small_key(&random)));
    thread->random = random;
}

/* ---- one map that all share ---- */

static int open_map(unsigned threads, void **shared)
{
    struct pawl_u64map *map = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *map);
    int status;

    (void)threads;
    if (map == NULL)
        return -ENOMEM;
    *shared = map;
    status = pawl_u64map_init(map, SMALL_KEYS);
    for (uint64_t i = 0; status == 0 && i < SMALL_KEYS; i++)
        status = pawl_u64map_add(map, bench_word_of(i), 1, NULL);
    return status;
}

static void close_map(void *shared)
{
    pawl_u64map_destroy(shared);
    free(shared);
}

static void add_map(struct bench_thread *thread, uint64_t iterations)
{
    struct pawl_u64map *map = thread->shared;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++)
        if (pawl_u64map_add(map, small_key(&random), 1, NULL) < 0)
            abort();
    thread->random = random;
}

static void get_map(struct bench_thread *thread, uint64_t iterations)
{
    const struct pawl_u64map *map = thread->shared;
    uint64_t random = thread->random, value = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        if (pawl_u64map_get(map, small_key(&random), &value) != 0)
            abort();
        bench_keep(value);
    }
    thread->random = random;
}

/* ---- a table a thread: what nothing shared can beat ---- */

enum { OWN_CELLS = 2048 };

struct own_cell {
    uint64_t key, number;
};

static void enter_own(struct bench_thread *thread)
{
    thread->own = calloc(OWN_CELLS, sizeof(struct own_cell));
    if (thread->own == NULL)
        abort();
}

static void leave_own(struct bench_thread *thread)
{
    free(thread->own);
}

static void add_own(struct bench_thread *thread, uint64_t iterations)
{
    struct own_cell *cells = thread->own;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t key = small_key(&random);
        size_t at = key % OWN_CELLS;

        while (cells[at].key != key && cells[at].key != 0)
            at = (at + 1) % OWN_CELLS;
        cells[at].key = key;
        cells[at].number++;
    }
    thread->random = random;
}

#if BENCH_HAVE_URCU
#define URCU(loop)                                                                        \
    {                                                                                     \
        .name = "liburcu lfht", .setup = urcu_sums_open_filled, .enter = urcu_sums_enter, \
        .leave = urcu_sums_leave, .run = urcu_sums_##loop, .teardown = urcu_sums_close    \
    }
#else
#define URCU(loop)                                                                   \
    {                                                                                \
        .name = "liburcu lfht", .missing = "built without liburcu-cds (liburcu-dev)" \
    }
#endif
#define PERCPU(loop)                                                                                \
    {                                                                                               \
        .name = "pawl_percpu_hash", .unavailable = no_sequences, .setup = open_percpu, .run = loop, \
        .teardown = close_percpu                                                                    \
    }

static const struct bench_contender adding[] = {
    PERCPU(add_percpu),
    {.name = "a table a thread", .enter = enter_own, .run = add_own, .leave = leave_own},
    {.name = "pawl_u64map", .setup = open_map, .run = add_map, .teardown = close_map},
    URCU(add),
    {0},
};

static const struct bench_contender reading[] = {
    PERCPU(get_percpu),
    {.name = "pawl_u64map", .setup = open_map, .run = get_map, .teardown = close_map},
    URCU(get),
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "add",
         .about = "To one of 1,000 keys.",
         .unit = "add",
         .threads = {1, 2, 8},
         .contenders = adding},
        {.name = "get", .about = "The sum of one of 1,000 keys.", .unit = "get", .contenders = reading},
        {0},
    };
    static const struct bench_program program = {"percpu_hash", "Numbers by key.", groups};

    return bench_main(argc, argv, &program);
}
