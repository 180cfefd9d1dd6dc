/* SPDX-License-Identifier: MIT */
/* Closures of the priorities for the model checker: a queue at each level, empty only when all are, nothing
 * urgent passed over.
 *
 * The arguments are what is done: first by one thread, then by each of two or three threads at once. 0 and 1
 * push at that level, o pops, c closes. -DRELIEF.
 *
 * As in ../mpmc/check_mpmc.c the sources are included, and the part of <pawl/handover.h> is left out. */
#include <pawl/handover.h>

#define pawl_handover_pushed(h, n) ((void)(h), (void)(n))
#define pawl_handover_popped(h, n) ((void)(h), (void)(n))

#include "../../../src/core/queue/mpmc.c"
#include "../../../src/core/queue/mpmc_slot.c"
#define operation operation_of_prio
#define try_push try_push_of_prio
#define try_pop try_pop_of_prio
#include "../../../src/core/queue/prio.c"

#include <pawl/lin.h>

#include <assert.h>
#include <pthread.h>

#ifndef RELIEF
#define RELIEF 0
#endif

enum { CAPACITY = 2, LEVELS = 2, MOST = 16, PUSH = 0, POP = 2, CLOSE = 3 }; /* PUSH + level */

static char memory[384 + LEVELS * (384 + 128)] PAWL_LINE_PAIR_ALIGNED;
#define QUEUE ((struct pawl_prio *)(void *)memory)

static int work[MOST]; /* plain: the queue is all that orders them */
static struct pawl_lin history;
static struct pawl_lin_operation operations[MOST];

/* ---- the specification: any level's first element may be taken ---- */

struct model {
    intptr_t closed, count[LEVELS], element[LEVELS][MOST];
};

static void init_model(void *state)
{
    memset(state, 0, sizeof(struct model));
}

static bool apply(void *state, const struct pawl_lin_operation *op)
{
    struct model *model = state;

    if (op->kind < LEVELS) {
        if (model->closed)
            return op->result == -EPIPE;
        if (model->count[op->kind] == CAPACITY)
            return op->result == -EAGAIN;
        model->element[op->kind][model->count[op->kind]++] = op->argument;
        return op->result == 0;
    }
    if (op->kind == CLOSE) {
        model->closed = 1;
        return true;
    }
    if (model->count[0] == 0 && model->count[1] == 0 && op->result < 0)
        return model->closed ? true : op->result == -EAGAIN;
    for (int level = 0; level < LEVELS; level++) {
        if (model->count[level] == 0 || op->result != model->element[level][0])
            continue;
        model->count[level]--;
        memmove(model->element[level], model->element[level] + 1, (MOST - 1) * sizeof(intptr_t));
        return true;
    }
    return false;
}

/* ---- the threads ---- */

struct thread {
    const char *program;
    int first; /* the number of its first element */
    pthread_t id;
};

static bool left_to_the_end[MOST];

static void push(int level, int number)
{
    uint64_t element = (uint64_t)number;
    size_t op = pawl_lin_call(&history, PUSH + level, number);

    work[number] = 1;
    pawl_lin_return(&history, op, pawl_prio_push(QUEUE, (unsigned)level, &element));
}

/* The level, or an error; *number: the element. */
static int pop(int *number)
{
    uint64_t element = 0;
    unsigned level = LEVELS;
    size_t op = pawl_lin_call(&history, POP, 0);
    int status = pawl_prio_pop(QUEUE, &element, &level);

    pawl_lin_return(&history, op, status != 0 ? status : (intptr_t)element);
    if (status != 0)
        return status;
    assert(work[element] == 1 && level < LEVELS);
    *number = (int)element;
    return (int)level;
}

/* What a thread has pushed before its pop is not passed over, if it is still there at the end. */
struct promise {
    int urgent; /* its last element of level 0; 0: none */
    bool passed;
};

static struct promise promises[MOST];

static void *run(void *argument)
{
    struct thread *me = argument;
    struct promise *promise = &promises[me->first];
    int number = me->first, popped;

    for (const char *step = me->program; *step != '\0'; step++) {
        if (*step == '0' || *step == '1') {
            if (*step == '0')
                promise->urgent = number;
            push(*step - '0', number++);
        } else if (*step == 'o') {
            promise->passed |= pop(&popped) == 1 && promise->urgent != 0;
        } else if (*step == 'c') {
            size_t op = pawl_lin_call(&history, CLOSE, 0);

            pawl_prio_close(QUEUE);
            pawl_lin_return(&history, op, 0);
        }
    }
    return NULL;
}

int main(int count, char **programs)
{
    static const struct pawl_lin_spec spec = {sizeof(struct model), init_model, apply};
    struct thread thread[5];
    int number, level, before = 0;

    assert(count >= 4 && count <= 5);
    assert(pawl_prio_bytes(LEVELS, CAPACITY, 8) <= sizeof memory);
    assert(pawl_prio_init(QUEUE, LEVELS, CAPACITY, 8, RELIEF, PAWL_PRIVATE) == 0);
    pawl_lin_init(&history, operations, MOST);
    for (int i = 1; i < count; i++)
        thread[i] = (struct thread){.program = programs[i], .first = 1 + 4 * (i - 1)};
    run(&thread[1]);
    for (int i = 2; i < count; i++)
        pthread_create(&thread[i].id, NULL, run, &thread[i]);
    for (int i = 2; i < count; i++)
        pthread_join(thread[i].id, NULL);
    /* at rest: strictly by level, and all that the history says */
    while ((level = pop(&number)) >= 0) {
        assert(level >= before || RELIEF != 0);
        before = level;
        left_to_the_end[number] = true;
    }
    for (int i = 2; i < count && RELIEF == 0; i++)
        assert(!promises[thread[i].first].passed || !left_to_the_end[promises[thread[i].first].urgent]);
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
    return 0;
}
