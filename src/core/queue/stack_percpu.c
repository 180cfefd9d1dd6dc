/* SPDX-License-Identifier: MIT */
/* What a pop does when its CPU has nothing.
 *
 * Nodes move in one direction only, from a CPU's list through the hand of a mover to the common stack, and a
 * pop that finds nothing looks in that order: lists, hands, common stack. What was in before it began, and
 * was not popped, is found in one of the three:
 *   M1 a mover counts itself before it takes a list away, and
 *   M2 no longer when the nodes are in the common stack;
 *   M3 who finds a list empty that a mover has emptied, acquires, and so finds the mover counted, or its
 *      nodes in the common stack. */
#include <pawl/backoff.h>
#include <pawl/stack_percpu.h>

#include <errno.h>

extern inline void pawl_stack_percpu_push(struct pawl_stack_percpu *stack, struct pawl_stack_node *node);
extern inline struct pawl_stack_node *pawl_stack_percpu_pop(struct pawl_stack_percpu *stack);

PAWL_STATIC_ASSERT(sizeof(struct pawl_percpu_node) == sizeof(struct pawl_stack_node), "one node, two names");

/* A list of a slot as other CPUs read and, when it is detached, write it. */
typedef PAWL_ATOMIC(struct pawl_stack_node *) first_t;

int pawl_stack_percpu_init(struct pawl_stack_percpu *stack)
{
    pawl_stack_init(&stack->common);
    pawl_store_relaxed(&stack->moving, 0u); /* relaxed: nobody has it yet */
    stack->region = pawl_percpu_open(sizeof(struct pawl_percpu_list), PAWL_PERCPU_BY_ANY);
    return stack->region != NULL ? 0 : -ENOMEM;
}

void pawl_stack_percpu_destroy(struct pawl_stack_percpu *stack)
{
    pawl_percpu_close(stack->region);
    stack->region = NULL;
}

/* Takes the list of a slot. NULL: it is empty, or another moves it. */
static struct pawl_stack_node *take_list(struct pawl_stack_percpu *stack, uint32_t slot)
{
    first_t *list = (first_t *)pawl_percpu_detach(stack->region, slot);
    struct pawl_stack_node *first;

    if (list == NULL)
        return NULL;
    first = pawl_load_relaxed(list); /* relaxed: detach has ordered all that was committed before it */
    /* release M3: pairs with the acquire in move() */
    pawl_store_release(list, NULL);
    (void)pawl_percpu_attach(stack->region, slot, (void *)(uintptr_t)list); /* 0: this thread detached it */
    return first;
}

/* Moves the list of a slot to the common stack, but for one node. */
static struct pawl_stack_node *move(struct pawl_stack_percpu *stack, uint32_t slot)
{
    struct pawl_stack_node *first, *last;

    /* M1: a list that is taken after this is taken by somebody counted. release: M3 carries it */
    pawl_fetch_add_acq_rel(&stack->moving, 1u);
    first = take_list(stack, slot);
    last = first != NULL ? pawl_stack_next(first) : NULL;
    if (last != NULL) {
        struct pawl_stack_node *second = last;

        while (pawl_stack_next(last) != NULL)
            last = pawl_stack_next(last);
        pawl_stack_push_chain(&stack->common, second, last);
    }
    /* release M2: pairs with the acquire in others_moved(); the nodes are in the common stack */
    pawl_fetch_sub_release(&stack->moving, 1u);
    return first;
}

/* Waits until nobody has nodes in hand. */
static void others_moved(struct pawl_stack_percpu *stack)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    while (pawl_load_acquire(&stack->moving) != 0) /* acquire M2 */
        pawl_backoff_wait(&backoff);
}

struct pawl_stack_node *pawl_stack_percpu_pop_elsewhere_(struct pawl_stack_percpu *stack)
{
    struct pawl_stack_node *node = pawl_stack_pop(&stack->common);
    int saved = errno;
    first_t *list;
    uint32_t slot;

    if (node != NULL)
        return node;
    pawl_percpu_each (stack->region, slot, list) {
        /* acquire M3: pairs with the release in take_list(). A slot that is detached was found so by an
         * acquire of its word, which its mover wrote after M1. */
        if (pawl_load_acquire(list) == NULL)
            continue;
        node = move(stack, slot);
        errno = saved;
        if (node != NULL)
            return node;
    }
    others_moved(stack);
    return pawl_stack_pop(&stack->common);
}

struct pawl_stack_node *pawl_stack_percpu_drain(struct pawl_stack_percpu *stack)
{
    struct pawl_stack_node *all = pawl_stack_pop_all(&stack->common), *first, *last;
    first_t *list;
    uint32_t slot;

    pawl_percpu_each (stack->region, slot, list) {
        first = take_list(stack, slot);
        for (last = first; last != NULL && pawl_stack_next(last) != NULL; last = pawl_stack_next(last)) {
        }
        if (last != NULL) {
            pawl_stack_link(last, all);
            all = first;
        }
    }
    pawl_store_relaxed(&stack->moving, 0u); /* relaxed: nobody else is there; after fork, nobody is moving */
    return all;
}
