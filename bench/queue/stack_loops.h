/* SPDX-License-Identifier: MIT */
/* The loops of bench_stack, compiled once for each stack. Defined before this is included:
 *
 *   LOOP(name)         static void, or the peer's name
 *   STACK, NODE        types; thread->shared is a STACK, thread->index chooses a thread's nodes
 *   NODES_OF(thread)   an array of BENCH_BURST nodes of this thread, in no stack when a loop begins
 *   PUSH(stack, node)
 *   POP(stack)         a node or NULL
 *
 * A thread ends with as many nodes as it began with, not the same ones: they stay in place in static memory,
 * and what is left in `own` is put where NODES_OF finds it again. Included several times, hence no guard. */

/* A node in, a node out. */
void LOOP(pairs)(struct bench_thread *thread, uint64_t n)
{
    STACK *stack = (STACK *)thread->shared;
    NODE **own = NODES_OF(thread);
    NODE *node = own[0];

    for (uint64_t i = 0; i < n; i++) {
        PUSH(stack, node);
        while ((node = POP(stack)) == NULL) { /* others have it at the moment */
        }
    }
    own[0] = node;
}

/* Sixteen in, sixteen out. */
void LOOP(bursts)(struct bench_thread *thread, uint64_t n)
{
    STACK *stack = (STACK *)thread->shared;
    NODE **own = NODES_OF(thread);

    for (uint64_t i = 0; i < n; i++) {
        for (int k = 0; k < BENCH_BURST; k++)
            PUSH(stack, own[k]);
        for (int k = 0; k < BENCH_BURST; k++)
            while ((own[k] = POP(stack)) == NULL) { /* others have it at the moment */
            }
    }
}

#undef LOOP
#undef STACK
#undef NODE
#undef NODES_OF
#undef PUSH
#undef POP
