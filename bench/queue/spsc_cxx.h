/* SPDX-License-Identifier: MIT */
/* What the C++ peers of bench_spsc share: the two queues of a run. `queue_of<T>` is the peer's, from a number of elements. */
#ifndef PAWL_BENCH_SPSC_CXX_H
#define PAWL_BENCH_SPSC_CXX_H

#include "spsc_peers.h"

namespace
{
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

#define SPSC_CXX_LIFE(peer)                     \
    int peer##_8_open(unsigned, void **shared)  \
    {                                           \
        return open_two<uint64_t>(shared);      \
    }                                           \
    void peer##_8_free(void *shared)            \
    {                                           \
        free_two<uint64_t>(shared);             \
    }                                           \
    int peer##_64_open(unsigned, void **shared) \
    {                                           \
        return open_two<bench_wide>(shared);    \
    }                                           \
    void peer##_64_free(void *shared)           \
    {                                           \
        free_two<bench_wide>(shared);           \
    }

#endif
