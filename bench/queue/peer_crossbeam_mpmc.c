/* SPDX-License-Identifier: MIT */
/* crossbeam: ArrayQueue, a bounded ring in which a stopped thread stops others, and SegQueue, unbounded. Rust is not
 * inlined into C: each operation is a call, some 2 ns more than the others pay. */
#include "mpmc_peers.h"

#include <stdbool.h>
#include <stddef.h>

void *peer_array_queue_open(size_t capacity);
void peer_array_queue_close(void *queue);
bool peer_array_queue_push(void *queue, uint64_t word);
bool peer_array_queue_pop(void *queue, uint64_t *word);
void *peer_seg_queue_open(void);
void peer_seg_queue_close(void *queue);
bool peer_seg_queue_push(void *queue, uint64_t word);
bool peer_seg_queue_pop(void *queue, uint64_t *word);

int array_queue8_open(unsigned threads, void **shared)
{
    (void)threads;
    *shared = peer_array_queue_open(BENCH_CAPACITY);
    return 0;
}

void array_queue8_close(void *shared)
{
    peer_array_queue_close(shared);
}

int seg_queue8_open(unsigned threads, void **shared)
{
    (void)threads;
    *shared = peer_seg_queue_open();
    return 0;
}

void seg_queue8_close(void *shared)
{
    peer_seg_queue_close(shared);
}

#define LOOP(name) array_queue8_##name
#define QUEUE void
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) peer_array_queue_push(queue, *(element))
#define POP(queue, element) peer_array_queue_pop(queue, element)
#include "mpmc_loops.h"

#define LOOP(name) seg_queue8_##name
#define QUEUE void
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) peer_seg_queue_push(queue, *(element))
#define POP(queue, element) peer_seg_queue_pop(queue, element)
#include "mpmc_loops.h"
