/* SPDX-License-Identifier: MIT */
/* The loops are Rust's (bench/peers/rust/tasks.rs); only what waits for a futex is called from here. */
#include "peer_tokio.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

enum { MOST = 1024 }; /* tasks from outside that wait at one time, as bench_task has */

struct tokio_peer;

struct tokio_peer *peer_tokio_open(size_t workers);
void peer_tokio_close(struct tokio_peer *peer);
void peer_tokio_spawn(struct tokio_peer *peer, uint64_t n);
void peer_tokio_chain(struct tokio_peer *peer, uint64_t n);
void peer_tokio_ping_pong(struct tokio_peer *peer, uint64_t n);
void peer_tokio_yield(struct tokio_peer *peer, uint64_t n);
void peer_tokio_stay_awake(struct tokio_peer *peer);
void peer_tokio_push(struct tokio_peer *peer, uint64_t n, uint64_t most);
void peer_tokio_answer(struct tokio_peer *peer, void (*answer)(void));
void peer_tokio_wake(struct tokio_peer *peer);

static int setup(size_t workers, void **shared)
{
    *shared = peer_tokio_open(workers);
    return *shared != NULL ? 0 : -ENOMEM;
}

int tokio_setup_one(unsigned threads, void **shared)
{
    (void)threads;
    return setup(1, shared);
}

int tokio_setup_two(unsigned threads, void **shared)
{
    (void)threads;
    return setup(2, shared);
}

int tokio_setup_awake(unsigned threads, void **shared)
{
    const int status = tokio_setup_one(threads, shared);

    if (status == 0)
        peer_tokio_stay_awake(*shared);
    return status;
}

int tokio_setup_asleep(unsigned threads, void **shared)
{
    const int status = tokio_setup_one(threads, shared);

    if (status == 0)
        peer_tokio_answer(*shared, give_answer);
    usleep(10000);
    return status;
}

void tokio_teardown(void *shared)
{
    peer_tokio_close(shared);
}

void tokio_spawn(struct bench_thread *thread, uint64_t iterations)
{
    peer_tokio_spawn(thread->shared, iterations);
}

void tokio_chain(struct bench_thread *thread, uint64_t iterations)
{
    peer_tokio_chain(thread->shared, iterations);
}

void tokio_ping_pong(struct bench_thread *thread, uint64_t iterations)
{
    peer_tokio_ping_pong(thread->shared, iterations);
}

void tokio_yield(struct bench_thread *thread, uint64_t iterations)
{
    peer_tokio_yield(thread->shared, iterations);
}

void tokio_push(struct bench_thread *thread, uint64_t iterations)
{
    peer_tokio_push(thread->shared, iterations, MOST);
}

static void wake(void *peer)
{
    peer_tokio_wake(peer);
}

void tokio_wake(struct bench_thread *thread, uint64_t iterations)
{
    await_next_answer(wake, thread->shared, iterations);
}
