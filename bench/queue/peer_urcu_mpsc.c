/* SPDX-License-Identifier: MIT */
/* liburcu's wfcqueue: one by one, and with the consumer splicing all into a queue of its own. */
#include "mpsc_peers.h"

#include <errno.h>
#include <stdlib.h>
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/wfcqueue.h>

struct urcu_letter {
    struct cds_wfcq_node node;
    uint64_t element;
};

struct urcu_queue {
    struct cds_wfcq_tail tail __attribute__((aligned(BENCH_LINE_PAIR)));
    struct cds_wfcq_head head __attribute__((aligned(BENCH_LINE_PAIR)));
    struct cds_wfcq_tail own_tail __attribute__((aligned(BENCH_LINE_PAIR)));
    struct cds_wfcq_head own_head;
    struct urcu_letter letters[BENCH_MPSC_THREADS][BENCH_MPSC_CAPACITY];
};

int peer_urcu_mpsc_open(unsigned threads, void **shared)
{
    struct urcu_queue *queue = aligned_alloc(BENCH_LINE_PAIR, sizeof *queue);

    (void)threads;
    if (queue == NULL)
        return -ENOMEM;
    cds_wfcq_init(&queue->head, &queue->tail);
    cds_wfcq_init(&queue->own_head, &queue->own_tail);
    *shared = queue;
    return 0;
}

void peer_urcu_mpsc_free(void *shared)
{
    free(shared);
}

int peer_urcu_splice_mpsc_open(unsigned threads, void **shared)
{
    return peer_urcu_mpsc_open(threads, shared);
}

void peer_urcu_splice_mpsc_free(void *shared)
{
    free(shared);
}

static inline bool push_urcu(struct urcu_queue *queue, unsigned producer, uint64_t element)
{
    struct urcu_letter *letter = &queue->letters[producer][element % BENCH_MPSC_CAPACITY];

    letter->element = element;
    cds_wfcq_node_init(&letter->node);
    cds_wfcq_enqueue(&queue->head, &queue->tail, &letter->node);
    return true;
}

static inline bool take(struct cds_wfcq_node *node, uint64_t *element)
{
    if (node == NULL)
        return false;
    *element = ((struct urcu_letter *)(void *)node)->element; /* the node is its first member */
    return true;
}

static inline bool pop_urcu(struct urcu_queue *queue, uint64_t *element)
{
    return take(__cds_wfcq_dequeue_blocking(&queue->head, &queue->tail), element);
}

static inline bool pop_spliced(struct urcu_queue *queue, uint64_t *element)
{
    if (take(__cds_wfcq_dequeue_blocking(&queue->own_head, &queue->own_tail), element))
        return true;
    __cds_wfcq_splice_blocking(&queue->own_head, &queue->own_tail, &queue->head, &queue->tail);
    return take(__cds_wfcq_dequeue_blocking(&queue->own_head, &queue->own_tail), element);
}

#define LOOP(name) peer_urcu_mpsc_##name
#define QUEUE struct urcu_queue
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, number) push_urcu(queue, producer, mpsc_element(producer, number))
#define POP(queue, element) pop_urcu(queue, element)
#include "mpsc_loops.h"

#define LOOP(name) peer_urcu_splice_mpsc_##name
#define QUEUE struct urcu_queue
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, number) push_urcu(queue, producer, mpsc_element(producer, number))
#define POP(queue, element) pop_spliced(queue, element)
#include "mpsc_loops.h"
