/* SPDX-License-Identifier: MIT */
/* Maps that ours is compared with, behind C: keys and values of 8 bytes. */
#ifndef BENCH_MAP_U64MAP_PEERS_H
#define BENCH_MAP_U64MAP_PEERS_H

#include "bench.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Keys there are, and how they are picked; set before the first contender is. */
extern uint64_t bench_word_keys;
extern const uint32_t *bench_word_samples; /* by their frequency, or NULL: uniformly */
enum { BENCH_WORD_SAMPLES = 1 << 20, BENCH_WORD_BATCH = 16 };

/* Made, not read: an array of keys would cost each contender the same cache misses as the map. */
static inline uint64_t bench_word_of(uint64_t number)
{
    uint64_t x = (number + 1) * 0x9e3779b97f4a7c15u;

    return (x ^ x >> 32) * 0xd6e8feb86659fd93u;
}

static inline uint64_t bench_pick_word(uint64_t *random)
{
    uint32_t r = bench_random(random);

    if (bench_word_samples != NULL)
        return bench_word_of(bench_word_samples[r % BENCH_WORD_SAMPLES]);
    return bench_word_of((uint64_t)r * bench_word_keys >> 32);
}

#define BENCH_WORD_PEER(name)                                          \
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

BENCH_WORD_PEER(word_absl)
BENCH_WORD_PEER(word_absl_alone)
BENCH_WORD_PEER(word_tbb)
BENCH_WORD_PEER(word_tbb_unordered)
BENCH_WORD_PEER(word_lfht)
BENCH_WORD_PEER(word_ck)

#ifdef __cplusplus
}
#endif

#endif
