/* SPDX-License-Identifier: MIT */
/* What stacks do when threads collide.
 *
 * The exchange slots hold nodes whose pushers have lost a CAS and wait. A popper that has lost takes one; the
 * pusher finds out when it wants it back. Both are one CAS of the slot, so a node goes to one of them. Beside the node
 * stands the number of the offer. A node that was taken may be offered again in the same slot, by another pusher, before
 * the first one looks: if that one took it back, the other's push would return with the node out of everybody's reach. */
#include <pawl/stack.h>

#include "loss.h"

#include <errno.h>

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
        pawl_pair_init(&stack->slot[i].offered, 0, 0);
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
    struct pawl_pair there = pawl_load_pair_relaxed(&slot->offered); /* relaxed: the CAS decides */
    struct pawl_pair mine = {(uintptr_t)node, there.hi + 1}, none = {0, there.hi + 1};

    /* release P: pairs with the acquire in take_offer(), publishes the node */
    if (there.lo != 0 || !pawl_cas_pair_release(&slot->offered, &there, mine)) {
        pawl_backoff_pause(backoff);
        return false;
    }
    pawl_backoff_pause(backoff);
    /* relaxed: nobody has touched the node that comes back, as the offer is still this one */
    return !pawl_cas_pair_relaxed(&slot->offered, &mine, none);
}

/* The node that is offered there, or NULL. */
static struct pawl_stack_node *take_offer(struct pawl_stack_slot *slot)
{
    struct pawl_pair there = pawl_load_pair_relaxed(&slot->offered); /* relaxed: the CAS acquires */
    struct pawl_pair none = {0, there.hi};

    /* acquire P: pairs with the release in offer() */
    if (there.lo == 0 || !pawl_cas_pair_acquire(&slot->offered, &there, none))
        return NULL;
    return (struct pawl_stack_node *)(uintptr_t)there.lo;
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

/* O: of all these stacks. Opened by the first, or by a later one if there was no memory. Never closed: threads may pop
 * until the process ends. */
static PAWL_ATOMIC(struct pawl_hazard *) all_nodes;

static struct pawl_hazard *open_nodes(void)
{
    struct pawl_hazard *nodes = pawl_load_acquire(&all_nodes); /* acquire O: pairs with the CAS below */
    struct pawl_hazard *mine;

    if (nodes != NULL)
        return nodes;
    mine = pawl_hazard_open(offsetof(struct pawl_stack_hazard_node, retired));
    /* release O: publishes the domain. acquire O: somebody else's */
    if (mine == NULL || pawl_cas_acq_rel(&all_nodes, &nodes, mine))
        return mine;
    pawl_hazard_close(mine);
    return nodes;
}

int pawl_stack_hazard_init(struct pawl_stack_hazard *stack)
{
    stack->hazard = open_nodes();
    pawl_store_relaxed(&stack->top, NULL); /* relaxed: nobody has the stack yet */
    return stack->hazard != NULL ? 0 : -ENOMEM;
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
