/* SPDX-License-Identifier: MIT */
/* Closures of the ring for the model checker: conservation, order, no torn entry, never "empty" while the own entry is
 * inside, exact loss counts, linearizability, closing, views.
 *
 * -DFLAGS: the policy. -DPRODUCERS, -DPUSHES of each, -DCONSUMERS, -DPOPS of each, -DCELLS, -DSTART: the first ticket.
 * -DSELF=1: producers pop once after their pushes. -DCLOSE=1: one more thread closes. -DVIEW=1: one more thread looks.
 * -DLIN=1: the history is checked against a queue. */
#include "../../../src/core/queue/ring_cell.h"

#include <pawl/lin.h>

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#ifndef FLAGS
#define FLAGS PAWL_RING_STAMPED
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef POPS
#define POPS 1
#endif
#ifndef CELLS
#define CELLS 2
#endif
#ifndef START
#define START 0
#endif
#ifndef SELF
#define SELF 0
#endif
#ifndef CLOSE
#define CLOSE 0
#endif
#ifndef VIEW
#define VIEW 0
#endif
#ifndef LIN
#define LIN 0
#endif

enum {
    IDS = PRODUCERS * PUSHES,
    EMPTY = -1,
    NOTHING = 0,
    PUSH = 1,
    POP = 2,
    OUT = 3, /* the half of a displacing push that takes out the oldest */
};

struct element {
    uint64_t id;
    uint64_t tenfold;
};

/* Whoever gets an element was told, by the plain word, what its pusher did before. */
static int told[IDS + 1];
static PAWL_ATOMIC(int) out[IDS + 1]; /* how often each id came out */
static PAWL_ATOMIC(int) displaced;
static bool refused[IDS + 1];    /* overtaken or closed: the pusher has it */
static bool seen_empty[IDS + 1]; /* the pusher of this id saw an empty ring afterwards */
static bool drained[IDS + 1];
static PAWL_ATOMIC(int) closed;
static int before_close; /* plain: who finds the ring closed sees what its closer did before */

static struct pawl_ring *ring;

#if LIN
static struct pawl_lin history;
static struct pawl_lin_operation operations[64];
static size_t call(int kind, int argument)
{
    return pawl_lin_call(&history, kind, argument);
}
static void returned(size_t operation, int result)
{
    pawl_lin_return(&history, operation, result);
}

struct state {
    int8_t id[IDS + 1];
    int8_t count;
};

static void init(void *memory)
{
    *(struct state *)memory = (struct state){.count = 0};
}

static int take_front(struct state *state)
{
    int front = state->count > 0 ? state->id[0] : EMPTY;

    for (int i = 1; i < state->count; i++)
        state->id[i - 1] = state->id[i];
    if (state->count > 0)
        state->id[--state->count] = 0;
    return front;
}

static bool apply(void *memory, const struct pawl_lin_operation *operation)
{
    struct state *state = memory;
    int result = (int)operation->result;

    if (operation->kind == OUT)
        return result == NOTHING || take_front(state) == result;
    if (operation->kind == POP)
        return take_front(state) == result;
    if (result == EMPTY) /* refused */
        return true;
    if (FLAGS == PAWL_RING_STAMPED) { /* one step: full if and only if it displaced the oldest */
        if ((state->count == CELLS) != (result != NOTHING))
            return false;
        if (result != NOTHING && take_front(state) != result)
            return false;
    }
    state->id[state->count++] = (int8_t)operation->argument;
    return true;
}

static const struct pawl_lin_spec spec = {sizeof(struct state), init, apply};
#else
static size_t call(int kind, int argument)
{
    (void)kind;
    (void)argument;
    return 0;
}
static void returned(size_t operation, int result)
{
    (void)operation;
    (void)result;
}
#endif

static void came_out(const struct element *element)
{
    assert(element->id >= 1 && element->id <= IDS && element->tenfold == 10 * element->id);
    assert(told[element->id] == (int)element->id);
    assert(pawl_fetch_add_relaxed(&out[element->id], 1) == 0);
}

static int pop(void)
{
    struct element element = {0, 0};
    size_t operation = call(POP, 0);
    int status = FLAGS == PAWL_RING_STAMPED ? pawl_ring_stamped_pop_(ring, &element, NULL)
                                            : pawl_ring_lockfree_pop_(ring, &element, NULL);

    if (status == 0)
        came_out(&element);
    else if (CLOSE && status == -EPIPE)
        assert(before_close == 1);
    else
        assert(status == -EAGAIN);
    returned(operation, status == 0 ? (int)element.id : EMPTY);
    return status == 0 ? (int)element.id : status;
}

