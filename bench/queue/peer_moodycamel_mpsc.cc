/* SPDX-License-Identifier: MIT */
/* moodycamel::ConcurrentQueue, without bound, with a token for each producer; its batches. */
#include "mpsc_peers.h"

#include <concurrentqueue/concurrentqueue.h>

namespace
{
template <typename T> using queue_of = moodycamel::ConcurrentQueue<T>;
} // namespace

int peer_moodycamel_mpsc_8_open(unsigned, void **shared)
{
    *shared = new queue_of<uint64_t>;
    return 0;
}

void peer_moodycamel_mpsc_8_free(void *shared)
{
    delete static_cast<queue_of<uint64_t> *>(shared);
}

#define LOOP(name) peer_moodycamel_mpsc_8_##name
#define QUEUE queue_of<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) moodycamel::ProducerToken token(*(queue))
#define PUSH(queue, producer, element) (queue)->enqueue(token, *(element))
#define POP(queue, element) (queue)->try_dequeue(*(element))
#define PUSH_N(queue, producer, elements, n) ((queue)->enqueue_bulk(token, elements, n) ? (n) : 0)
#define POP_N(queue, elements, n) (queue)->try_dequeue_bulk(elements, n)
#include "mpsc_loops.h"

int peer_moodycamel_mpsc_64_open(unsigned, void **shared)
{
    *shared = new queue_of<bench_mpsc_wide>;
    return 0;
}

void peer_moodycamel_mpsc_64_free(void *shared)
{
    delete static_cast<queue_of<bench_mpsc_wide> *>(shared);
}

#define LOOP(name) peer_moodycamel_mpsc_64_##name
#define QUEUE queue_of<bench_mpsc_wide>
#define ELEMENT bench_mpsc_wide
#define WORD(element) ((element).word[0])
#define BEGIN(queue) moodycamel::ProducerToken token(*(queue))
#define PUSH(queue, producer, element) (queue)->enqueue(token, *(element))
#define POP(queue, element) (queue)->try_dequeue(*(element))
#define PUSH_N(queue, producer, elements, n) ((queue)->enqueue_bulk(token, elements, n) ? (n) : 0)
#define POP_N(queue, elements, n) (queue)->try_dequeue_bulk(elements, n)
#include "mpsc_loops.h"
