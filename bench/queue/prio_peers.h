/* SPDX-License-Identifier: MIT */
#ifndef BENCH_QUEUE_PRIO_PEERS_H
#define BENCH_QUEUE_PRIO_PEERS_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_LEVELS = 64, BENCH_ROOM = 64, BENCH_INSIDE = 16 };

int tbb_prio_open(unsigned threads, void **shared);
void tbb_prio_close(void *shared);
void tbb_prio_pairs(struct bench_thread *thread, uint64_t n);
void tbb_prio_alone(struct bench_thread *thread, uint64_t n);
void tbb_prio_flow(struct bench_thread *thread, uint64_t n);

#ifdef __cplusplus
}
#endif

#endif
