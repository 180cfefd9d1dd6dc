/* SPDX-License-Identifier: MIT */
/* boost::lockfree::spsc_queue, one a consumer. */
#include "broadcast_peers.h"

#include <boost/lockfree/spsc_queue.hpp>
#include <sched.h>

using boost_queue = boost::lockfree::spsc_queue<uint64_t, boost::lockfree::capacity<BENCH_SLOTS>>;

struct boost_queues {
    alignas(BENCH_LINE_PAIR) boost_queue queue[BENCH_CONSUMERS_MAX];
};

int peer_boost_queues_open(unsigned threads, void **shared)
{
    (void)threads;
    *shared = new boost_queues;
    return 0;
}

void peer_boost_queues_free(void *shared)
{
    delete static_cast<boost_queues *>(shared);
}

void peer_boost_queues_run(struct bench_thread *thread, uint64_t n)
{
    auto *queues = static_cast<boost_queues *>(thread->shared);
    uint64_t element = 0;

    if (thread->index == 0) {
        for (uint64_t i = 0; i < n; i++)
            for (unsigned c = 1; c < thread->threads; c++)
                while (!queues->queue[c - 1].push(i))
                    sched_yield();
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        while (!queues->queue[thread->index - 1].pop(element))
            sched_yield();
    bench_keep(element);
}

void peer_boost_queues_pairs(struct bench_thread *thread, uint64_t n)
{
    auto *queues = static_cast<boost_queues *>(thread->shared);
    uint64_t element = 0;

    for (uint64_t i = 0; i < n; i++) {
        bench_keep(queues->queue[0].push(i));
        bench_keep(queues->queue[0].pop(element));
        bench_keep(element);
    }
}
