/* SPDX-License-Identifier: MIT */
/* Queues between two threads that ours is compared with, behind C. */
#ifndef BENCH_SPSC_PEERS_H
#define BENCH_SPSC_PEERS_H

#include "bench.h"

#ifdef __cplusplus
#define BENCH_C extern "C"
extern "C" {
#else
#define BENCH_C
#endif

enum { BENCH_SPSC_BATCH = 32, BENCH_SPSC_CAPACITY = 4096 };

/* An element of 64 bytes. */
struct bench_wide {
    uint64_t word[8];
};

/* Every peer has these for words (name ends in _8) and for wide elements (_64); batches if it has any. */
#define PEER_SPSC(name)                                               \
    int name##_open(unsigned threads, void **shared);                 \
    void name##_free(void *shared);                                   \
    void name##_single(struct bench_thread *thread, uint64_t n);      \
    void name##_alone(struct bench_thread *thread, uint64_t n);       \
    void name##_alone_twice(struct bench_thread *thread, uint64_t n); \
    void name##_trip(struct bench_thread *thread, uint64_t n);        \
    void name##_batch(struct bench_thread *thread, uint64_t n);       \
    void name##_batch_alone(struct bench_thread *thread, uint64_t n);

PEER_SPSC(peer_boost_spsc_8)
PEER_SPSC(peer_boost_spsc_64)
PEER_SPSC(peer_moodycamel_spsc_8)
PEER_SPSC(peer_moodycamel_spsc_64)
PEER_SPSC(peer_ck_spsc_8)

#ifdef __cplusplus
}
#endif

#endif
