/* SPDX-License-Identifier: MIT */
/* What stacks do when threads collide.
 *
 * The exchange slots hold nodes whose pushers have lost a CAS and wait. A popper that has lost takes one; the
 * pusher finds out when it wants it back. Both are one CAS of the slot, so a node goes to one of them. That a
 * node was taken, and offered again in the same slot, between a popper's look and its CAS does no harm: it
 * takes what is offered now. */
#include <pawl/stack.h>

#include "loss.h"

#include <errno.h>
#include <pthread.h>

extern inline bool pawl_stack_try_push_(struct pawl_stack *stack, struct pawl_stack_node *first,
                                        struct pawl_stack_node *last);
extern inline bool pawl_stack_try_pop_(struct pawl_stack *stack, struct pawl_stack_node **node);
extern inline void pawl_stack_push(struct pawl_stack *stack, struct pawl_stack_node *node);
extern inline struct pawl_stack_node *pawl_stack_pop(struct pawl_stack *stack);
extern inline struct pawl_stack_node *pawl_stack_next(const struct pawl_stack_node *node);
extern inline void pawl_stack_link(struct pawl_stack_node *node, struct pawl_stack_node *next);
extern inline bool pawl_stack_empty(const struct pawl_stack *stack);
extern inline void pawl_stack_hazard_push(struct pawl_stack_hazard *stack,
                                          struct pawl_stack_hazard_node *node);
extern inline struct pawl_stack_hazard_node *pawl_stack_hazard_pop(struct pawl_stack_hazard *stack,
                                                                   struct pawl_hazard_slot *slot);

void pawl_stack_init(struct pawl_stack *stack)
{
    pawl_pair_init(&stack->top, 0, 0);
    for (unsigned i = 0; i < PAWL_STACK_SLOTS; i++)
        pawl_store_relaxed(&stack->slot[i].offered, NULL); /* relaxed: nobody has the stack yet */
}

/* ---- exchange ---- */

/* Pushers start where their node says, and go round. Nodes of one thread tend to be in one place, and which
 * slot matters little. */
static struct pawl_stack_slot *slot_of(struct pawl_stack *stack, const struct pawl_stack_node *node,
                                       unsigned attempt)
{
    return &stack->slot[((uintptr_t)node / sizeof *node + attempt) % PAWL_STACK_SLOTS];
}

/* Lays the node into a slot for a while. True: a popper took it. */
static bool offer(struct pawl_stack_slot *slot, struct pawl_stack_node *node, struct pawl_backoff *backoff)
{
    struct pawl_stack_node *there = NULL;

    /* release P: pairs with the acquire in accept(), publishes the node. relaxed look: only to spare a CAS */
    if (pawl_load_relaxed(&slot->offered) != NULL || !pawl_cas_release(&slot->offered, &there, node)) {
        pawl_backoff_pause(backoff);
        return false;
    }
    pawl_backoff_pause(backoff);
    there = node;
    /* acquire P: the node that comes back may have been taken, popped, and offered here by another pusher meanwhile,
     * who then believes it taken: this push is that one's, and must pass on what it published */
    return !pawl_cas_acquire(&slot->offered, &there, NULL);
}

/* The node that is offered there, or NULL. */
static struct pawl_stack_node *take_offer(struct pawl_stack_slot *slot)
{
    struct pawl_stack_node *node = pawl_load_relaxed(&slot->offered); /* relaxed: the CAS acquires */

    /* acquire P: pairs with the release in offer() */
    return node != NULL && pawl_cas_acquire(&slot->offered, &node, NULL) ? node : NULL;
}

static struct pawl_stack_node *take_any_offer(struct pawl_stack *stack)
{
    struct pawl_stack_node *node = NULL;

    for (unsigned i = 0; i < PAWL_STACK_SLOTS && node == NULL; i++)
        node = take_offer(&stack->slot[i]);
    return node;
}

void pawl_stack_push_contended_(struct pawl_stack *stack, struct pawl_stack_node *node)
{
    struct pawl_backoff backoff = {AFTER_A_LOSS};
    unsigned attempt = 0;

    do {
        if (offer(slot_of(stack, node, attempt++), node, &backoff))
            return;
    } while (!pawl_stack_try_push_(stack, node, node)); /* again: another pushed or popped */
}

