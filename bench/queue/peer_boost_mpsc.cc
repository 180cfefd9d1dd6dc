/* SPDX-License-Identifier: MIT */
/* boost::lockfree::queue of fixed size, from and to any thread. */
#include "mpsc_peers.h"

#include <boost/lockfree/queue.hpp>

namespace
{
template <typename T>
using queue_of = boost::lockfree::queue<T, boost::lockfree::capacity<BENCH_MPSC_CAPACITY>>;
} // namespace

int peer_boost_mpsc_8_open(unsigned, void **shared)
{
    *shared = new queue_of<uint64_t>;
    return 0;
}

void peer_boost_mpsc_8_free(void *shared)
{
    delete static_cast<queue_of<uint64_t> *>(shared);
}

#define LOOP(name) peer_boost_mpsc_8_##name
#define QUEUE queue_of<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) (queue)->push(*(element))
#define POP(queue, element) (queue)->pop(*(element))
#include "mpsc_loops.h"

int peer_boost_mpsc_64_open(unsigned, void **shared)
{
    *shared = new queue_of<bench_mpsc_wide>;
    return 0;
}

void peer_boost_mpsc_64_free(void *shared)
{
    delete static_cast<queue_of<bench_mpsc_wide> *>(shared);
}

#define LOOP(name) peer_boost_mpsc_64_##name
#define QUEUE queue_of<bench_mpsc_wide>
#define ELEMENT bench_mpsc_wide
#define WORD(element) ((element).word[0])
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) (queue)->push(*(element))
#define POP(queue, element) (queue)->pop(*(element))
#include "mpsc_loops.h"
