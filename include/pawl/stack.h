/* SPDX-License-Identifier: MIT */
/* Lock-free stacks of linked nodes, last in first out: with a version beside the pointer, or with hazard
 * pointers.
 *
 * Purpose    Free lists, hand-over where order does not matter, "everything that was reported since I last
 *            looked" (pop_all). struct pawl_stack for nodes whose memory stays a node (a pool, static
 *            memory); struct pawl_stack_hazard for nodes that are freed after they were popped. Where many
 *            threads push and pop all the time and the order among CPUs is of no interest:
 *            <pawl/stack_percpu.h>, several times as fast. Nodes are the caller's: nothing is allocated, a
 *            push cannot fail.
 * Model      A sequence; push puts in front, pop takes from the front, NULL when there is nothing.
 * ABA        A popper that was stopped between its look at the first node and its CAS finds the same node
 *            first again although the second has changed. pawl_stack counts its pops beside the pointer (64
 *            bits) and compares both. pawl_stack_hazard says which node it looks at, and who pops it may not
 *            push it again, or free it, but through pawl_stack_hazard_retire().
 * Nodes      A popper of a pawl_stack may read `next` of a node that another has just popped. So the node's
 *            memory must stay readable, and nobody may write its first 8 bytes but these functions, as long
 *            as anybody may be popping. All fields behind it are the owner's once it has been popped.
 * Progress   push, pop, pop_all: lock-free; who repeats has lost against another that went on. hazard: as
 *            <pawl/hazard.h>.
 * Exchange   Who has lost a CAS waits 320 to 640 ns before it tries again (<pawl/backoff.h>); a pusher lays
 *            its node into a slot beside the stack for that time, where a popper that has lost takes it: the
 *            two have cancelled out, and neither has touched the top.
 * Ordering   P: push releases, the pop (or pop_all) that returns the node acquires.
 * Memory     640 bytes (five pairs of lines) and 128 bytes, and 8 and 24 bytes a node.
 * Cost       push: one CAS of 8 bytes. pop: one CAS of 16 bytes; hazard: of 8, a store and a load more, no
 *            fence. One shared line written each.
 * Signals    pawl_stack: all functions may be called from signal handlers; in instrumented builds too.
 *            pawl_stack_hazard: push and pop may, retire may not.
 * fork       The child has its copy. A node in an exchange slot, whose pusher does not exist in the child, is
 *            found by pop there only when it loses a CAS, and by pop_all: drain with pop_all after fork.
 * Source     R. K. Treiber, 1986; D. Hendler, N. Shavit, L. Yerushalmi, "A scalable lock-free stack
 *            algorithm", 2004, for the exchange; M. Michael, 2004, for hazard pointers.
 * Checked    tests/queue/stack/check_stack.c, check.sh.
 */
#ifndef PAWL_STACK_H
#define PAWL_STACK_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/hazard.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

#define PAWL_STACK_SLOTS 4u

/* First in the caller's struct, or anywhere in it. */
struct pawl_stack_node {
    PAWL_ATOMIC(struct pawl_stack_node *) next;
};

/* The caller's struct that a node is the `member` of. */
#define pawl_stack_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

struct pawl_stack_slot {
    struct pawl_pair offered PAWL_LINE_PAIR_ALIGNED; /* lo: a node or 0, hi: offers so far. P */
};

/* Zeroed memory is an empty one. Private to a process: it holds pointers. */
struct pawl_stack {
    struct pawl_pair top PAWL_LINE_PAIR_ALIGNED;   /* lo: the first node, hi: how often one was popped. P */
    struct pawl_stack_slot slot[PAWL_STACK_SLOTS]; /* where threads that collide meet */
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_stack) == ((size_t)1 + PAWL_STACK_SLOTS) * PAWL_CACHELINE_PAIR,
                   "the size that the header promises");

/* Empty. Nobody else has it yet. */
PAWL_API void pawl_stack_init(struct pawl_stack *stack) PAWL_NONNULL;

