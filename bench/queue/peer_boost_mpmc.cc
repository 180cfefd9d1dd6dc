/* SPDX-License-Identifier: MIT */
/* boost::lockfree::queue, bounded by what it was made for. Lock-free: a list of nodes from a free list. */
#include "mpmc_peers.h"

#include <boost/lockfree/queue.hpp>

#define PEER(name, type)                                            \
    int name##_open(unsigned, void **shared)                        \
    {                                                               \
        *shared = new boost::lockfree::queue<type>(BENCH_CAPACITY); \
        return 0;                                                   \
    }                                                               \
    void name##_close(void *shared)                                 \
    {                                                               \
        delete static_cast<boost::lockfree::queue<type> *>(shared); \
    }

PEER(boost8, uint64_t)
#define LOOP(name) boost8_##name
#define QUEUE boost::lockfree::queue<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (queue)->bounded_push(*(element))
#define POP(queue, element) (queue)->pop(*(element))
#include "mpmc_loops.h"

PEER(boost64, bench_element64)
#define LOOP(name) boost64_##name
#define QUEUE boost::lockfree::queue<bench_element64>
#define ELEMENT bench_element64
#define WORD(element) (element).word[0]
#define PUSH(queue, element) (queue)->bounded_push(*(element))
#define POP(queue, element) (queue)->pop(*(element))
#include "mpmc_loops.h"
