/* SPDX-License-Identifier: MIT */
/* moodycamel::ConcurrentQueue, without bound, with a token for each producer. */
#include "mpsc_peers.h"

#include <concurrentqueue/concurrentqueue.h>

namespace
{
using queue_of_words = moodycamel::ConcurrentQueue<uint64_t>;
} // namespace

int peer_moodycamel_mpsc_open(unsigned, void **shared)
{
    *shared = new queue_of_words;
    return 0;
}

void peer_moodycamel_mpsc_free(void *shared)
{
    delete static_cast<queue_of_words *>(shared);
}

#define LOOP(name) peer_moodycamel_mpsc_##name
#define QUEUE queue_of_words
#define BEGIN(queue) moodycamel::ProducerToken token(*(queue))
#define PUSH(queue, producer, number) (queue)->enqueue(token, mpsc_element(producer, number))
#define POP(queue, element) (queue)->try_dequeue(*(element))
#include "mpsc_loops.h"
