/* SPDX-License-Identifier: MIT */
/* moodycamel::ReaderWriterQueue: no batches. */
#include <readerwriterqueue/readerwriterqueue.h>

template <typename T> using queue_of = moodycamel::ReaderWriterQueue<T>;

#include "spsc_cxx.h"

SPSC_CXX_LIFE(peer_moodycamel_spsc)

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
