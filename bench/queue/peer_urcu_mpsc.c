/* SPDX-License-Identifier: MIT */
/* liburcu's wfcqueue: one by one, and with the consumer splicing all into a queue of its own. */
#include "mpsc_peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/wfcqueue.h>

/* The nodes are the caller's: an element is written into one, and read from it. */
struct urcu_letter {
    struct cds_wfcq_node node;
    uint64_t element[];
};

PAWL_STATIC_ASSERT(sizeof(struct urcu_letter) + sizeof(struct bench_mpsc_wide) <= BENCH_MPSC_LETTER,
                   "it has room");

struct urcu_queue {
    struct cds_wfcq_tail tail __attribute__((aligned(BENCH_LINE_PAIR)));
    struct cds_wfcq_head head __attribute__((aligned(BENCH_LINE_PAIR)));
    struct cds_wfcq_tail own_tail __attribute__((aligned(BENCH_LINE_PAIR)));
    struct cds_wfcq_head own_head;
    unsigned next[BENCH_MPSC_THREADS][BENCH_LINE_PAIR / sizeof(unsigned)]; /* the producer's next letter */
    unsigned char letters[BENCH_MPSC_THREADS][BENCH_MPSC_CAPACITY * BENCH_MPSC_LETTER] PAWL_LINE_PAIR_ALIGNED;
};

static int open_urcu(void **shared)
{
    struct urcu_queue *queue = aligned_alloc(BENCH_LINE_PAIR, sizeof *queue);

    if (queue == NULL)
        return -ENOMEM;
    cds_wfcq_init(&queue->head, &queue->tail);
    cds_wfcq_init(&queue->own_head, &queue->own_tail);
    memset(queue->next, 0, sizeof queue->next);
    *shared = queue;
    return 0;
}

#define LIFE(peer)                                   \
    int peer##_open(unsigned threads, void **shared) \
    {                                                \
        (void)threads;                               \
        return open_urcu(shared);                    \
    }                                                \
    void peer##_free(void *shared)                   \
    {                                                \
        free(shared);                                \
    }
LIFE(peer_urcu_mpsc_8)
LIFE(peer_urcu_mpsc_64)
LIFE(peer_urcu_splice_mpsc_8)
LIFE(peer_urcu_splice_mpsc_64)

static inline bool push_urcu(struct urcu_queue *queue, unsigned producer, const void *element, size_t bytes)
{
    size_t at = queue->next[producer][0]++ % BENCH_MPSC_CAPACITY * (sizeof(struct urcu_letter) + bytes);
    struct urcu_letter *letter = (struct urcu_letter *)(void *)&queue->letters[producer][at];

    memcpy(letter->element, element, bytes);
    cds_wfcq_node_init(&letter->node);
    cds_wfcq_enqueue(&queue->head, &queue->tail, &letter->node);
    return true;
}

static inline bool take(struct cds_wfcq_node *node, void *element, size_t bytes)
{
    if (node == NULL)
        return false;
    memcpy(element, ((struct urcu_letter *)(void *)node)->element, bytes); /* the node is its first member */
    return true;
}

static inline bool pop_urcu(struct urcu_queue *queue, void *element, size_t bytes)
{
    return take(__cds_wfcq_dequeue_blocking(&queue->head, &queue->tail), element, bytes);
}

static inline bool pop_spliced(struct urcu_queue *queue, void *element, size_t bytes)
{
    if (take(__cds_wfcq_dequeue_blocking(&queue->own_head, &queue->own_tail), element, bytes))
        return true;
    __cds_wfcq_splice_blocking(&queue->own_head, &queue->own_tail, &queue->head, &queue->tail);
    return take(__cds_wfcq_dequeue_blocking(&queue->own_head, &queue->own_tail), element, bytes);
}

#define LOOP(name) peer_urcu_mpsc_8_##name
#define QUEUE struct urcu_queue
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) push_urcu(queue, producer, element, sizeof(ELEMENT))
#define POP(queue, element) pop_urcu(queue, element, sizeof(ELEMENT))
#include "mpsc_loops.h"

#define LOOP(name) peer_urcu_mpsc_64_##name
#define QUEUE struct urcu_queue
#define ELEMENT struct bench_mpsc_wide
#define WORD(element) (element).word[0]
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) push_urcu(queue, producer, element, sizeof(ELEMENT))
#define POP(queue, element) pop_urcu(queue, element, sizeof(ELEMENT))
#include "mpsc_loops.h"

#define LOOP(name) peer_urcu_splice_mpsc_8_##name
#define QUEUE struct urcu_queue
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) push_urcu(queue, producer, element, sizeof(ELEMENT))
#define POP(queue, element) pop_spliced(queue, element, sizeof(ELEMENT))
#include "mpsc_loops.h"

#define LOOP(name) peer_urcu_splice_mpsc_64_##name
#define QUEUE struct urcu_queue
#define ELEMENT struct bench_mpsc_wide
#define WORD(element) (element).word[0]
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) push_urcu(queue, producer, element, sizeof(ELEMENT))
#define POP(queue, element) pop_spliced(queue, element, sizeof(ELEMENT))
#include "mpsc_loops.h"
