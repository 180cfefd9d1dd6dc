/* SPDX-License-Identifier: MIT */
/* Closures of the queues for the model checker: linearizable, nothing torn, what a pusher did is seen.
 *
 * The arguments are what is done: first by one thread before the others begin, then by each of two to four
 * threads at once. p push, o pop, c close, P push two, O pop up to two, e empty, s size, - nothing.
 * -DCAPACITY, -DBYTES (8 or 16), -DSTART (the first ticket); -DQUEUE=mpmc, mpmc_ring or mpmc_list (CAPACITY
 * is then that of a segment).
 *
 * The sources are included, so that the part of <pawl/handover.h> can be left out: its fences, which stand
 * between any two operations of a thread, would hide orders that the queue itself lacks. Waiting has closures
 * of its own. */
#include <pawl/handover.h>

#define pawl_handover_pushed(h, n) ((void)(h), (void)(n))
#define pawl_handover_popped(h, n) ((void)(h), (void)(n))

#define KIND_mpmc 1
#define KIND_mpmc_ring 2
#define KIND_mpmc_list 3
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#ifndef QUEUE
#define QUEUE mpmc
#endif
#define KIND JOIN(KIND_, QUEUE)
#define Q(name) JOIN(JOIN(pawl_, QUEUE), _##name)
#if KIND == KIND_mpmc_ring
#include "../../../src/core/queue/mpmc_ring.c"
#else
#include "../../../src/core/queue/mpmc.c"
#include "../../../src/core/queue/mpmc_slot.c"
#endif
#if KIND == KIND_mpmc_list
#define operation operation_of_list
#define try_pop try_pop_of_list
#include "../../../src/core/queue/mpmc_list.c"
#endif

#include <pawl/lin.h>

#include <assert.h>
#include <pthread.h>

#ifndef CAPACITY
#define CAPACITY 2
#endif
#ifndef BYTES
#define BYTES 8
#endif
#ifndef START
#define START 0
#endif
enum { MOST = 16, MEMORY = 384 + 4 * 16 + 128 + (BYTES > 8 ? 64 * 128 + 68 * BYTES : 0) };
enum { PUSH, POP, EMPTY, SIZE, CLOSE };

#if KIND == KIND_mpmc_list
static struct pawl_mpmc_list *queue;
#else
static char memory[MEMORY] PAWL_LINE_PAIR_ALIGNED;
static struct JOIN(pawl_, QUEUE) *const queue = (void *)memory;
#endif

static int work[MOST]; /* plain: the queue is all that orders them */
static struct pawl_lin history;
static struct pawl_lin_operation operations[MOST];

/* ---- the specification ---- */

struct model {
    intptr_t count, closed, element[MOST];
};

static void init_model(void *state)
{
    memset(state, 0, sizeof(struct model));
}

static void remove_first(struct model *model)
{
    model->count--;
    memmove(model->element, model->element + 1, sizeof model->element - sizeof model->element[0]);
    model->element[MOST - 1] = 0;
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    struct model *model = state;

    if (KIND == KIND_mpmc_ring && op->result == -EAGAIN)
        return true; /* may be said at any time */
    switch (op->kind) {
    case PUSH:
        if (model->closed)
            return op->result == -EPIPE;
        if (KIND != KIND_mpmc_list && model->count == CAPACITY)
            return op->result == -EAGAIN;
        model->element[model->count++] = op->argument;
        return op->result == 0;
    case POP:
        if (model->count == 0)
            return op->result == (model->closed ? -EPIPE : -EAGAIN);
        if (op->result != model->element[0])
            return false;
        remove_first(model);
        return true;
    case EMPTY:
        return op->result == (model->count == 0);
    case SIZE: /* only said to be one that it could have had */
        return op->result <= (KIND == KIND_mpmc_list ? MOST : CAPACITY);
    default:
        model->closed = 1;
        return true;
    }
}

/* ---- the threads ---- */

static void make(uint64_t *element, intptr_t number)
{
    for (int i = 0; i < BYTES / 8; i++)
        element[i] = (uint64_t)(number * (i + 1));
}

static intptr_t check(const uint64_t *element)
{
    for (int i = 1; i < BYTES / 8; i++)
        assert(element[i] == element[0] * (uint64_t)(i + 1));
    assert(work[element[0]] == 1);
    return (intptr_t)element[0];
}

static void push(intptr_t number)
{
    uint64_t element[BYTES / 8];
    size_t op = pawl_lin_call(&history, PUSH, number);

    make(element, number);
    work[number] = 1;
    pawl_lin_return(&history, op, Q(push)(queue, element));
}

