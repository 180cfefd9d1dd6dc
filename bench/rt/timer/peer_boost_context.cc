/* SPDX-License-Identifier: MIT */
/* Boost.Context: the switch under Boost.Fiber and Boost.Coroutine. */
#include "fiber_peers.h"

#include <boost/context/fiber.hpp>
#include <utility>

namespace context = boost::context;

int bench_boost_open(unsigned threads, void **shared)
{
    (void)threads;
    *shared = new context::fiber([](context::fiber &&back) {
        for (;;)
            back = std::move(back).resume();
        return std::move(back);
    });
    return 0;
}

void bench_boost_close(void *shared)
{
    delete static_cast<context::fiber *>(shared);
}

void bench_boost_switch(struct bench_thread *thread, uint64_t iterations)
{
    context::fiber &fiber = *static_cast<context::fiber *>(thread->shared);

    for (uint64_t i = 0; i < iterations; i++)
        fiber = std::move(fiber).resume();
}
