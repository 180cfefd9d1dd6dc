/* SPDX-License-Identifier: MIT */
/* The chain of nodes: collecting it, turning it around, the end.
 *
 *              top -> n5 -> n4 -> n3          a push makes itself the top, then links to who was there before
 *
 *              collect: top = NULL            unturned: n5 -> n4 -> n3      turned:
 *              turn, node by node             unturned: n4 -> n3            turned: n5
 *                                             unturned: n3                  turned: n4 -> n5
 *                                             unturned:                     ready:  n3 -> n4 -> n5
 *
 * Turning stops at a node that is not linked yet: its producer is between its two steps. The consumer keeps what it has
 * and goes on the next time. */
#include <pawl/mpsc.h>

#include <errno.h>
#include <stdlib.h>

extern inline int pawl_mpsc_append_(struct pawl_mpsc *q, struct pawl_mpsc_node *first,
                                    struct pawl_mpsc_node *last, size_t n);
extern inline int pawl_mpsc_push(struct pawl_mpsc *q, struct pawl_mpsc_node *node);
extern inline int pawl_mpsc_pop(struct pawl_mpsc *q, struct pawl_mpsc_node **node);
extern inline struct pawl_mpsc_node *pawl_mpsc_next(struct pawl_mpsc_node *node);

void pawl_mpsc_init(struct pawl_mpsc *q)
{
    pawl_handover_init(&q->handover, PAWL_PRIVATE);
    pawl_store_relaxed(&q->closing, 0u); /* relaxed, both: nobody has it yet */
    pawl_store_relaxed(&q->top, (struct pawl_mpsc_node *)NULL);
    q->reserved = 0;
    q->ready = NULL;
    q->turned = NULL;
    q->unturned = NULL;
}

struct pawl_mpsc *pawl_mpsc_open(void)
{
    struct pawl_mpsc *q = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *q);

    if (q != NULL)
        pawl_mpsc_init(q);
    return q;
}

void pawl_mpsc_free(struct pawl_mpsc *q)
{
    free(q);
}

int pawl_mpsc_close(struct pawl_mpsc *q)
{
    if (pawl_exchange_relaxed(&q->closing, 1u) != 0) /* relaxed P: the grace period orders it */
        return -EALREADY;
    /* P: a push whose section the grace period waits for is inside when it ends; a later one sees `closing` */
    pawl_rcu_synchronize();
    return pawl_handover_close(&q->handover);
}

int pawl_mpsc_push_n(struct pawl_mpsc *q, struct pawl_mpsc_node *const *nodes, size_t n)
{
    for (size_t i = 1; i < n; i++)
        pawl_store_relaxed(&nodes[i]->next, nodes[i - 1]); /* relaxed: published by the exchange in append_ */
    return pawl_mpsc_append_(q, nodes[0], nodes[n - 1], n);
}

/* Turns around what was collected. Returns 0 when all is ready, or -EBUSY. */
static int turn(struct pawl_mpsc *q)
{
    while (q->unturned != NULL) {
        struct pawl_mpsc_node *node = q->unturned;
        /* acquire N: pairs with the release in pawl_mpsc_append_: the producer's last access to the node comes before
         * what the consumer makes of it */
        struct pawl_mpsc_node *before = pawl_load_acquire(&node->next);

        if (PAWL_UNLIKELY(before == PAWL_MPSC_UNLINKED_))
            return -EBUSY;
        pawl_store_relaxed(&node->next, q->turned); /* relaxed: the consumer's own now */
        q->turned = node;
        q->unturned = before;
    }
    q->ready = q->turned;
    q->turned = NULL;
    return 0;
}

int pawl_mpsc_collect_(struct pawl_mpsc *q)
{
    if (q->unturned == NULL) {
        /* acquire C (<pawl/handover.h>): a queue found closed has nothing in it that the load below does not see */
        bool closed = pawl_handover_closed(&q->handover);

        /* relaxed: a look that spares the line; who has pushed before this pop, by whatever order, is seen */
        if (pawl_load_relaxed(&q->top) == NULL)
            return closed ? -EPIPE : -EAGAIN;
        /* acquire N: pairs with the releases in pawl_mpsc_append_ of all that are in the chain */
        q->unturned = pawl_exchange_acquire(&q->top, (struct pawl_mpsc_node *)NULL);
    }
    return turn(q);
}

int pawl_mpsc_pop_all(struct pawl_mpsc *q, struct pawl_mpsc_node **first)
{
    if (q->ready == NULL) {
        int status = pawl_mpsc_collect_(q);

        if (status != 0)
            return status;
    }
    *first = q->ready;
    q->ready = NULL;
    return 0;
}

struct operation {
    struct pawl_mpsc *q;
    struct pawl_mpsc_node **node;
};

static int attempt_pop(void *argument)
{
    struct operation *operation = argument;
    int status = pawl_mpsc_pop(operation->q, operation->node);

    return status == -EBUSY ? -EAGAIN : status; /* who is between its steps notifies after them */
}

int pawl_mpsc_pop_wait(struct pawl_mpsc *q, struct pawl_mpsc_node **node, uint64_t deadline)
{
    struct operation operation = {q, node};

    return pawl_handover_pop_wait(&q->handover, attempt_pop, &operation, deadline);
}

bool pawl_mpsc_empty(const struct pawl_mpsc *q)
{
    /* relaxed: nothing is read through it */
    return q->ready == NULL && q->unturned == NULL && pawl_load_relaxed(&q->top) == NULL;
}
