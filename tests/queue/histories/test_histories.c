/* SPDX-License-Identifier: MIT */
/* Real runs of spsc, mpsc, mpsc_ring, both shared stacks and the deque, recorded and judged: has what the threads saw a
 * sequential explanation? The mpmc queues and the rings do the same in their own stress tests. prio is strict only after
 * quiescence, the stack per CPU and the lanes promise no common order: there is nothing to judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pawl/deque.h>
#include <pawl/lin.h>
#include <pawl/mpsc.h>
#include <pawl/mpsc_ring.h>
#include <pawl/spsc.h>
#include <pawl/stack.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    THREADS = 3,
    EACH = 12, /* operations of a thread in one history */
    VALUES = THREADS * EACH,
    CAPACITY = 4, /* of what can be full */
    HISTORY = VALUES + 1,
};
enum { PUSH = 1, POP, STEAL };                         /* kinds of operations */
enum { DONE = 0, NOTHING = -1, FULL = -2, BUSY = -3 }; /* results; a pop's is the value otherwise */

static struct pawl_lin history;
static struct pawl_lin_operation operations[HISTORY];
static pthread_barrier_t round_begins, round_ends;
static bool last_round; /* between the barriers */

/* ---- what they should be ---- */

struct sequence {
    int32_t value[VALUES];
    int32_t count;
};

static void empty_sequence(void *state)
{
    memset(state, 0, sizeof(struct sequence));
}

static int take_oldest(struct sequence *s)
{
    const int value = s->count > 0 ? s->value[0] : NOTHING;

    if (s->count > 0) {
        memmove(s->value, s->value + 1, sizeof(s->value) - sizeof(s->value[0]));
        s->value[VALUES - 1] = 0;
        s->count--;
    }
    return value;
}

static int take_newest(struct sequence *s)
{
    int value;

    if (s->count == 0)
        return NOTHING;
    s->count--;
    value = s->value[s->count];
    s->value[s->count] = 0;
    return value;
}

static bool append(struct sequence *s, intptr_t value, int capacity, intptr_t result)
{
    if (s->count == capacity)
        return result == FULL;
    s->value[s->count++] = (int32_t)value;
    return result == DONE;
}

/* BUSY promises nothing but that nothing happened. */
static bool apply_queue(struct sequence *s, const struct pawl_lin_operation *op, int capacity)
{
    if (op->kind == PUSH)
        return append(s, op->argument, capacity, op->result);
    return op->result == BUSY || take_oldest(s) == op->result;
}

static bool apply_bounded(void *state, const struct pawl_lin_operation *op)
{
    return apply_queue(state, op, CAPACITY);
}

static bool apply_unbounded(void *state, const struct pawl_lin_operation *op)
{
    return apply_queue(state, op, VALUES);
}

static bool apply_stack(void *state, const struct pawl_lin_operation *op)
{
    return op->kind == PUSH ? append(state, op->argument, VALUES, op->result)
                            : take_newest(state) == op->result;
}

static bool apply_deque(void *state, const struct pawl_lin_operation *op)
{
    if (op->kind == STEAL)
        return op->result == BUSY || take_oldest(state) == op->result;
    return apply_stack(state, op);
}

static const struct pawl_lin_spec bounded_queue = {sizeof(struct sequence), empty_sequence, apply_bounded};
static const struct pawl_lin_spec unbounded_queue = {sizeof(struct sequence), empty_sequence,
                                                     apply_unbounded};
static const struct pawl_lin_spec stack_spec = {sizeof(struct sequence), empty_sequence, apply_stack};
static const struct pawl_lin_spec deque_spec = {sizeof(struct sequence), empty_sequence, apply_deque};

/* ---- the rooms: one operation of one thread, unrecorded; kind and value come from the caller ---- */

struct room {
    const char *name;
    const struct pawl_lin_spec *spec;
    unsigned threads;
    int (*kind)(unsigned thread, uint32_t coin); /* what this thread may do */
    void *(*open)(void);
    void (*close)(void *room);
    int (*act)(void *room, int kind, int value);
};

static int first_pushes(unsigned thread, uint32_t coin)
{
    (void)coin;
    return thread == 0 ? PUSH : POP;
}

static int first_pops(unsigned thread, uint32_t coin)
{
    (void)coin;
    return thread == 0 ? POP : PUSH;
}

static int all_do_both(unsigned thread, uint32_t coin)
{
    (void)thread;
    return coin % 2 == 0 ? PUSH : POP;
}

static int others_steal(unsigned thread, uint32_t coin)
{
    return thread != 0 ? STEAL : coin % 3 == 0 ? POP : PUSH;
}

