/* SPDX-License-Identifier: MIT */
/* moodycamel::ReaderWriterQueue: no batches. */
#include "spsc_peers.h"

#include <readerwriterqueue/readerwriterqueue.h>

namespace
{
template <typename T> using queue_of = moodycamel::ReaderWriterQueue<T>;

template <typename T> int open_two(void **shared)
{
    auto **queues = new queue_of<T> *[2];

    for (int i = 0; i < 2; i++)
        queues[i] = new queue_of<T>(BENCH_SPSC_CAPACITY);
    *shared = queues;
    return 0;
}

template <typename T> void free_two(void *shared)
{
    auto **queues = static_cast<queue_of<T> **>(shared);

    for (int i = 0; i < 2; i++)
        delete queues[i];
    delete[] queues;
}
} // namespace

int peer_moodycamel_spsc_8_open(unsigned, void **shared)
{
    return open_two<uint64_t>(shared);
}

void peer_moodycamel_spsc_8_free(void *shared)
{
    free_two<uint64_t>(shared);
}

int peer_moodycamel_spsc_64_open(unsigned, void **shared)
{
    return open_two<bench_wide>(shared);
}

void peer_moodycamel_spsc_64_free(void *shared)
{
    free_two<bench_wide>(shared);
}

#define LOOP(name) peer_moodycamel_spsc_8_##name
#define QUEUE queue_of<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (queue)->try_enqueue(*(element))
#define POP(queue, element) (queue)->try_dequeue(*(element))
#include "spsc_loops.h"

#define LOOP(name) peer_moodycamel_spsc_64_##name
#define QUEUE queue_of<bench_wide>
#define ELEMENT bench_wide
#define WORD(element) ((element).word[0])
#define PUSH(queue, element) (queue)->try_enqueue(*(element))
#define POP(queue, element) (queue)->try_dequeue(*(element))
#include "spsc_loops.h"
