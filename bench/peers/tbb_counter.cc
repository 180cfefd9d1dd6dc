/* SPDX-License-Identifier: MIT */
#include "tbb_counter.h"

#include <cerrno>
#include <functional>
#include <new>

#include <tbb/combinable.h>

namespace
{
using counter = tbb::combinable<uint64_t>;
}

/* Nothing C++ may leave these functions: no exception, no type. */
int peer_tbb_counter_setup(unsigned, void **shared)
{
    *shared = new (std::nothrow) counter([] { return uint64_t{0}; });
    return *shared != nullptr ? 0 : -ENOMEM;
}

void peer_tbb_counter_teardown(void *shared)
{
    delete static_cast<counter *>(shared);
}

/* The look-up of the thread's shard stays in the loop: it is what an add in a program costs. */
void peer_tbb_counter_add(struct bench_thread *thread, uint64_t iterations)
{
    auto *sum = static_cast<counter *>(thread->shared);

    for (uint64_t i = 0; i < iterations; ++i) {
        uint64_t &local = sum->local();

        ++local;
        bench_keep_pointer(&local);
    }
}

uint64_t peer_tbb_counter_sum(void *shared)
{
    return static_cast<counter *>(shared)->combine(std::plus<uint64_t>());
}

void peer_tbb_counter_read(struct bench_thread *thread, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; ++i)
        bench_keep(peer_tbb_counter_sum(thread->shared));
}
