/* SPDX-License-Identifier: MIT */
/* Peers in C++, behind a C ABI: oneTBB's and Abseil's mutexes (Debian: libtbb-dev, libabsl-dev). */
#ifndef BENCH_SYNC_PEER_LOCKS_H
#define BENCH_SYNC_PEER_LOCKS_H

#include "lock_work.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PEER_LOCK_LOOPS(name)                                           \
    void name##_0(struct bench_thread *thread, uint64_t iterations);    \
    void name##_50(struct bench_thread *thread, uint64_t iterations);   \
    void name##_200(struct bench_thread *thread, uint64_t iterations);  \
    void name##_bare(struct bench_thread *thread, uint64_t iterations); \
    void name##_timed(struct bench_thread *thread, uint64_t iterations);

#if BENCH_HAVE_TBB
PEER_LOCK_LOOPS(peer_tbb_spin)
PEER_LOCK_LOOPS(peer_tbb_queuing)
#endif
#if BENCH_HAVE_ABSL
PEER_LOCK_LOOPS(peer_absl)
#endif

#ifdef __cplusplus
}
#endif

#endif
