/* SPDX-License-Identifier: MIT */
/* Stacks that ours are compared with, behind C. Each thread brings nodes; what it pops, it pushes again. */
#ifndef BENCH_STACK_PEERS_H
#define BENCH_STACK_PEERS_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_BURST = 16 };

int peer_boost_stack_open(unsigned threads, void **shared);
void peer_boost_stack_free(void *shared);
void peer_boost_stack_pairs(struct bench_thread *thread, uint64_t n);
void peer_boost_stack_bursts(struct bench_thread *thread, uint64_t n);

int peer_ck_stack_open(unsigned threads, void **shared);
void peer_ck_stack_pairs(struct bench_thread *thread, uint64_t n);
void peer_ck_stack_bursts(struct bench_thread *thread, uint64_t n);

int peer_lfs_open(unsigned threads, void **shared);
void peer_lfs_pairs(struct bench_thread *thread, uint64_t n);
void peer_lfs_bursts(struct bench_thread *thread, uint64_t n);

int peer_wfs_open(unsigned threads, void **shared);
void peer_wfs_pairs(struct bench_thread *thread, uint64_t n);
void peer_wfs_bursts(struct bench_thread *thread, uint64_t n);

#ifdef __cplusplus
}
#endif

#endif