static void push(int id)
{
    struct element element = {(uint64_t)id, (uint64_t)id * 10};
    struct element evicted = {0, 0};
    bool after_close = pawl_load_acquire(&closed) != 0; /* acquire: pairs with the closer's release */
    size_t push_call, out_call = 0;
    int result;

    told[id] = id;
    if (FLAGS != PAWL_RING_STAMPED)
        out_call = call(OUT, 0);
    push_call = call(PUSH, id);
    result = FLAGS == PAWL_RING_STAMPED ? pawl_ring_stamped_push_(ring, &element, &evicted)
                                        : pawl_ring_lockfree_push_(ring, &element, &evicted);
    assert(result >= 0 || (CLOSE && result == -EPIPE && before_close == 1));
    assert(!after_close || result == -EPIPE);
    if (result > 0 && (result & PAWL_RING_EVICTED) != 0) {
        came_out(&evicted);
        pawl_fetch_add_relaxed(&displaced, 1);
    }
    if (result < 0 || (result & PAWL_RING_OVERTAKEN) != 0) {
        refused[id] = true;
        assert(pawl_fetch_add_relaxed(&out[id], 1) == 0);
    }
    /* No displacement before there are more tickets than cells: a void ticket needs a pop that gives up a writer,
     * or a writer that is a lap late. */
    assert(CONSUMERS + SELF > 0 || IDS > CELLS || result == 0);
    if (FLAGS == PAWL_RING_STAMPED) {
        returned(push_call, result < 0 ? EMPTY : result == 0 ? NOTHING : (int)evicted.id);
    } else {
        returned(push_call, refused[id] ? EMPTY : NOTHING);
        returned(out_call, result > 0 && (result & PAWL_RING_EVICTED) != 0 ? (int)evicted.id : NOTHING);
    }
}

static void *produce(void *argument)
{
    int first = *(int *)argument;

    for (int i = 0; i < PUSHES; i++)
        push(first + i);
    if (SELF && !refused[first + PUSHES - 1])
        seen_empty[first + PUSHES - 1] = pop() == -EAGAIN;
    return NULL;
}

static void *consume(void *argument)
{
    int last[PRODUCERS] = {0};

    (void)argument;
    for (int i = 0; i < POPS; i++) {
        int id = pop();

        if (id > 0) { /* in the order of each producer */
            int producer = (id - 1) / PUSHES;

            assert(id > last[producer]);
            last[producer] = id;
        }
    }
    return NULL;
}

static void *end_it(void *argument)
{
    (void)argument;
    before_close = 1;
    if (FLAGS == PAWL_RING_STAMPED)
        pawl_ring_stamped_close_(ring);
    else
        pawl_ring_lockfree_close_(ring);
    pawl_store_release(&closed, 1); /* tells pushes that begin now */
    return NULL;
}

static void *look(void *argument)
{
    struct element elements[CELLS];
    uint64_t tickets[CELLS];
    size_t count = pawl_ring_view(ring, elements, tickets);

    (void)argument;
    assert(count <= CELLS);
    for (size_t i = 0; i < count; i++) {
        assert(elements[i].tenfold == 10 * elements[i].id && told[elements[i].id] != 0);
        assert(i == 0 || (int64_t)((tickets[i] - tickets[i - 1]) << 2) > 0);
    }
    return NULL;
}

static void drain(void)
{
    int id;

    while ((id = pop()) > 0)
        drained[id] = true;
    assert(id == (CLOSE ? -EPIPE : -EAGAIN));
    if (CLOSE)
        assert(pop() == -EPIPE);
}

int main(void)
{
    pthread_t threads[PRODUCERS + CONSUMERS + 2];
    int first[PRODUCERS];
    int started = 0;

    ring = pawl_ring_open(CELLS, sizeof(struct element), FLAGS);
    assert(ring != NULL);
    pawl_ring_start_at_(ring, START);
#if LIN
    pawl_lin_init(&history, operations, 64);
#endif
    for (int i = 0; i < PRODUCERS; i++) {
        first[i] = 1 + i * PUSHES;
        pthread_create(&threads[started++], NULL, produce, &first[i]);
    }
    for (int i = 0; i < CONSUMERS; i++)
        pthread_create(&threads[started++], NULL, consume, NULL);
    if (CLOSE)
        pthread_create(&threads[started++], NULL, end_it, NULL);
    if (VIEW)
        pthread_create(&threads[started++], NULL, look, NULL);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    drain();
    for (int id = 1; id <= IDS; id++) {
        assert(pawl_exchange_relaxed(&out[id], 2) == 1); /* once; relaxed: everybody is joined */
        assert(!(seen_empty[id] && drained[id]));        /* it was inside all the time */
    }
    assert(pawl_ring_lost(ring) == (uint64_t)pawl_load_relaxed(&displaced)); /* relaxed: the same */
    assert(pawl_ring_stuck(ring) == 0);
#if LIN
    assert(pawl_lin_check(&history, &spec, NULL, NULL) == 0);
#endif
    pawl_ring_free(ring);
    return 0;
}
