/* SPDX-License-Identifier: MIT */
/* ck_ring with many producers, of pointers. */
#include "mpsc_peers.h"

#include <ck_ring.h>
#include <errno.h>
#include <stdlib.h>

struct ck_queue {
    ck_ring_t ring;
    ck_ring_buffer_t buffer[BENCH_MPSC_CAPACITY];
} __attribute__((aligned(BENCH_LINE_PAIR)));

int peer_ck_mpsc_8_open(unsigned threads, void **shared)
{
    struct ck_queue *queue = aligned_alloc(BENCH_LINE_PAIR, sizeof *queue);

    (void)threads;
    if (queue == NULL)
        return -ENOMEM;
    ck_ring_init(&queue->ring, BENCH_MPSC_CAPACITY);
    *shared = queue;
    return 0;
}

void peer_ck_mpsc_8_free(void *shared)
{
    free(shared);
}

static inline bool pop_ck(struct ck_queue *queue, uint64_t *element)
{
    void *pointer = NULL;
    bool popped = ck_ring_dequeue_mpsc(&queue->ring, queue->buffer, &pointer);

    *element = (uintptr_t)pointer;
    return popped;
}

#define LOOP(name) peer_ck_mpsc_8_##name
#define QUEUE struct ck_queue
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) \
    ck_ring_enqueue_mpsc(&(queue)->ring, (queue)->buffer, (void *)(uintptr_t) * (element))
#define POP(queue, element) pop_ck(queue, element)
#include "mpsc_loops.h"
