/* SPDX-License-Identifier: MIT */
/* Concurrency Kit: ck_ring for many producers and consumers, of pointers. A stopped producer stops the
 * others. */
#include "mpmc_peers.h"

#include <ck_ring.h>
#include <errno.h>
#include <stdlib.h>

struct ring {
    ck_ring_t ring;
    ck_ring_buffer_t buffer[BENCH_CAPACITY];
};

int ck_ring8_open(unsigned threads, void **shared)
{
    struct ring *ring = aligned_alloc(BENCH_LINE_PAIR, (sizeof *ring + BENCH_LINE_PAIR - 1) /
                                                           BENCH_LINE_PAIR * BENCH_LINE_PAIR);

    (void)threads;
    if (ring == NULL)
        return -ENOMEM;
    ck_ring_init(&ring->ring, BENCH_CAPACITY);
    *shared = ring;
    return 0;
}

void ck_ring8_close(void *shared)
{
    free(shared);
}

static bool push_word(struct ring *ring, const uint64_t *word)
{
    return ck_ring_enqueue_mpmc(&ring->ring, ring->buffer, (void *)(uintptr_t)*word);
}

static bool pop_word(struct ring *ring, uint64_t *word)
{
    void *entry;

    if (!ck_ring_dequeue_mpmc(&ring->ring, ring->buffer, &entry))
        return false;
    *word = (uintptr_t)entry;
    return true;
}

#define LOOP(name) ck_ring8_##name
#define QUEUE struct ring
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) push_word(queue, element)
#define POP(queue, element) pop_word(queue, element)
#include "mpmc_loops.h"