/* Out of line: after a lost CAS. */
PAWL_API PAWL_COLD void pawl_stack_push_contended_(struct pawl_stack *stack, struct pawl_stack_node *node);
PAWL_API PAWL_COLD struct pawl_stack_node *pawl_stack_pop_contended_(struct pawl_stack *stack);

/* One attempt to put first .. last in front. Only the pointer is compared and changed: what a pop must find
 * out is whether a node went away meanwhile, and only pops take nodes away. */
PAWL_API PAWL_INLINE bool pawl_stack_try_push_(struct pawl_stack *stack, struct pawl_stack_node *first,
                                               struct pawl_stack_node *last)
{
#if PAWL_INSTRUMENTED
    /* accesses of one size: both words */
    struct pawl_pair seen = pawl_load_pair_relaxed(&stack->top), top;

    top.lo = (uintptr_t)first;
    top.hi = seen.hi;
    pawl_store_relaxed(&last->next,
                       (struct pawl_stack_node *)(uintptr_t)seen.lo); /* relaxed: P publishes it */
    /* release P: pairs with the acquires in pops, publishes the nodes */
    return pawl_cas_pair_release(&stack->top, &seen, top);
#else
    uint64_t seen = pawl_pair_lo(&stack->top, __ATOMIC_RELAXED);

    pawl_store_relaxed(&last->next, (struct pawl_stack_node *)(uintptr_t)seen); /* relaxed: P publishes it */
    /* release P: pairs with the acquires in pops, publishes the nodes */
    return pawl_cas_release((PAWL_ATOMIC(uint64_t) *)&stack->top.lo, &seen, (uint64_t)(uintptr_t)first);
#endif
}

/* One attempt; *node = what was popped, or NULL. False: another was faster. */
PAWL_API PAWL_INLINE bool pawl_stack_try_pop_(struct pawl_stack *stack, struct pawl_stack_node **node)
{
    /* acquire P: pairs with the release of the push, sees the node's `next`. The version before the pointer:
     * a pointer from after a pop with the version from before fails below. */
    struct pawl_pair seen = pawl_load_pair_acquire(&stack->top), rest;

    *node = (struct pawl_stack_node *)(uintptr_t)seen.lo;
    if (*node == NULL)
        return true;
    /* relaxed: if the node is popped and pushed meanwhile, this is not its successor, and the CAS fails */
    rest.lo = (uintptr_t)pawl_load_relaxed(&(*node)->next);
    rest.hi = seen.hi + 1;
    /* relaxed: the version says that nothing was popped since, so the pointer has not changed since it was
     * loaded */
    return pawl_cas_pair_relaxed(&stack->top, &seen, rest);
}

/* Puts the node in front. It is in no stack. */
PAWL_API PAWL_INLINE void pawl_stack_push(struct pawl_stack *stack, struct pawl_stack_node *node)
{
    if (PAWL_UNLIKELY(!pawl_stack_try_push_(stack, node, node)))
        pawl_stack_push_contended_(stack, node);
}

/* Puts a chain in front, which the caller has linked from `first` to `last` by pawl_stack_link(), in one
 * step. */
PAWL_API void pawl_stack_push_chain(struct pawl_stack *stack, struct pawl_stack_node *first,
                                    struct pawl_stack_node *last) PAWL_NONNULL;

/* The node pushed last, or NULL: at one moment of the call there was none (but those that other threads are
 * about to push). */
PAWL_API PAWL_INLINE struct pawl_stack_node *pawl_stack_pop(struct pawl_stack *stack)
{
    struct pawl_stack_node *node;

    return PAWL_LIKELY(pawl_stack_try_pop_(stack, &node)) ? node : pawl_stack_pop_contended_(stack);
}

/* Everything, as a chain, the node pushed last first; or NULL. */
PAWL_API struct pawl_stack_node *pawl_stack_pop_all(struct pawl_stack *stack) PAWL_NONNULL;

