/* SPDX-License-Identifier: MIT */
/* liburcu's stacks. A node that is popped under RCU may not be pushed again before a grace period; pushed
 * again at once, as a free list does, pops must exclude each other, which the _blocking forms do with a
 * mutex. */
#define _LGPL_SOURCE
#include <urcu/lfstack.h>
#include <urcu/wfstack.h>

#include "stack_peers.h"

enum { THREADS = 64 };

static struct cds_lfs_stack lfs __attribute__((aligned(BENCH_LINE_PAIR)));
static struct cds_lfs_node lfs_nodes[THREADS][BENCH_BURST] __attribute__((aligned(BENCH_LINE_PAIR)));
static struct cds_lfs_node *lfs_held[THREADS][BENCH_BURST] __attribute__((aligned(BENCH_LINE_PAIR)));
static struct cds_wfs_stack wfs __attribute__((aligned(BENCH_LINE_PAIR)));
static struct cds_wfs_node wfs_nodes[THREADS][BENCH_BURST] __attribute__((aligned(BENCH_LINE_PAIR)));
static struct cds_wfs_node *wfs_held[THREADS][BENCH_BURST] __attribute__((aligned(BENCH_LINE_PAIR)));

int peer_lfs_open(unsigned threads, void **shared)
{
    (void)threads;
    cds_lfs_init(&lfs);
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < BENCH_BURST; k++)
            lfs_held[i][k] = &lfs_nodes[i][k];
    *shared = &lfs;
    return 0;
}

int peer_wfs_open(unsigned threads, void **shared)
{
    (void)threads;
    cds_wfs_init(&wfs);
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < BENCH_BURST; k++)
            wfs_held[i][k] = &wfs_nodes[i][k];
    *shared = &wfs;
    return 0;
}

#define LOOP(name) peer_lfs_##name
#define STACK struct cds_lfs_stack
#define NODE struct cds_lfs_node
#define NODES_OF(thread) lfs_held[(thread)->index % THREADS]
#define PUSH(stack, node) cds_lfs_push(stack, node)
#define POP(stack) cds_lfs_pop_blocking(stack)
#include "stack_loops.h"

static inline void push_wfs(struct cds_wfs_stack *stack, struct cds_wfs_node *node)
{
    cds_wfs_node_init(node);
    cds_wfs_push(stack, node);
}

#define LOOP(name) peer_wfs_##name
#define STACK struct cds_wfs_stack
#define NODE struct cds_wfs_node
#define NODES_OF(thread) wfs_held[(thread)->index % THREADS]
#define PUSH(stack, node) push_wfs(stack, node)
#define POP(stack) cds_wfs_pop_blocking(stack)
#include "stack_loops.h"
