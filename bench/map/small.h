/* SPDX-License-Identifier: MIT */
/* What the benchmarks of lists and of numbers by key share with liburcu's side of them. */
#ifndef BENCH_MAP_SMALL_H
#define BENCH_MAP_SMALL_H

#include "bench.h"
#include "peers.h"

#include <stdint.h>

enum { SMALL_LIST = 8, SMALL_KEYS = 1000 };

/* Any but 0, without an order. */
static inline uint64_t small_key(uint64_t *random)
{
    return bench_word_of((uint64_t)bench_random(random) * SMALL_KEYS >> 32);
}

/* cds_hlist over the membarrier flavour. */
int urcu_list_open(unsigned threads, void **shared);
void urcu_list_enter(struct bench_thread *thread);
void urcu_list_leave(struct bench_thread *thread);
void urcu_list_walk(struct bench_thread *thread, uint64_t iterations);
void urcu_list_change(struct bench_thread *thread, uint64_t iterations);

/* cds_lfht, whose numbers are added to in place. */
int urcu_sums_open_empty(unsigned threads, void **shared);
void urcu_sums_empty(void *shared);
void urcu_sums_close(void *shared);
void urcu_sums_enter(struct bench_thread *thread);
void urcu_sums_leave(struct bench_thread *thread);
void urcu_sums_add(struct bench_thread *thread, uint64_t iterations);
void urcu_sums_get(struct bench_thread *thread, uint64_t iterations);
int urcu_sums_open_filled(unsigned threads, void **shared);

#endif
