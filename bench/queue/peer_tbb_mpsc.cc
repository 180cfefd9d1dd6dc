/* SPDX-License-Identifier: MIT */
/* oneTBB's concurrent_queue, without bound. */
#include "mpsc_peers.h"

#include <tbb/concurrent_queue.h>

namespace
{
using queue_of_words = tbb::concurrent_queue<uint64_t>;
} // namespace

int peer_tbb_mpsc_open(unsigned, void **shared)
{
    *shared = new queue_of_words;
    return 0;
}

void peer_tbb_mpsc_free(void *shared)
{
    delete static_cast<queue_of_words *>(shared);
}

#define LOOP(name) peer_tbb_mpsc_##name
#define QUEUE queue_of_words
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, number) ((queue)->push(mpsc_element(producer, number)), true)
#define POP(queue, element) (queue)->try_pop(*(element))
#include "mpsc_loops.h"
