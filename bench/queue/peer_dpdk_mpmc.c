/* SPDX-License-Identifier: MIT */
/* DPDK's rte_ring for many producers and consumers, of words. A stopped producer stops the others. It is used without
 * DPDK's environment, in memory of our own. */
#include "mpmc_peers.h"

#include <errno.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <stdbool.h>
#include <stdlib.h>

int rte_ring8_open(unsigned threads, void **shared)
{
    /* One of the places stays empty: take twice as many, so that as many fit as into the others. */
    const ssize_t bytes = rte_ring_get_memsize_elem(sizeof(uint64_t), 2 * BENCH_CAPACITY);
    struct rte_ring *ring;

    (void)threads;
    if (bytes < 0)
        return (int)bytes;
    ring = aligned_alloc(BENCH_LINE_PAIR,
                         ((size_t)bytes + BENCH_LINE_PAIR - 1) / BENCH_LINE_PAIR * BENCH_LINE_PAIR);
    if (ring == NULL)
        return -ENOMEM;
    *shared = ring;
    return rte_ring_init(ring, "bench", 2 * BENCH_CAPACITY, 0);
}

void rte_ring8_close(void *shared)
{
    free(shared);
}

static bool push_word(struct rte_ring *ring, uint64_t *word)
{
    return rte_ring_mp_enqueue_elem(ring, word, sizeof(*word)) == 0;
}

static bool pop_word(struct rte_ring *ring, uint64_t *word)
{
    return rte_ring_mc_dequeue_elem(ring, word, sizeof(*word)) == 0;
}

static unsigned push_words(struct rte_ring *ring, uint64_t *words, size_t n)
{
    return rte_ring_mp_enqueue_burst_elem(ring, words, sizeof(*words), (unsigned)n, NULL);
}

static unsigned pop_words(struct rte_ring *ring, uint64_t *words, size_t n)
{
    return rte_ring_mc_dequeue_burst_elem(ring, words, sizeof(*words), (unsigned)n, NULL);
}

#define LOOP(name) rte_ring8_##name
#define QUEUE struct rte_ring
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH push_word
#define POP pop_word
#define PUSH_N push_words
#define POP_N pop_words
#include "mpmc_loops.h"
