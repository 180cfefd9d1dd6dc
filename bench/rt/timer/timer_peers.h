/* SPDX-License-Identifier: MIT */
/* The wheel's peers: functions of bench.h for each, and the sizes that all agree on. */
#ifndef BENCH_TIMER_PEERS_H
#define BENCH_TIMER_PEERS_H

#include "bench.h"

#include <pawl/timer.h>

enum {
    BENCH_LIVE = 1000000, /* timers that are armed meanwhile */
    BENCH_FEW = 1000,
    BENCH_AT_ONCE = 1000, /* timers that fire in one turn */
};

/* Deadlines from a second to an hour ahead, as those of connections. */
#define BENCH_TIMEOUT_MS(random) (1000 + bench_random(random) % 3600000u)

/* Behind all of those; a millisecond passes in so many. */
#define BENCH_LATER_MS(i) ((uint32_t)(3601000u + (i) / 8192))

/* ns of CPU time, each; bytes of memory, the program's structure among them. */
struct bench_crowd {
    double start, put_off, cancel, fire, bytes;
};

uint64_t bench_crowd_cpu(void);
uint64_t bench_crowd_bytes(void);
double bench_crowd_each(uint64_t since, uint32_t n);
void bench_crowd_sleep(uint32_t ms);

#define BENCH_TIMER_PEER(name)                                                  \
    int name##_open_many(unsigned threads, void **shared);                      \
    int name##_open_few(unsigned threads, void **shared);                       \
    void name##_close(void *shared);                                            \
    void name##_enter(struct bench_thread *thread);                             \
    void name##_leave(struct bench_thread *thread);                             \
    void name##_put_off(struct bench_thread *thread, uint64_t iterations);      \
    void name##_later(struct bench_thread *thread, uint64_t iterations);        \
    void name##_start_cancel(struct bench_thread *thread, uint64_t iterations); \
    void name##_fire(struct bench_thread *thread, uint64_t iterations);         \
    int name##_crowd(uint32_t n, uint32_t spread_ms, struct bench_crowd *crowd);

BENCH_TIMER_PEER(bench_pawl)
BENCH_TIMER_PEER(bench_libuv)
BENCH_TIMER_PEER(bench_libevent)
BENCH_TIMER_PEER(bench_libev)

#endif