struct pawl_stack_node *pawl_stack_pop_contended_(struct pawl_stack *stack)
{
    struct pawl_backoff backoff = {AFTER_A_LOSS};
    struct pawl_stack_node *node;

    do {
        node = take_any_offer(stack);
        if (node != NULL)
            return node;
        pawl_backoff_pause(&backoff);
    } while (!pawl_stack_try_pop_(stack, &node)); /* again: another pushed or popped */
    return node;
}

void pawl_stack_push_chain(struct pawl_stack *stack, struct pawl_stack_node *first,
                           struct pawl_stack_node *last)
{
    struct pawl_backoff backoff = {AFTER_A_LOSS};

    while (!pawl_stack_try_push_(stack, first, last)) /* again: another pushed or popped */
        pawl_backoff_pause(&backoff);
}

struct pawl_stack_node *pawl_stack_pop_all(struct pawl_stack *stack)
{
    struct pawl_pair seen = pawl_load_pair_relaxed(&stack->top), none = {0, seen.hi + 1};
    struct pawl_stack_node *first;

    /* acquire P: pairs with the releases of pushes, each of which continues those before it */
    while (seen.lo != 0 && !pawl_cas_pair_acquire(&stack->top, &seen, none))
        none.hi = seen.hi + 1; /* again: another pushed or popped */
    first = (struct pawl_stack_node *)(uintptr_t)seen.lo;
    for (unsigned i = 0; i < PAWL_STACK_SLOTS; i++) {
        struct pawl_stack_node *node = take_offer(&stack->slot[i]);

        if (node != NULL) {
            pawl_stack_link(node, first);
            first = node;
        }
    }
    return first;
}

/* ---- hazard pointers ---- */

/* Of all these stacks. Never closed: threads may pop until the process ends. */
static struct pawl_hazard *nodes;
static pthread_once_t nodes_once = PTHREAD_ONCE_INIT;

static void open_nodes(void)
{
    nodes = pawl_hazard_open(offsetof(struct pawl_stack_hazard_node, retired));
}

int pawl_stack_hazard_init(struct pawl_stack_hazard *stack)
{
    pthread_once(&nodes_once, open_nodes);
    stack->hazard = nodes;
    pawl_store_relaxed(&stack->top, NULL); /* relaxed: nobody has the stack yet */
    return nodes != NULL ? 0 : -ENOMEM;
}

void pawl_stack_hazard_push_contended_(struct pawl_stack_hazard *stack, struct pawl_stack_hazard_node *node)
{
    struct pawl_backoff backoff = {AFTER_A_LOSS};
    struct pawl_stack_hazard_node *top;

    do { /* again: another pushed or popped */
        pawl_backoff_pause(&backoff);
        top = pawl_load_relaxed(&stack->top);
        pawl_store_relaxed(&node->next, top); /* relaxed: P publishes it */
        /* release P: as in pawl_stack_hazard_push() */
    } while (!pawl_cas_release(&stack->top, &top, node));
}

struct pawl_stack_hazard_node *pawl_stack_hazard_pop_contended_(struct pawl_stack_hazard *stack,
                                                                struct pawl_hazard_slot *slot)
{
    struct pawl_backoff backoff = {AFTER_A_LOSS};
    struct pawl_stack_hazard_node *top, *rest;

    do { /* again: another pushed or popped */
        pawl_backoff_pause(&backoff);
        top = pawl_hazard_protect(slot, &stack->top); /* acquire P inside */
        if (top == NULL)
            return NULL;
        rest = pawl_load_relaxed(&top->next);
        /* both relaxed: as in pawl_stack_hazard_pop() */
    } while (!pawl_cas_relaxed(&stack->top, &top, rest));
    pawl_hazard_clear(slot);
    return top;
}

void pawl_stack_hazard_retire(struct pawl_stack_hazard *stack, struct pawl_stack_hazard_node *node,
                              void (*reclaim)(struct pawl_retired *))
{
    pawl_hazard_retire(stack->hazard, &node->retired, reclaim);
}
