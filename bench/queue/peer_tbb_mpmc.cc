/* SPDX-License-Identifier: MIT */
/* oneTBB: concurrent_queue (unbounded) and concurrent_bounded_queue. */
#include "mpmc_peers.h"

#include <tbb/concurrent_queue.h>

#define PEER(name, type)                     \
    int name##_open(unsigned, void **shared) \
    {                                        \
        *shared = new type();                \
        return 0;                            \
    }                                        \
    void name##_close(void *shared)          \
    {                                        \
        delete static_cast<type *>(shared);  \
    }

PEER(tbb8, tbb::concurrent_queue<uint64_t>)
#define LOOP(name) tbb8_##name
#define QUEUE tbb::concurrent_queue<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) ((queue)->push(*(element)), true)
#define POP(queue, element) (queue)->try_pop(*(element))
#include "mpmc_loops.h"

PEER(tbb64, tbb::concurrent_queue<bench_element64>)
#define LOOP(name) tbb64_##name
#define QUEUE tbb::concurrent_queue<bench_element64>
#define ELEMENT bench_element64
#define WORD(element) (element).word[0]
#define PUSH(queue, element) ((queue)->push(*(element)), true)
#define POP(queue, element) (queue)->try_pop(*(element))
#include "mpmc_loops.h"

int tbb_bounded8_open(unsigned, void **shared)
{
    auto *queue = new tbb::concurrent_bounded_queue<uint64_t>();

    queue->set_capacity(BENCH_CAPACITY);
    *shared = queue;
    return 0;
}

void tbb_bounded8_close(void *shared)
{
    delete static_cast<tbb::concurrent_bounded_queue<uint64_t> *>(shared);
}
#define LOOP(name) tbb_bounded8_##name
#define QUEUE tbb::concurrent_bounded_queue<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (queue)->try_push(*(element))
#define POP(queue, element) (queue)->try_pop(*(element))
#include "mpmc_loops.h"
