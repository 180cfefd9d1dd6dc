/* SPDX-License-Identifier: MIT */
/* ck_ring between one producer and one consumer, of pointers: no batches. */
#include "spsc_peers.h"

#include <ck_ring.h>
#include <errno.h>
#include <stdlib.h>

struct ck_queue {
    ck_ring_t ring;
    ck_ring_buffer_t buffer[BENCH_SPSC_CAPACITY];
} __attribute__((aligned(BENCH_LINE_PAIR)));

int peer_ck_spsc_8_open(unsigned threads, void **shared)
{
    static struct ck_queue *queues[2];

    (void)threads;
    for (int i = 0; i < 2; i++) {
        queues[i] = aligned_alloc(BENCH_LINE_PAIR, sizeof *queues[i]);
        if (queues[i] == NULL)
            return -ENOMEM;
        ck_ring_init(&queues[i]->ring, BENCH_SPSC_CAPACITY);
    }
    *shared = queues;
    return 0;
}

void peer_ck_spsc_8_free(void *shared)
{
    struct ck_queue **queues = shared;

    free(queues[0]);
    free(queues[1]);
}

static inline bool push_ck(struct ck_queue *queue, const uint64_t *word)
{
    return ck_ring_enqueue_spsc(&queue->ring, queue->buffer, (void *)(uintptr_t)*word);
}

static inline bool pop_ck(struct ck_queue *queue, uint64_t *word)
{
    void *pointer = NULL;
    bool popped = ck_ring_dequeue_spsc(&queue->ring, queue->buffer, &pointer);

    *word = (uintptr_t)pointer;
    return popped;
}

#define LOOP(name) peer_ck_spsc_8_##name
#define QUEUE struct ck_queue
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) push_ck(queue, element)
#define POP(queue, element) pop_ck(queue, element)
#include "spsc_loops.h"
