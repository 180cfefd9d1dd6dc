/* SPDX-License-Identifier: MIT */
/* What one does without a broadcast: a queue for each consumer, into each of which the producer pushes. */
#ifndef BENCH_BROADCAST_PEERS_H
#define BENCH_BROADCAST_PEERS_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_SLOTS = 1024, BENCH_CONSUMERS_MAX = 8 };

int peer_boost_queues_open(unsigned threads, void **shared);
void peer_boost_queues_free(void *shared);
void peer_boost_queues_run(struct bench_thread *thread, uint64_t n);

void peer_boost_queues_pairs(struct bench_thread *thread, uint64_t n);

int peer_ck_queues_open(unsigned threads, void **shared);
void peer_ck_queues_run(struct bench_thread *thread, uint64_t n);
void peer_ck_queues_pairs(struct bench_thread *thread, uint64_t n);

#ifdef __cplusplus
}
#endif

#endif
