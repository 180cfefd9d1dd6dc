/* SPDX-License-Identifier: MIT */
/* boost::lockfree::spsc_queue, with its batches. */
#include <boost/lockfree/spsc_queue.hpp>

template <typename T> using queue_of = boost::lockfree::spsc_queue<T>;

#include "spsc_cxx.h"

SPSC_CXX_LIFE(peer_boost_spsc)

#define LOOP(name) peer_boost_spsc_8_##name
#define QUEUE queue_of<uint64_t>
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (queue)->push(*(element))
#define POP(queue, element) (queue)->pop(*(element))
#define PUSH_N(queue, elements, n) (queue)->push(elements, n)
#define POP_N(queue, elements, n) (queue)->pop(elements, n)
#include "spsc_loops.h"

#define LOOP(name) peer_boost_spsc_64_##name
#define QUEUE queue_of<bench_wide>
#define ELEMENT bench_wide
#define WORD(element) ((element).word[0])
#define PUSH(queue, element) (queue)->push(*(element))
#define POP(queue, element) (queue)->pop(*(element))
#define PUSH_N(queue, elements, n) (queue)->push(elements, n)
#define POP_N(queue, elements, n) (queue)->pop(elements, n)
#include "spsc_loops.h"
