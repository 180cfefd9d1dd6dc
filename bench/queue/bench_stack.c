/* SPDX-License-Identifier: MIT */
/* Stacks: what a node costs that goes in and comes out, alone and among others.
 *
 * By operation, uncontended: pawl_stack push 1 RMW, pop 1 RMW of 16 bytes; with hazard pointers 1 + 1 RMW;
 * per CPU 0 RMW. No fences. Shared lines written: 1, 1, 0. */
#include "stack_peers.h"

#include <pawl/stack.h>
#include <pawl/stack_percpu.h>

#include <stdlib.h>

enum { THREADS = 64, SPARE = 1024 };

/* ---- ours, with a version ---- */

static struct pawl_stack versioned;
static struct pawl_stack_node nodes[THREADS][BENCH_BURST] PAWL_LINE_PAIR_ALIGNED;
static struct pawl_stack_node *held[THREADS][BENCH_BURST] PAWL_LINE_PAIR_ALIGNED;

static void hold_all(void)
{
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < BENCH_BURST; k++)
            held[i][k] = &nodes[i][k];
}

static int open_versioned(unsigned threads, void **shared)
{
    (void)threads;
    hold_all();
    pawl_stack_init(&versioned);
    *shared = &versioned;
    return 0;
}

#define LOOP(name) versioned_##name
#define STACK struct pawl_stack
#define NODE struct pawl_stack_node
#define NODES_OF(thread) held[(thread)->index % THREADS]
#define PUSH(stack, node) pawl_stack_push(stack, node)
#define POP(stack) pawl_stack_pop(stack)
static void versioned_pairs(struct bench_thread *thread, uint64_t n);
static void versioned_bursts(struct bench_thread *thread, uint64_t n);
#include "stack_loops.h"

/* ---- in parts ---- */

static struct pawl_stack_percpu parts;

static int open_parts(unsigned threads, void **shared)
{
    (void)threads;
    hold_all();
    *shared = &parts;
    return pawl_stack_percpu_init(&parts);
}

static void free_parts(void *shared)
{
    pawl_stack_percpu_destroy(shared);
}

#define LOOP(name) parts_##name
#define STACK struct pawl_stack_percpu
#define NODE struct pawl_stack_node
#define NODES_OF(thread) held[(thread)->index % THREADS]
#define PUSH(stack, node) pawl_stack_percpu_push(stack, node)
#define POP(stack) pawl_stack_percpu_pop(stack)
static void parts_pairs(struct bench_thread *thread, uint64_t n);
static void parts_bursts(struct bench_thread *thread, uint64_t n);
#include "stack_loops.h"

/* ---- with hazard pointers: what is popped is retired, and pushed again when it was reclaimed ---- */

struct hazard_thread {
    struct pawl_hazard_slot *slot;
    struct pawl_stack_hazard_node *spare; /* linked by `next`, like a stack of one thread */
    struct pawl_stack_hazard_node nodes[SPARE + 2 * BENCH_BURST];
};

static struct pawl_stack_hazard by_hazard;
static __thread struct hazard_thread *mine;

static int open_hazard(unsigned threads, void **shared)
{
    (void)threads;
    *shared = &by_hazard;
    return pawl_stack_hazard_init(&by_hazard);
}

static void keep_spare(struct pawl_stack_hazard_node *node)
{
    pawl_store_relaxed(&node->next, mine->spare);
    mine->spare = node;
}

static void reclaim(struct pawl_retired *retired)
{
    keep_spare(pawl_retired_of(retired, struct pawl_stack_hazard_node, retired));
}

static void enter_hazard(struct bench_thread *thread)
{
    mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        abort();
    thread->own = mine;
    mine->slot = pawl_hazard_take(by_hazard.hazard);
    for (size_t i = 0; i < sizeof mine->nodes / sizeof mine->nodes[0]; i++)
        keep_spare(&mine->nodes[i]);
}

static void leave_hazard(struct bench_thread *thread)
{
    /* Nodes may be in other threads' hands by now: they stay, as they would in a program. */
    while (pawl_hazard_collect(by_hazard.hazard) != 0) {
    }
    pawl_hazard_give(by_hazard.hazard, mine->slot);
    thread->own = NULL;
}

