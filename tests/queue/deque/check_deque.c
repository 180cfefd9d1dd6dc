/* SPDX-License-Identifier: MIT */
/* Closures of the deque for the model checker. The owner does what OWNER says ('+' push, '-' pop), each of
 * THIEVES steals STEALS times, at most MAX at once; then the owner takes what is left.
 *
 * Each pointer leads to a plain variable that was written before the push: whoever takes it before that is
 * published races. Every pushed pointer is taken exactly once. -DLINEAR: the whole history, checked against a
 * sequential deque. -DFLAGS=PAWL_DEQUE_RARELY_STOLEN: the fences are full on both sides here
 * (<pawl/fence.h>), so this is about the rest. -DCAPACITY=1: the array grows under the thieves' eyes.
 *
 * Mutants that survive, and why: docs/deque.md. */
#include <pawl/deque.h>
#include <pawl/lin.h>

#include <assert.h>
#include <pthread.h>

#ifndef OWNER
#define OWNER "++--"
#endif
#ifndef THIEVES
#define THIEVES 1
#endif
#ifndef STEALS
#define STEALS 1
#endif
#ifndef MAX
#define MAX 1
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef CAPACITY
#define CAPACITY 8
#endif
#ifndef START
#define START 0
#endif

enum { PUSH, POP, STEAL, NONE = -1, LOST = -2, VALUES = 8 };

static struct pawl_deque deque;
static int value[VALUES];
static PAWL_ATOMIC(int) taken[VALUES], taken_in_all;

static void take(void *pointer)
{
    int *element = pointer;

    assert(*element == 1 + (int)(element - value));
    assert(pawl_fetch_add_relaxed(&taken[element - value], 1) == 0);
    pawl_fetch_add_relaxed(&taken_in_all, 1);
}

#if LINEAR
static struct pawl_lin history;
static struct pawl_lin_operation operations[16];

struct state {
    int from, to, element[VALUES];
};

static void init(void *state)
{
    *(struct state *)state = (struct state){0, 0, {0}};
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    struct state *s = state;
    int answer = NONE;

    if (op->kind == PUSH) {
        s->element[s->to++] = (int)op->argument;
        return true;
    }
    if (op->result == LOST)
        return true; /* promises nothing */
    if (s->from != s->to)
        answer = op->kind == POP ? s->element[--s->to] : s->element[s->from++];
    if (s->from == s->to)
        init(s);
    return op->result == answer;
}

static const struct pawl_lin_spec spec = {sizeof(struct state), init, apply};
#define CALL(kind, argument) size_t operation_ = pawl_lin_call(&history, kind, argument)
#define RETURN(result) pawl_lin_return(&history, operation_, result)
#else
#define CALL(kind, argument) (void)(kind)
#define RETURN(result) (void)(result)
#endif

static void push(int i)
{
    CALL(PUSH, i);
    value[i] = 1 + i;
    assert(pawl_deque_push(&deque, &value[i]) == 0);
    RETURN(0);
}

static bool pop(void)
{
    void *pointer = NULL;
    CALL(POP, 0);
    int status = pawl_deque_pop(&deque, &pointer);

    RETURN(status == 0 ? (int)((int *)pointer - value) : NONE);
    assert(status == 0 || status == -EAGAIN);
    if (status == 0)
        take(pointer);
    return status == 0;
}

static void *thief(void *unused)
{
    for (int i = 0; i < STEALS; i++) {
#if MAX == 1
        void *pointer = NULL;
        CALL(STEAL, 0);
        int status = pawl_deque_steal(&deque, &pointer);

        RETURN(status == 0 ? (int)((int *)pointer - value) : status == -EBUSY ? LOST : NONE);
        assert(status == 0 || status == -EAGAIN || status == -EBUSY);
        if (status == 0)
            take(pointer);
#else
        void *pointers[MAX];
        ptrdiff_t n = pawl_deque_steal_half(&deque, pointers, MAX);

        assert((n >= 1 && n <= MAX) || n == -EAGAIN || n == -EBUSY);
        for (ptrdiff_t at = 0; at < n; at++) {
            take(pointers[at]);
            assert(at == 0 || pointers[at] > pointers[at - 1] || OWNER[0] == '-'); /* oldest first */
        }
#endif
    }
    return unused;
}

int main(void)
{
    pthread_t threads[THIEVES];
    int pushed = 0;

    assert(pawl_deque_init(&deque, CAPACITY, FLAGS) == 0);
    pawl_deque_start_at_(&deque, START);
#if LINEAR
    pawl_lin_init(&history, operations, sizeof operations / sizeof operations[0]);
#endif
    for (int i = 0; i < THIEVES; i++)
        pthread_create(&threads[i], NULL, thief, NULL);
    for (const char *step = OWNER; *step != '\0'; step++)
        if (*step == '+')
            push(pushed++);
        else
            pop();
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    while (pop()) {
    }
    assert(pawl_load_relaxed(&taken_in_all) == pushed);
    assert(pawl_deque_size(&deque) == 0);
#if LINEAR
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
#endif
    pawl_deque_destroy(&deque);
    return 0;
}
