/* SPDX-License-Identifier: MIT */
/* A stack in parts, one a CPU: pushes and pops by restartable sequences, without atomic instructions.
 *
 * Purpose    Free lists and bags of work that all threads push to and pop from all the time. Last in, first
 *            out on a CPU, no order between CPUs. Where the order matters, or nodes are freed:
 *            <pawl/stack.h>. With a bound, and objects preallocated: <pawl/pool.h>.
 * Model      A bag. push puts a node in; pop takes one out, usually the last that was pushed on this CPU.
 *            When this CPU has none, pop looks in a common stack, and then moves what other CPUs have there.
 *
 *              CPU 0 [ n n n ]    CPU 1 [ n ]    CPU 2 [ ]      by sequences
 *                    '---- moved when a pop finds nothing ----> common [ n n ]     a struct pawl_stack
 *
 *            NULL means that no node was found anywhere. A node that was in before the pop began, and that no
 *            other pop has taken, is found; so a thread that has pushed, and popped nothing, never sees NULL
 *            while its own node is inside.
 * Nodes      As in pawl_stack: their memory stays readable as long as anybody may pop, and nobody else writes
 *            a node's first 8 bytes.
 * Progress   push: lock-free. pop: lock-free while there is something on this CPU or in the common stack; a
 *            pop that has found nothing waits for those that are moving nodes at that moment (blocking;
 *            microseconds, unless such a thread is stopped).
 * Ordering   P: push releases, the pop that returns the node acquires.
 * Memory     A region of <pawl/percpu.h>: a page a CPU that is used; and 768 bytes.
 * Cost       push and pop on the CPU: 0 RMW, 0 fences, no shared line written (and one read by each push).
 *            Through the common stack: 1 RMW. Moving: a system call (rseq fence) for each CPU that has nodes,
 *            1 RMW for its list. A pop from an empty stack reads a line for each CPU.
 * Signals    push may be called from signal handlers, pop from those that do not interrupt a pop: it could
 *            wait for what it has interrupted.
 * fork       The child has its copy. If a thread of the parent was moving at that moment, the nodes of one
 *            CPU are lost in the child, and a pop there that finds nothing would wait for ever: call
 *            pawl_stack_percpu_drain in the child first.
 * Checked    tests/queue/stack/check_percpu.c, check.sh.
 */
#ifndef PAWL_STACK_PERCPU_H
#define PAWL_STACK_PERCPU_H

#include <pawl/config.h>
#include <pawl/percpu.h>
#include <pawl/stack.h>

PAWL_BEGIN_DECLS

struct pawl_stack_percpu {
    struct pawl_stack common;
    struct pawl_percpu *region PAWL_LINE_PAIR_ALIGNED; /* a struct pawl_percpu_list a CPU; read-only */
    PAWL_ATOMIC(uint32_t) moving;                      /* pops that have nodes of a CPU in their hands. M */
};

/* Returns 0, or -ENOMEM. */
PAWL_API int pawl_stack_percpu_init(struct pawl_stack_percpu *stack) PAWL_MUST_USE PAWL_NONNULL;

/* Nobody uses it any more. Nodes that are in it are forgotten: drain before. */
PAWL_API void pawl_stack_percpu_destroy(struct pawl_stack_percpu *stack) PAWL_NONNULL;

/* Out of line: this CPU has nothing. */
PAWL_API struct pawl_stack_node *pawl_stack_percpu_pop_elsewhere_(struct pawl_stack_percpu *stack);

/* Puts the node in. It is in no stack. */
PAWL_API PAWL_INLINE void pawl_stack_percpu_push(struct pawl_stack_percpu *stack,
                                                 struct pawl_stack_node *node)
{
    /* release P inside: pairs with that a sequence on this CPU comes later, and with the detaching of a
     * mover */
    if (PAWL_UNLIKELY(pawl_percpu_push(stack->region, 0, (struct pawl_percpu_node *)(void *)node) != 0))
        pawl_stack_push(&stack->common, node); /* somebody moves what is here at this moment */
}

/* A node, or NULL: none was found. */
PAWL_API PAWL_INLINE struct pawl_stack_node *pawl_stack_percpu_pop(struct pawl_stack_percpu *stack)
{
    struct pawl_percpu_node *node = pawl_percpu_pop(stack->region, 0);

    return PAWL_LIKELY(node != NULL) ? (struct pawl_stack_node *)(void *)node
                                     : pawl_stack_percpu_pop_elsewhere_(stack);
}

/* Everything that is in, as a chain, or NULL. Nobody pushes or pops meanwhile, or moves. */
PAWL_API struct pawl_stack_node *pawl_stack_percpu_drain(struct pawl_stack_percpu *stack) PAWL_NONNULL;

PAWL_END_DECLS
#endif