/* The second begins no earlier than the first: a history of two pushes, of which the model may take either
 * first. */
static void push_two(intptr_t number)
{
    uint64_t elements[2 * (BYTES / 8)];
    size_t first = pawl_lin_call(&history, PUSH, number), second = pawl_lin_call(&history, PUSH, number + 1);
    ptrdiff_t done;

    make(elements, number);
    make(elements + BYTES / 8, number + 1);
    work[number] = work[number + 1] = 1;
    done = Q(push_n)(queue, elements, 2);
    pawl_lin_return(&history, first, done >= 1 ? 0 : done == 0 ? -EAGAIN : done);
    pawl_lin_return(&history, second, done == 2 ? 0 : done == -EPIPE || Q(closed)(queue) ? -EPIPE : -EAGAIN);
}

static void pop(void)
{
    uint64_t element[BYTES / 8];
    size_t op = pawl_lin_call(&history, POP, 0);
    int status = Q(pop)(queue, element);

    pawl_lin_return(&history, op, status != 0 ? status : check(element));
}

/* Likewise. How it ended is known of the second only if the first one got something. */
static void pop_two(void)
{
    uint64_t elements[2 * (BYTES / 8)];
    size_t first = pawl_lin_call(&history, POP, 0), second = 0;
    ptrdiff_t done = Q(pop_n)(queue, elements, 2);

    pawl_lin_return(&history, first, done > 0 ? check(elements) : done == 0 ? -EAGAIN : done);
    if (done == 2) {
        second = pawl_lin_call(&history, POP, 0);
        operations[second].called = operations[first].called;
        memcpy(operations[second].clock, operations[first].clock, sizeof operations[first].clock);
        pawl_lin_return(&history, second, check(elements + BYTES / 8));
        assert(operations[second].result != operations[first].result);
    }
}

static void look(int kind)
{
    size_t op = pawl_lin_call(&history, kind, 0);

#if KIND != KIND_mpmc_list
    if (kind == EMPTY)
        pawl_lin_return(&history, op, Q(empty)(queue));
#endif
    if (kind == SIZE)
        pawl_lin_return(&history, op, (intptr_t)Q(size)(queue));
}

static void close_it(void)
{
    size_t op = pawl_lin_call(&history, CLOSE, 0);

    Q(close)(queue);
    pawl_lin_return(&history, op, 0);
}

struct thread {
    const char *program;
    intptr_t first; /* the number of its first element */
    pthread_t id;
};

static void *run(void *argument)
{
    struct thread *me = argument;
    intptr_t number = me->first;

    for (const char *step = me->program; *step != '\0'; step++) {
        if (*step == 'p') {
            push(number++);
        } else if (*step == 'P') {
            push_two(number);
            number += 2;
        } else if (*step == 'o') {
            pop();
        } else if (*step == 'O') {
            pop_two();
        } else if (*step == 'e' || *step == 's') {
            look(*step == 'e' ? EMPTY : SIZE);
        } else if (*step == 'c') {
            close_it();
        }
    }
    return NULL;
}

int main(int count, char **programs)
{
    static const struct pawl_lin_spec spec = {sizeof(struct model), init_model, apply};
    struct thread thread[6];

    assert(count >= 4 && count <= 6);
#if KIND == KIND_mpmc_list
    queue = pawl_mpmc_list_open(BYTES, CAPACITY);
    assert(queue != NULL);
#else
    assert(Q(bytes)(CAPACITY, BYTES) <= sizeof memory);
    assert(Q(init)(queue, CAPACITY, BYTES, PAWL_PRIVATE) == 0);
    Q(start_at_)(queue, START);
#endif
    pawl_lin_init(&history, operations, MOST);
    for (int i = 1; i < count; i++)
        thread[i] = (struct thread){.program = programs[i], .first = 1 + 3 * (i - 1)};
    run(&thread[1]);
    for (int i = 2; i < count; i++)
        pthread_create(&thread[i].id, NULL, run, &thread[i]);
    for (int i = 2; i < count; i++)
        pthread_join(thread[i].id, NULL);
    /* what is inside now is what the history says */
    for (size_t inside = Q(size)(queue); inside > 0; inside--)
        pop();
    assert(Q(size)(queue) == 0);
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
#if KIND == KIND_mpmc_list
    pawl_mpmc_list_free(queue);
#endif
    return 0;
}
