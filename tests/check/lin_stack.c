/* SPDX-License-Identifier: MIT */
/* A stack on an array, checked for linearizability in every execution. -DBROKEN: pop reads the top, and
 * takes it in a second step, so that two poppers can get the same element. */
#include <assert.h>
#include <pawl/lin.h>
#include <pthread.h>
#include <stdatomic.h>

enum { PUSH, POP, EMPTY = -1, DEPTH = 4, OPERATIONS = 8 };

static struct pawl_lin history;
static struct pawl_lin_operation operations[OPERATIONS];
static atomic_ullong stack; /* a byte an element, the top lowest */

static void push(int value)
{
    size_t op = pawl_lin_call(&history, PUSH, value);
    unsigned long long old = atomic_load_explicit(&stack, memory_order_relaxed);
    while (!atomic_compare_exchange_strong_explicit(&stack, &old, old << 8 | (unsigned)value,
                                                    memory_order_release, memory_order_relaxed))
        ;
    pawl_lin_return(&history, op, 0);
}

static int pop(void)
{
    size_t op = pawl_lin_call(&history, POP, 0);
    unsigned long long old = atomic_load_explicit(&stack, memory_order_acquire);
#ifdef BROKEN
    if (old)
        atomic_store_explicit(&stack, old >> 8, memory_order_release);
#else
    while (old && !atomic_compare_exchange_strong_explicit(&stack, &old, old >> 8, memory_order_acquire,
                                                           memory_order_acquire))
        ;
#endif
    int value = old ? (int)(old & 0xff) : EMPTY;
    pawl_lin_return(&history, op, value);
    return value;
}

struct state {
    int depth, element[DEPTH];
};

static void init(void *state)
{
    *(struct state *)state = (struct state){0};
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    struct state *s = state;
    int answer = 0;
    if (op->kind == PUSH) {
        s->element[s->depth++] = (int)op->argument;
    } else if (s->depth == 0) {
        answer = EMPTY;
    } else {
        answer = s->element[--s->depth];
        s->element[s->depth] = 0;
    }
    return op->returned == 0 || op->result == answer;
}

static void *pusher(void *unused)
{
    push(1);
    push(2);
    return unused;
}

static void *popper(void *unused)
{
    pop();
    return unused;
}

int main(void)
{
    static const struct pawl_lin_spec spec = {sizeof(struct state), init, apply};
    pthread_t t[3];
    pawl_lin_init(&history, operations, OPERATIONS);
    pthread_create(&t[0], NULL, pusher, NULL);
    pthread_create(&t[1], NULL, popper, NULL);
    pthread_create(&t[2], NULL, popper, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    pop();
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
    return 0;
}
