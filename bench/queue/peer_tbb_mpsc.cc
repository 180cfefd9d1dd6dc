/* SPDX-License-Identifier: MIT */
/* oneTBB's concurrent_queue, without bound. */
#include "mpsc_peers.h"

#include <tbb/concurrent_queue.h>

namespace
{
template <typename T> using queue_of = tbb::concurrent_queue<T>;
} // namespace

int peer_tbb_mpsc_8_open(unsigned, void **shared)
{
    *shared = new queue_of<uint64_t>;
    return 0;
}

void peer_tbb_mpsc_8_free(void *shared)
{
    delete static_cast<queue_of<uint64_t> *>(shared);
}

#define LOOP(name) peer_tbb_mpsc_8_##name
#define QUEUE queue_of<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) ((queue)->push(*(element)), true)
#define POP(queue, element) (queue)->try_pop(*(element))
#include "mpsc_loops.h"

int peer_tbb_mpsc_64_open(unsigned, void **shared)
{
    *shared = new queue_of<bench_mpsc_wide>;
    return 0;
}

void peer_tbb_mpsc_64_free(void *shared)
{
    delete static_cast<queue_of<bench_mpsc_wide> *>(shared);
}

#define LOOP(name) peer_tbb_mpsc_64_##name
#define QUEUE queue_of<bench_mpsc_wide>
#define ELEMENT bench_mpsc_wide
#define WORD(element) ((element).word[0])
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) ((queue)->push(*(element)), true)
#define POP(queue, element) (queue)->try_pop(*(element))
#include "mpsc_loops.h"
