/* SPDX-License-Identifier: MIT */
/* crossbeam's deque, last in first out for its owner; stolen from one by one. Rust is not inlined into C: each
 * operation is a call, some 2 ns more than the others pay. */
#include "deque_peers.h"

#include <stdbool.h>

void *peer_deque_open(void);
void peer_deque_close(void *deque);
void *peer_deque_stealer(void *deque);
void peer_deque_stealer_close(void *stealer);
void peer_deque_push(void *deque, uintptr_t pointer);
bool peer_deque_pop(void *deque, uintptr_t *pointer);
bool peer_deque_steal(void *stealer, uintptr_t *pointer);

struct worker {
    void *deque, *stealer;
};

int bench_crossbeam_open(struct bench_deque *shared)
{
    struct worker *worker = bench_deque_of(shared);

    worker->deque = peer_deque_open();
    worker->stealer = peer_deque_stealer(worker->deque);
    return 0;
}

void bench_crossbeam_close(struct bench_deque *shared)
{
    struct worker *worker = bench_deque_of(shared);

    peer_deque_stealer_close(worker->stealer);
    peer_deque_close(worker->deque);
}

static void push(struct worker *worker, void *pointer)
{
    peer_deque_push(worker->deque, (uintptr_t)pointer);
}

static bool take(bool taken, uintptr_t value, void **pointer)
{
    *pointer = (void *)value; // NOLINT(performance-no-int-to-ptr): it was one
    return taken;
}

static bool pop(struct worker *worker, void **pointer)
{
    uintptr_t value = 0;
    const bool taken = peer_deque_pop(worker->deque, &value);

    return take(taken, value, pointer);
}

static long steal(struct worker *worker, void **pointers)
{
    uintptr_t value = 0;
    const bool taken = peer_deque_steal(worker->stealer, &value);

    return take(taken, value, pointers);
}

#define LINKAGE
#define LOOP(name) bench_crossbeam_##name
#define DEQUE struct worker
#define PUSH push
#define POP pop
#define STEAL steal
#include "deque_loops.h"