static int said(int error)
{
    return error == 0 ? DONE : error == -EBUSY ? BUSY : NOTHING;
}

static void *spsc_open(void)
{
    return pawl_spsc_open(CAPACITY, sizeof(int));
}

static void spsc_close(void *room)
{
    pawl_spsc_free(room);
}

static int spsc_act(void *room, int kind, int value)
{
    if (kind == PUSH)
        return pawl_spsc_push(room, &value) == 0 ? DONE : FULL;
    return pawl_spsc_pop(room, &value) == 0 ? value : NOTHING;
}

static void *mpsc_ring_open(void)
{
    return pawl_mpsc_ring_open(VALUES, sizeof(int)); /* never full: a push would wait */
}

static void mpsc_ring_close(void *room)
{
    pawl_mpsc_ring_free(room);
}

static int mpsc_ring_act(void *room, int kind, int value)
{
    if (kind == PUSH)
        return said(pawl_mpsc_ring_push(room, &value));
    if (pawl_mpsc_ring_pop(room, &value) == 0)
        return value;
    /* Empty, or the oldest place is reserved and not filled: the size tells, as only this thread pops. */
    return pawl_mpsc_ring_size(room) == 0 ? NOTHING : BUSY;
}

struct mail {
    struct pawl_mpsc_node node;
    int value;
};

/* Values are numbers of nodes: each is pushed once in a history. */
static struct mail mail[VALUES];

static void *mpsc_open(void)
{
    return pawl_mpsc_open();
}

static void mpsc_close(void *room)
{
    pawl_mpsc_free(room);
}

static int mpsc_act(void *room, int kind, int value)
{
    struct pawl_mpsc_node *node;
    int error;

    if (kind == PUSH) {
        mail[value].value = value;
        return said(pawl_mpsc_push(room, &mail[value].node));
    }
    error = pawl_mpsc_pop(room, &node);
    return error == 0 ? pawl_mpsc_of(node, struct mail, node)->value : said(error);
}

static struct {
    struct pawl_stack stack;
    struct pawl_stack_node node[VALUES];
} plain;

static void *stack_open(void)
{
    pawl_stack_init(&plain.stack);
    return &plain.stack;
}

static void nothing_to_close(void *room)
{
    (void)room;
}

static int stack_act(void *room, int kind, int value)
{
    struct pawl_stack_node *node;

    if (kind == PUSH) {
        pawl_stack_push(room, &plain.node[value]);
        return DONE;
    }
    node = pawl_stack_pop(room);
    return node != NULL ? (int)(node - plain.node) : NOTHING;
}

struct guarded {
    struct pawl_stack_hazard_node node;
    int value;
};

static struct pawl_stack_hazard hazard_stack;

static void *hazard_open(void)
{
    return pawl_stack_hazard_init(&hazard_stack) == 0 ? &hazard_stack : NULL;
}

static void free_guarded(struct pawl_retired *retired)
{
    free((char *)retired - offsetof(struct guarded, node.retired));
}

static int hazard_act(void *room, int kind, int value)
{
    struct pawl_hazard_slot *slot;
    struct pawl_stack_hazard_node *node;
    struct guarded *guarded;

    if (kind == PUSH) {
        guarded = malloc(sizeof(*guarded));
        assert_non_null(guarded);
        guarded->value = value;
        pawl_stack_hazard_push(room, &guarded->node);
        return DONE;
    }
    slot = pawl_hazard_take(hazard_stack.hazard);
    assert_non_null(slot);
    node = pawl_stack_hazard_pop(room, slot);
    pawl_hazard_give(hazard_stack.hazard, slot);
    if (node == NULL)
        return NOTHING;
    value = ((struct guarded *)(void *)node)->value;
    pawl_stack_hazard_retire(room, node, free_guarded);
    return value;
}

static void hazard_close(void *room)
{
    while (hazard_act(room, POP, 0) != NOTHING)
        ;
}

static char pointee[VALUES];

static void *deque_open(void)
{
    return pawl_deque_open(2, 0); /* it grows while it is robbed */
}

static void deque_close(void *room)
{
    pawl_deque_free(room);
}

static int deque_act(void *room, int kind, int value)
{
    void *pointer = NULL;
    int error;

    if (kind == PUSH)
        return said(pawl_deque_push(room, &pointee[value]));
    error = kind == POP ? pawl_deque_pop(room, &pointer) : pawl_deque_steal(room, &pointer);
    return error == 0 ? (int)((char *)pointer - pointee) : said(error);
}

/* ---- rounds ---- */