/* The next node of a chain that the caller owns, and linking one. */
PAWL_API PAWL_INLINE struct pawl_stack_node *pawl_stack_next(const struct pawl_stack_node *node)
{
    return pawl_load_relaxed(&node->next); /* relaxed: who owns it has acquired it */
}

PAWL_API PAWL_INLINE void pawl_stack_link(struct pawl_stack_node *node, struct pawl_stack_node *next)
{
    pawl_store_relaxed(&node->next, next); /* relaxed: the push publishes it */
}

/* Whether there was nothing, a moment ago. Wait-free. */
PAWL_API PAWL_INLINE bool pawl_stack_empty(const struct pawl_stack *stack)
{
    return pawl_pair_lo(&stack->top, __ATOMIC_RELAXED) == 0; /* relaxed: it may be old when it arrives */
}

/* ---- with hazard pointers ---- */

struct pawl_stack_hazard_node {
    PAWL_ATOMIC(struct pawl_stack_hazard_node *) next;
    struct pawl_retired retired;
};

/* Zeroed memory is an empty one, but for init. */
struct pawl_stack_hazard {
    PAWL_ATOMIC(struct pawl_stack_hazard_node *) top PAWL_LINE_PAIR_ALIGNED; /* P */
    struct pawl_hazard *hazard; /* of all these stacks; read-only */
};

/* Empty. Returns 0 or -ENOMEM. */
PAWL_API int pawl_stack_hazard_init(struct pawl_stack_hazard *stack) PAWL_MUST_USE PAWL_NONNULL;

PAWL_API PAWL_COLD void pawl_stack_hazard_push_contended_(struct pawl_stack_hazard *stack,
                                                          struct pawl_stack_hazard_node *node);
PAWL_API PAWL_COLD struct pawl_stack_hazard_node *pawl_stack_hazard_pop_contended_(
    struct pawl_stack_hazard *stack, struct pawl_hazard_slot *slot);

/* Puts the node in front. It is new, or was retired and reclaimed since it was popped. */
PAWL_API PAWL_INLINE void pawl_stack_hazard_push(struct pawl_stack_hazard *stack,
                                                 struct pawl_stack_hazard_node *node)
{
    struct pawl_stack_hazard_node *top = pawl_load_relaxed(&stack->top); /* relaxed: the CAS decides */

    pawl_store_relaxed(&node->next, top); /* relaxed: P publishes it */
    /* release P: pairs with the acquires in pop, publishes the node */
    if (PAWL_UNLIKELY(!pawl_cas_release(&stack->top, &top, node)))
        pawl_stack_hazard_push_contended_(stack, node);
}

/* The node pushed last, or NULL. Afterwards it is the caller's to read and write, all but `next`, until
 * pawl_stack_hazard_retire(). `slot` is one that this thread took by pawl_hazard_take(stack->hazard): for one
 * pop, or for all that it will ever do. It is empty again afterwards. */
PAWL_API PAWL_INLINE struct pawl_stack_hazard_node *pawl_stack_hazard_pop(struct pawl_stack_hazard *stack,
                                                                          struct pawl_hazard_slot *slot)
{
    /* acquire P inside: sees the node's `next` */
    struct pawl_stack_hazard_node *top = pawl_hazard_protect(slot, &stack->top), *rest;

    if (top == NULL)
        return NULL;                      /* the slot holds NULL */
    rest = pawl_load_relaxed(&top->next); /* relaxed: as it was when the node was pushed; see above */
    /* relaxed: protect has acquired what its push published, and nobody pushed it again */
    if (PAWL_UNLIKELY(!pawl_cas_relaxed(&stack->top, &top, rest)))
        return pawl_stack_hazard_pop_contended_(stack, slot);
    pawl_hazard_clear(slot);
    return top;
}

/* Has reclaim(&node->retired) called when nobody looks at the node any more: to free it, or to push it
 * again. */
PAWL_API void pawl_stack_hazard_retire(struct pawl_stack_hazard *stack, struct pawl_stack_hazard_node *node,
                                       void (*reclaim)(struct pawl_retired *)) PAWL_NONNULL;

PAWL_END_DECLS
#endif
