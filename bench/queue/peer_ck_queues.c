/* SPDX-License-Identifier: MIT */
/* Concurrency Kit's ring for one producer and one consumer, one a consumer. */
#include <ck_ring.h>

#include "broadcast_peers.h"

#include <sched.h>

struct ck_queue {
    struct ck_ring ring __attribute__((aligned(BENCH_LINE_PAIR)));
    struct ck_ring_buffer slot[BENCH_SLOTS];
};

static struct ck_queue queues[BENCH_CONSUMERS_MAX];

int peer_ck_queues_open(unsigned threads, void **shared)
{
    (void)threads;
    for (int i = 0; i < BENCH_CONSUMERS_MAX; i++)
        ck_ring_init(&queues[i].ring, BENCH_SLOTS);
    *shared = queues;
    return 0;
}

void peer_ck_queues_run(struct bench_thread *thread, uint64_t n)
{
    void *element = NULL;

    if (thread->index == 0) {
        for (uint64_t i = 0; i < n; i++)
            for (unsigned c = 1; c < thread->threads; c++)
                while (!ck_ring_enqueue_spsc(&queues[c - 1].ring, queues[c - 1].slot,
                                             (void *)(uintptr_t)(i + 1)))
                    sched_yield();
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        while (
            !ck_ring_dequeue_spsc(&queues[thread->index - 1].ring, queues[thread->index - 1].slot, &element))
            sched_yield();
    bench_keep_pointer(element);
}

void peer_ck_queues_pairs(struct bench_thread *thread, uint64_t n)
{
    void *element = NULL;

    (void)thread;
    for (uint64_t i = 0; i < n; i++) {
        bench_keep(ck_ring_enqueue_spsc(&queues[0].ring, queues[0].slot, (void *)(uintptr_t)(i + 1)));
        bench_keep(ck_ring_dequeue_spsc(&queues[0].ring, queues[0].slot, &element));
        bench_keep_pointer(element);
    }
}