static const struct room *room;
static void *instance;
static uint64_t seed;

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void act_and_record(int kind, int value)
{
    const size_t operation = pawl_lin_call(&history, kind, value);

    pawl_lin_return(&history, operation, room->act(instance, kind, value));
}

static void *run_rounds(void *argument)
{
    const unsigned thread = (unsigned)(uintptr_t)argument;
    uint64_t random = seed + thread;

    for (;;) {
        pthread_barrier_wait(&round_begins);
        if (last_round)
            return NULL;
        for (unsigned i = 0; i < EACH; i++) {
            act_and_record(room->kind(thread, next_random(&random)), (int)(thread * EACH + i));
            for (uint32_t pause = next_random(&random) % 64; pause > 0; pause--)
                pawl_relax();
        }
        pthread_barrier_wait(&round_ends);
    }
}

static void judge(unsigned round)
{
    const int verdict = pawl_lin_check(&history, room->spec, NULL, NULL);

    if (verdict == 0)
        return;
    for (size_t i = 0; i < history.used; i++)
        print_error("%s: kind %d of %d: %d, %llu to %llu\n", room->name, operations[i].kind,
                    (int)operations[i].argument, (int)operations[i].result,
                    (unsigned long long)operations[i].called, (unsigned long long)operations[i].returned);
    fail_msg("%s, round %u, seed %llu: verdict %d", room->name, round, (unsigned long long)seed, verdict);
}

static unsigned rounds(void)
{
    const char *longer = getenv("PAWL_TEST_LONG");
    const unsigned n = PAWL_INSTRUMENTED ? 200 : 1500;

    return longer != NULL && longer[0] == '1' ? n * 20 : n;
}

static void judge_rounds(const struct room *which)
{
    pthread_t threads[THREADS];

    room = which;
    last_round = false;
    pthread_barrier_init(&round_begins, NULL, which->threads + 1);
    pthread_barrier_init(&round_ends, NULL, which->threads + 1);
    for (unsigned i = 0; i < which->threads; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_rounds, (void *)(uintptr_t)i), 0);
    for (unsigned round = 0; round < rounds(); round++) {
        instance = which->open();
        assert_non_null(instance);
        pawl_lin_init(&history, operations, HISTORY);
        pthread_barrier_wait(&round_begins);
        pthread_barrier_wait(&round_ends);
        judge(round);
        which->close(instance);
    }
    last_round = true;
    pthread_barrier_wait(&round_begins);
    for (unsigned i = 0; i < which->threads; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&round_begins);
    pthread_barrier_destroy(&round_ends);
}

#define ROOM(test, ...)                                        \
    static void test(void **state)                             \
    {                                                          \
        static const struct room which = {#test, __VA_ARGS__}; \
                                                               \
        (void)state;                                           \
        judge_rounds(&which);                                  \
    }

ROOM(spsc, &bounded_queue, 2, first_pushes, spsc_open, spsc_close, spsc_act)
ROOM(mpsc, &unbounded_queue, THREADS, first_pops, mpsc_open, mpsc_close, mpsc_act)
ROOM(mpsc_ring, &unbounded_queue, THREADS, first_pops, mpsc_ring_open, mpsc_ring_close, mpsc_ring_act)
ROOM(stack, &stack_spec, THREADS, all_do_both, stack_open, nothing_to_close, stack_act)
ROOM(stack_hazard, &stack_spec, THREADS, all_do_both, hazard_open, hazard_close, hazard_act)
ROOM(deque, &deque_spec, THREADS, others_steal, deque_open, deque_close, deque_act)

/* A judge that says yes to everything would pass all of the above. */
static void a_wrong_history_is_found(void **state)
{
    static const int wrong[][3] = {{PUSH, 1, DONE}, {PUSH, 2, DONE}, {POP, 0, 2}};

    (void)state;
    pawl_lin_init(&history, operations, HISTORY);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        pawl_lin_return(&history, pawl_lin_call(&history, wrong[i][0], wrong[i][1]), wrong[i][2]);
    assert_int_equal(pawl_lin_check(&history, &unbounded_queue, NULL, NULL), 1);
    assert_int_equal(pawl_lin_check(&history, &stack_spec, NULL, NULL), 0);
}

int main(void)
{
    const char *given = getenv("PAWL_TEST_SEED");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spsc),
        cmocka_unit_test(mpsc),
        cmocka_unit_test(mpsc_ring),
        cmocka_unit_test(stack),
        cmocka_unit_test(stack_hazard),
        cmocka_unit_test(deque),
        cmocka_unit_test(a_wrong_history_is_found),
    };

    seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    fprintf(stderr, "# PAWL_TEST_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests_name("queue histories", tests, NULL, NULL);
}
