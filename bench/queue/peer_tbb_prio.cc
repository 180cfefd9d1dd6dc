/* SPDX-License-Identifier: MIT */
/* oneTBB's heap behind an aggregator, unbounded: the level above the number, so that the smallest is the most
 * urgent. */
#include "prio_peers.h"

#include <functional>
#include <tbb/concurrent_priority_queue.h>

using heap = tbb::concurrent_priority_queue<uint64_t, std::greater<uint64_t>>;

int tbb_prio_open(unsigned, void **shared)
{
    *shared = new heap;
    return 0;
}

void tbb_prio_close(void *shared)
{
    delete static_cast<heap *>(shared);
}

#define LOOP(name) tbb_prio_##name
#define QUEUE heap
#define PUSH(queue, level, element) ((queue)->push((uint64_t)(level) << 56 | (element)), true)
#define POP(queue, element) (queue)->try_pop(element)
#include "prio_loops.h"
