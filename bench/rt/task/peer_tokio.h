/* SPDX-License-Identifier: MIT */
/* tokio's multi-threaded scheduler (Debian: librust-tokio-dev), the shapes of bench_task. */
#ifndef PAWL_BENCH_PEER_TOKIO_H
#define PAWL_BENCH_PEER_TOKIO_H

#include "../../harness/bench.h"

int tokio_setup_one(unsigned threads, void **shared);
int tokio_setup_two(unsigned threads, void **shared);
int tokio_setup_awake(unsigned threads, void **shared);
int tokio_setup_asleep(unsigned threads, void **shared);
void tokio_teardown(void *shared);

void tokio_spawn(struct bench_thread *thread, uint64_t iterations);
void tokio_chain(struct bench_thread *thread, uint64_t iterations);
void tokio_ping_pong(struct bench_thread *thread, uint64_t iterations);
void tokio_yield(struct bench_thread *thread, uint64_t iterations);
void tokio_push(struct bench_thread *thread, uint64_t iterations);
void tokio_wake(struct bench_thread *thread, uint64_t iterations);

/* bench_task.c's: the thread that waits for an answer, and who gives it. */
void await_next_answer(void (*wake)(void *), void *argument, uint64_t times);
void give_answer(void);

#endif
