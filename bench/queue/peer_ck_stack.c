/* SPDX-License-Identifier: MIT */
/* Concurrency Kit's stack with a version beside the pointer. */
#undef __clang_analyzer__ /* ck would hide half of itself from clang-tidy */
#include <ck_stack.h>

#include "stack_peers.h"

#include <string.h>

enum { THREADS = 64 };

static struct ck_stack the_stack __attribute__((aligned(BENCH_LINE_PAIR)));
static struct ck_stack_entry nodes[THREADS][BENCH_BURST] __attribute__((aligned(BENCH_LINE_PAIR)));
static struct ck_stack_entry *held[THREADS][BENCH_BURST] __attribute__((aligned(BENCH_LINE_PAIR)));

int peer_ck_stack_open(unsigned threads, void **shared)
{
    (void)threads;
    ck_stack_init(&the_stack);
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < BENCH_BURST; k++)
            held[i][k] = &nodes[i][k];
    *shared = &the_stack;
    return 0;
}

#define LOOP(name) peer_ck_stack_##name
#define STACK struct ck_stack
#define NODE struct ck_stack_entry
#define NODES_OF(thread) held[(thread)->index % THREADS]
#define PUSH(stack, node) ck_stack_push_mpmc(stack, node)
#define POP(stack) ck_stack_pop_mpmc(stack)
#include "stack_loops.h"
