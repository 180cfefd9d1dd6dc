/* SPDX-License-Identifier: MIT */
/* moodycamel::ConcurrentQueue: a queue a producer, unbounded; the order of different producers is not
 * kept. */
#include "mpmc_peers.h"

#if __has_include(<concurrentqueue/moodycamel/concurrentqueue.h>)
#include <concurrentqueue/moodycamel/concurrentqueue.h>
#elif __has_include(<concurrentqueue/concurrentqueue.h>)
#include <concurrentqueue/concurrentqueue.h>
#else
#include <concurrentqueue.h>
#endif

#define PEER(name, type)                                                 \
    int name##_open(unsigned, void **shared)                             \
    {                                                                    \
        *shared = new moodycamel::ConcurrentQueue<type>(BENCH_CAPACITY); \
        return 0;                                                        \
    }                                                                    \
    void name##_close(void *shared)                                      \
    {                                                                    \
        delete static_cast<moodycamel::ConcurrentQueue<type> *>(shared); \
    }

PEER(moodycamel8, uint64_t)
#define LOOP(name) moodycamel8_##name
#define QUEUE moodycamel::ConcurrentQueue<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (queue)->enqueue(*(element))
#define POP(queue, element) (queue)->try_dequeue(*(element))
#define PUSH_N(queue, elements, n) ((queue)->enqueue_bulk(elements, n) ? (n) : 0)
#define POP_N(queue, elements, n) (queue)->try_dequeue_bulk(elements, n)
#include "mpmc_loops.h"

PEER(moodycamel64, bench_element64)
#define LOOP(name) moodycamel64_##name
#define QUEUE moodycamel::ConcurrentQueue<bench_element64>
#define ELEMENT bench_element64
#define WORD(element) (element).word[0]
#define PUSH(queue, element) (queue)->enqueue(*(element))
#define POP(queue, element) (queue)->try_dequeue(*(element))
#include "mpmc_loops.h"
