/* SPDX-License-Identifier: MIT */
/* What the benchmarks of maps share: keys, and the maps that ours are compared with, behind C. A map whose
 * name begins with `key` has keys of 16 bytes, with `word` of 8; values have 8. */
#ifndef BENCH_MAP_PEERS_H
#define BENCH_MAP_PEERS_H

#include "bench.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keys there are, and how they are picked; set before the first contender is. */
extern uint64_t bench_map_keys;
extern const uint32_t *bench_map_samples; /* by their frequency, or NULL: uniformly */
enum { BENCH_MAP_SAMPLES = 1 << 20, BENCH_MAP_BATCH = 16 };

static inline uint64_t bench_pick(uint64_t *random)
{
    uint32_t r = bench_random(random);

    if (bench_map_samples != NULL)
        return bench_map_samples[r % BENCH_MAP_SAMPLES];
    return (uint64_t)r * bench_map_keys >> 32;
}

/* ---- keys ----
 *
 * Made, not read: an array of them would cost each contender the same cache misses as the map. */

struct bench_key {
    uint64_t word[2];
};

static inline struct bench_key bench_key_of(uint64_t number)
{
    struct bench_key key;

    key.word[0] = (number + 1) * 0x9e3779b97f4a7c15u;
    key.word[1] = (key.word[0] >> 29 ^ number) * 0xbf58476d1ce4e5b9u;
    return key;
}

static inline uint64_t bench_word_of(uint64_t number)
{
    uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u;

    return (x ^ x >> 32) * 0xd6e8feb86659fd93u;
}

/* The hash that contenders get who bring none of their own: pawl_hash_bytes under a seed. */
uint64_t bench_map_hash(const struct bench_key *key);

/* ---- maps ---- */

#define BENCH_MAP_PEER(name)                                           \
    int name##_open(unsigned threads, void **shared);                  \
    int name##_open_empty(unsigned threads, void **shared);            \
    void name##_empty(void *shared);                                   \
    void name##_close(void *shared);                                   \
    void name##_enter(struct bench_thread *thread);                    \
    void name##_leave(struct bench_thread *thread);                    \
    void name##_get(struct bench_thread *thread, uint64_t iterations); \
    void name##_95(struct bench_thread *thread, uint64_t iterations);  \
    void name##_50(struct bench_thread *thread, uint64_t iterations);  \
    void name##_grow(struct bench_thread *thread, uint64_t iterations);

BENCH_MAP_PEER(key_lfht)
BENCH_MAP_PEER(key_ck)
BENCH_MAP_PEER(key_tbb)
BENCH_MAP_PEER(key_tbb_unordered)
BENCH_MAP_PEER(key_cuckoo)
BENCH_MAP_PEER(key_absl)
BENCH_MAP_PEER(key_glib)
BENCH_MAP_PEER(word_lfht)
BENCH_MAP_PEER(word_ck)
BENCH_MAP_PEER(word_tbb)
BENCH_MAP_PEER(word_tbb_unordered)
BENCH_MAP_PEER(word_cuckoo)
BENCH_MAP_PEER(word_absl)
BENCH_MAP_PEER(word_absl_alone)

#ifdef __cplusplus
}
#endif

#endif
