/* SPDX-License-Identifier: MIT */
/* Closures of the stacks for the model checker. Each of THREADS does what STEPS says: '+' push one of its
 * nodes (a fresh one, or the one it popped last), '-' pop, '*' pop all, '!' and '?' push and pop as after a lost CAS.
 * BEFORE nodes are in at first.
 *
 * A node is pushed with a plain variable written, popped by one, and in the end all are accounted for. '-'
 * directly followed by '+' pushes a node again that other poppers may be looking at: ABA. -DLINEAR: the
 * history against a sequential stack. -DHAZARD: the stack with hazard pointers; what is popped is retired,
 * and poisoned when it is reclaimed.
 *
 * Mutants that survive, and why: docs/stack.md. */
#include <pawl/lin.h>
#include <pawl/stack.h>

#include <assert.h>
#include <pthread.h>

#ifndef THREADS
#define THREADS 2
#endif
#ifndef STEPS
#define STEPS "+-"
#endif
#ifndef OTHERS
#define OTHERS STEPS /* what all but the first thread do */
#endif
#ifndef BEFORE
#define BEFORE 1
#endif
#if HAZARD
typedef struct pawl_stack_hazard_node node_t;
#else
typedef struct pawl_stack_node node_t;
#endif

enum { PUSH, POP, NONE = -1, ITEMS = 8 };

struct item {
    node_t node;
    int value; /* plain: written before the push, read after the pop */
};

static struct item items[ITEMS];
static PAWL_ATOMIC(int) inside[ITEMS];
static PAWL_ATOMIC(int) fresh;
static PAWL_ATOMIC(int) pushes, pops;

#if HAZARD
static struct pawl_stack_hazard stack;

static void poison(struct pawl_retired *retired)
{
    struct item *item = pawl_stack_entry(pawl_retired_of(retired, node_t, retired), struct item, node);

    uintptr_t *next = (uintptr_t *)(void *)&item->node.next;

    item->value = 99;
    *next = 99; /* plain: a race if anybody still looks */
}

static void push_node(node_t *node)
{
    pawl_stack_hazard_push(&stack, node);
}

static node_t *pop_node(void)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(stack.hazard);
    node_t *node = pawl_stack_hazard_pop(&stack, slot);

    pawl_hazard_give(stack.hazard, slot);
    return node;
}
#else
static struct pawl_stack stack;

static void push_node(node_t *node)
{
    pawl_stack_push(&stack, node);
}

static node_t *pop_node(void)
{
    return pawl_stack_pop(&stack);
}

static void push_after_loss(node_t *node)
{
    pawl_stack_push_contended_(&stack, node);
}

static node_t *pop_after_loss(void)
{
    return pawl_stack_pop_contended_(&stack);
}
#endif

#if LINEAR
static struct pawl_lin history;
static struct pawl_lin_operation operations[16];

struct state {
    int depth, element[ITEMS];
};

static void init(void *state)
{
    *(struct state *)state = (struct state){0, {0}};
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    struct state *s = state;
    int answer = NONE;

    if (op->kind == PUSH) {
        s->element[s->depth++] = (int)op->argument;
        return true;
    }
    if (s->depth > 0) {
        answer = s->element[--s->depth];
        s->element[s->depth] = 0;
    }
    return op->result == answer;
}

static const struct pawl_lin_spec spec = {sizeof(struct state), init, apply};
#define CALL(kind, argument) size_t operation_ = pawl_lin_call(&history, kind, argument)
#define RETURN(result) pawl_lin_return(&history, operation_, result)
#else
#define CALL(kind, argument) (void)(kind)
#define RETURN(result) (void)(result)
#endif

static void push_by(struct item *item, void (*push_one)(node_t *node))
{
    int at = (int)(item - items);

    item->value++;
    assert(pawl_exchange_relaxed(&inside[at], 1) == 0);
    pawl_fetch_add_relaxed(&pushes, 1);
    CALL(PUSH, at);
    push_one(&item->node);
    RETURN(0);
}

static void push(struct item *item)
{
    push_by(item, push_node);
}

static struct item *popped(node_t *node)
{
    struct item *item = pawl_stack_entry(node, struct item, node);

    assert(item->value > 0 && item->value < 10);
    assert(pawl_exchange_relaxed(&inside[item - items], 0) == 1);
    pawl_fetch_add_relaxed(&pops, 1);
    return item;
}

static struct item *pop_by(node_t *(*pop_one)(void))
{
    CALL(POP, 0);
    node_t *node = pop_one();

    RETURN(node != NULL ? (int)(pawl_stack_entry(node, struct item, node) - items) : NONE);
    return node != NULL ? popped(node) : NULL;
}

static struct item *pop(void)
{
    return pop_by(pop_node);
}

static void *take_part(void *argument)
{
    struct item *own = NULL;

    for (const char *step = argument; *step != '\0'; step++) {
        if (*step == '+') {
            push(own != NULL ? own : &items[pawl_fetch_add_relaxed(&fresh, 1)]);
            own = NULL;
        } else if (*step == '-') {
            own = pop();
#if HAZARD
            if (own != NULL) {
                pawl_stack_hazard_retire(&stack, &own->node, poison);
                (void)pawl_hazard_collect(stack.hazard);
            }
            own = NULL;
#endif
#if !HAZARD
        } else if (*step == '!') {
            push_by(own != NULL ? own : &items[pawl_fetch_add_relaxed(&fresh, 1)], push_after_loss);
            own = NULL;
        } else if (*step == '?') {
            own = pop_by(pop_after_loss);
#endif
        } else {
#if !HAZARD
            for (node_t *node = pawl_stack_pop_all(&stack); node != NULL; node = pawl_stack_next(node))
                popped(node);
#endif
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

#if HAZARD
    assert(pawl_stack_hazard_init(&stack) == 0);
#else
    pawl_stack_init(&stack);
#endif
#if LINEAR
    pawl_lin_init(&history, operations, sizeof operations / sizeof operations[0]);
#endif
    for (int i = 0; i < BEFORE; i++)
        push(&items[pawl_fetch_add_relaxed(&fresh, 1)]);
    for (int i = 1; i < THREADS; i++)
        pthread_create(&threads[i], NULL, take_part, (void *)(uintptr_t)OTHERS);
    take_part((void *)(uintptr_t)STEPS);
    for (int i = 1; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    while (pop() != NULL) {
    }
    assert(pawl_load_relaxed(&pushes) == pawl_load_relaxed(&pops));
#if LINEAR
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
#endif
    return 0;
}
