/* SPDX-License-Identifier: MIT */
/* The queues that ours are compared with. Each file of peers defines a setup, a teardown and the loops of
 * some. */
#ifndef BENCH_QUEUE_MPMC_PEERS_H
#define BENCH_QUEUE_MPMC_PEERS_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_ORDER = 10, BENCH_CAPACITY = 1 << BENCH_ORDER, BENCH_BATCH = 32 };

struct bench_element64 {
    uint64_t word[8];
};

#define MPMC_PEER(name)                                           \
    int name##_open(unsigned threads, void **shared);             \
    void name##_close(void *shared);                              \
    void name##_pairs(struct bench_thread *thread, uint64_t n);   \
    void name##_flow(struct bench_thread *thread, uint64_t n);    \
    void name##_batches(struct bench_thread *thread, uint64_t n); \
    void name##_batch_pairs(struct bench_thread *thread, uint64_t n)

MPMC_PEER(boost8);
MPMC_PEER(boost64);
MPMC_PEER(moodycamel8);
MPMC_PEER(moodycamel64);
MPMC_PEER(tbb8);
MPMC_PEER(tbb64);
MPMC_PEER(tbb_bounded8);
MPMC_PEER(ck_ring8);
MPMC_PEER(rte_ring8);
MPMC_PEER(array_queue8);
MPMC_PEER(seg_queue8);

#undef MPMC_PEER

#ifdef __cplusplus
}
#endif

#endif
