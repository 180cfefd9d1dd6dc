/* SPDX-License-Identifier: MIT */
/* boost::lockfree::queue of fixed size, from and to any thread. */
#include "mpsc_peers.h"

#include <boost/lockfree/queue.hpp>

namespace
{
using queue_of_words = boost::lockfree::queue<uint64_t, boost::lockfree::capacity<BENCH_MPSC_CAPACITY>>;
} // namespace

int peer_boost_mpsc_open(unsigned, void **shared)
{
    *shared = new queue_of_words;
    return 0;
}

void peer_boost_mpsc_free(void *shared)
{
    delete static_cast<queue_of_words *>(shared);
}

#define LOOP(name) peer_boost_mpsc_##name
#define QUEUE queue_of_words
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, number) (queue)->push(mpsc_element(producer, number))
#define POP(queue, element) (queue)->pop(*(element))
#include "mpsc_loops.h"