static struct pawl_stack_hazard_node *take_spare(void)
{
    struct pawl_stack_hazard_node *node = mine->spare;

    if (node == NULL) { /* others popped more than they pushed */
        node = malloc(sizeof *node);
        if (node == NULL)
            abort();
        return node;
    }
    mine->spare = pawl_load_relaxed(&node->next);
    return node;
}

static inline bool pop_hazard(void)
{
    struct pawl_stack_hazard_node *node = pawl_stack_hazard_pop(&by_hazard, mine->slot);

    if (node != NULL)
        pawl_stack_hazard_retire(&by_hazard, node, reclaim);
    return node != NULL;
}

static void hazard_pairs(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        pawl_stack_hazard_push(&by_hazard, take_spare());
        while (!pop_hazard()) {
        }
    }
}

static void hazard_bursts(struct bench_thread *thread, uint64_t n)
{
    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        for (int k = 0; k < BENCH_BURST; k++)
            pawl_stack_hazard_push(&by_hazard, take_spare());
        for (int k = 0; k < BENCH_BURST; k++)
            while (!pop_hazard()) {
            }
    }
}

/* ---- who takes part ---- */

#define HAZARD(loop)                                                                                    \
    {                                                                                                   \
        .name = "pawl_stack_hazard", .setup = open_hazard, .enter = enter_hazard, .run = hazard_##loop, \
        .leave = leave_hazard                                                                           \
    }
#if BENCH_HAVE_CK
#define CK(loop)                                                                     \
    {                                                                                \
        .name = "ck_stack", .setup = peer_ck_stack_open, .run = peer_ck_stack_##loop \
    }
#else
#define CK(loop)                                                                   \
    {                                                                              \
        .name = "ck_stack", .missing = "built without Concurrency Kit (libck-dev)" \
    }
#endif
#if BENCH_HAVE_URCU
#define URCU(kind, loop)                                                                             \
    {                                                                                                \
        .name = "liburcu " #kind ", mutex", .setup = peer_##kind##_open, .run = peer_##kind##_##loop \
    }
#else
#define URCU(kind, loop)                                                               \
    {                                                                                  \
        .name = "liburcu " #kind, .missing = "built without liburcu-cds (liburcu-dev)" \
    }
#endif
#if BENCH_HAVE_BOOST
#define BOOST(loop)                                                                                \
    {                                                                                              \
        .name = "boost::lockfree", .setup = peer_boost_stack_open, .run = peer_boost_stack_##loop, \
        .teardown = peer_boost_stack_free                                                          \
    }
#else
#define BOOST(loop)                                                                \
    {                                                                              \
        .name = "boost::lockfree", .missing = "built without Boost (libboost-dev)" \
    }
#endif
#define ALL(loop)                                                                                            \
    {                                                                                                        \
        {.name = "pawl_stack", .setup = open_versioned, .run = versioned_##loop}, HAZARD(loop),              \
            {.name = "pawl_stack_percpu", .setup = open_parts, .run = parts_##loop, .teardown = free_parts}, \
            CK(loop), URCU(lfs, loop), URCU(wfs, loop), BOOST(loop), {0},                                    \
    }

static const struct bench_contender pairs[] = ALL(pairs);
static const struct bench_contender bursts[] = ALL(bursts);

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "pairs",
         .about =
             "Push one, pop one. RMW: pawl_stack 2, hazard 2, percpu 0, ck 2, lfs 1 and a mutex, boost 4.",
         .unit = "push+pop",
         .threads = {1, 2, 4, 8},
         .contenders = pairs},
        {.name = "bursts",
         .about = "Push sixteen, pop sixteen.",
         .unit = "push+pop",
         .threads = {1, 2, 8},
         .ops = BENCH_BURST,
         .contenders = bursts},
        {0},
    };
    static const struct bench_program program = {"stack", "Stacks of linked nodes.", groups};

    return bench_main(argc, argv, &program);
}
