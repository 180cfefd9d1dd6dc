/* SPDX-License-Identifier: MIT */
/* Closures of the stack in parts for the model checker, which has no sequences: the locked slots take their
 * place. One thread pushes OWN nodes and pops one; the others pop one each, fewer in all than there are. So
 * it must find one, wherever the others have moved them. */
#include <pawl/stack_percpu.h>

#include <assert.h>
#include <pthread.h>

#ifndef OTHERS
#define OTHERS 1
#endif
#define OWN (OTHERS + 1)

static struct pawl_stack_percpu stack;
static struct {
    struct pawl_stack_node node;
    int value;
} items[OWN];
static PAWL_ATOMIC(int) pops;

static bool pop(void)
{
    struct pawl_stack_node *node = pawl_stack_percpu_pop(&stack);

    if (node == NULL)
        return false;
    assert(pawl_stack_entry(node, __typeof__(items[0]), node)->value++ == 1); /* once, and published */
    pawl_fetch_add_relaxed(&pops, 1);
    return true;
}

static void *other(void *unused)
{
    pop();
    return unused;
}

int main(void)
{
    pthread_t threads[OTHERS];

    assert(pawl_stack_percpu_init(&stack) == 0);
    for (int i = 0; i < OTHERS; i++)
        pthread_create(&threads[i], NULL, other, NULL);
    for (int i = 0; i < OWN; i++) {
        items[i].value = 1;
        pawl_stack_percpu_push(&stack, &items[i].node);
    }
    assert(pop());
    for (int i = 0; i < OTHERS; i++)
        pthread_join(threads[i], NULL);
    while (pop()) {
    }
    assert(pawl_load_relaxed(&pops) == OWN);
    pawl_stack_percpu_destroy(&stack);
    return 0;
}
