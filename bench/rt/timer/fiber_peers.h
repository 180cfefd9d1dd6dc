/* SPDX-License-Identifier: MIT */
/* The peers of a switch of stacks. */
#ifndef BENCH_FIBER_PEERS_H
#define BENCH_FIBER_PEERS_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

int bench_boost_open(unsigned threads, void **shared);
void bench_boost_close(void *shared);
void bench_boost_switch(struct bench_thread *thread, uint64_t iterations);

#ifdef __cplusplus
}
#endif

#endif
