/* SPDX-License-Identifier: MIT */
/* boost::lockfree::stack of a pointer, bounded: nodes come from its own free list. */
#include "stack_peers.h"

#include <boost/lockfree/stack.hpp>

using boost_stack = boost::lockfree::stack<void *, boost::lockfree::capacity<8192>>;

enum { THREADS = 64 };

static void *held[THREADS][BENCH_BURST] __attribute__((aligned(BENCH_LINE_PAIR)));

int peer_boost_stack_open(unsigned threads, void **shared)
{
    (void)threads;
    for (auto &of_thread : held)
        for (auto &element : of_thread)
            element = &element;
    *shared = new boost_stack;
    return 0;
}

void peer_boost_stack_free(void *shared)
{
    delete static_cast<boost_stack *>(shared);
}

static inline void *pop_boost(boost_stack *stack)
{
    void *element = nullptr;

    return stack->pop(element) ? element : nullptr;
}

#define LOOP(name) peer_boost_stack_##name
#define STACK boost_stack
#define NODE void
#define NODES_OF(thread) held[(thread)->index % THREADS]
#define PUSH(stack, node) (stack)->push(node)
#define POP(stack) pop_boost(stack)
#include "stack_loops.h"
