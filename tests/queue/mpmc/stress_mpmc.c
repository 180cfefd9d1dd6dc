/* SPDX-License-Identifier: MIT */
/* Many threads at once: nothing lost, nothing twice, in order, whole; empty and full only when it is so;
 * closing. */
#include "kind.h"

#if WITH_LIN /* the checker's library is not built with every sanitizer */
#include <pawl/lin.h>
#endif

enum { MOST_THREADS = 16, MOST_BYTES = 4096, BATCH = 40 };

/* ---- conservation ---- */

/* What a run of producers and consumers shares. */
struct flow {
    QUEUE_T *q;
    size_t element_bytes;
    int producers, consumers, each; /* elements of each producer */
    bool batches, waits;
    PAWL_ATOMIC(int) producers_left;
    PAWL_ATOMIC(uint64_t) popped;
    PAWL_ATOMIC(unsigned char) * seen; /* of element producer * each + number */
};

struct worker {
    struct flow *flow;
    int number;
    uint64_t random;
    uint64_t last[MOST_THREADS]; /* of each producer, the last number seen, plus 1 */
};

/* The first 8 bytes say who and which, or as many of them as there are; the others follow from them. */
static void make(unsigned char *element, size_t bytes, uint64_t id)
{
    for (size_t i = 0; i < bytes; i++)
        element[i] = (unsigned char)(i < 8 ? id >> 8 * i : id * 31 + i);
}

static uint64_t read_id(const unsigned char *element, size_t bytes)
{
    unsigned char expected[MOST_BYTES];
    uint64_t id = 0;

    for (size_t i = 0; i < bytes && i < 8; i++)
        id |= (uint64_t)element[i] << 8 * i;
    make(expected, bytes, id);
    assert_memory_equal(element, expected, bytes);
    return id;
}

static void *produce(void *argument)
{
    struct worker *me = argument;
    struct flow *flow = me->flow;
    unsigned char elements[BATCH * 64];
    size_t bytes = flow->element_bytes;
    size_t most = sizeof elements / bytes;

    for (int i = 0; i < flow->each;) {
        size_t n = flow->batches ? 1 + random_below(&me->random, (uint32_t)(most < BATCH ? most : BATCH)) : 1;
        ptrdiff_t done;

        if (n > (size_t)(flow->each - i))
            n = (size_t)(flow->each - i);
        for (size_t k = 0; k < n; k++)
            make(elements + k * bytes, bytes, (uint64_t)me->number * (uint64_t)flow->each + (uint64_t)i + k);
        if (flow->batches) {
            done = Q(push_n)(flow->q, elements, n);
            assert_in_range(done, 0, n);
        } else if (flow->waits) {
            assert_int_equal(PUSH_WAIT(flow->q, elements), 0);
            done = 1;
        } else {
            int status = Q(push)(flow->q, elements);

            assert_true(status == 0 || (status == -EAGAIN && BOUNDED));
            done = status == 0;
        }
        if (done == 0)
            sched_yield();
        i += (int)done;
    }
    /* the last one to leave closes */
    if (pawl_fetch_sub_acq_rel(&flow->producers_left, 1) == 1)
        assert_int_equal(Q(close)(flow->q), 0);
    return NULL;
}

static void check_popped(struct worker *me, const unsigned char *element)
{
    struct flow *flow = me->flow;
    uint64_t id = read_id(element, flow->element_bytes);
    uint64_t producer = id / (uint64_t)flow->each, number = id % (uint64_t)flow->each;

    assert_true(producer < (uint64_t)flow->producers);
    assert_int_equal(pawl_exchange_relaxed(&flow->seen[id], 1), 0);
    assert_true(number >= me->last[producer]);
    me->last[producer] = number + 1;
    pawl_fetch_add_relaxed(&flow->popped, 1u);
}

static void *consume(void *argument)
{
    struct worker *me = argument;
    struct flow *flow = me->flow;
    unsigned char elements[BATCH * 64];
    size_t most = sizeof elements / flow->element_bytes;

    for (;;) {
        ptrdiff_t done;

        if (flow->batches) {
            done = Q(pop_n)(flow->q, elements,
                            1 + random_below(&me->random, (uint32_t)(most < BATCH ? most : BATCH)));
        } else {
            int status = flow->waits ? Q(pop_wait)(flow->q, elements, PAWL_FOREVER)
                                     : Q(pop)(flow->q, elements);

            done = status == 0 ? 1 : status == -EAGAIN ? 0 : status;
        }
        if (done == -EPIPE)
            return NULL;
        assert_true(done >= 0);
        for (ptrdiff_t k = 0; k < done; k++)
            check_popped(me, elements + (size_t)k * flow->element_bytes);
        if (done == 0)
            sched_yield();
    }
}

static void run_flow(size_t capacity, size_t bytes, int producers, int consumers, int all, bool batches,
                     bool waits)
{
    struct flow flow = {
        .element_bytes = bytes,
        .producers = producers,
        .consumers = consumers,
        .each = all / producers > 0 ? all / producers : 1,
        .batches = batches,
        .waits = waits,
    };
    struct worker workers[2 * MOST_THREADS];
    pthread_t threads[2 * MOST_THREADS];
    uint64_t total = (uint64_t)flow.each * (uint64_t)producers;

    flow.q = OPEN(capacity, bytes);
    flow.seen = calloc(total, sizeof *flow.seen);
    assert_non_null(flow.q);
    assert_non_null(flow.seen);
    pawl_store_relaxed(&flow.producers_left, producers); /* relaxed: the threads come later */
    for (int i = 0; i < producers + consumers; i++) {
        workers[i] = (struct worker){.flow = &flow, .number = i, .random = seed() * (uint64_t)(i + 1)};
        threads[i] = start(i < producers ? produce : consume, &workers[i]);
    }
    for (int i = 0; i < producers + consumers; i++)
        join(threads[i]);
    assert_int_equal(pawl_load_relaxed(&flow.popped), total);
    assert_int_equal(Q(size)(flow.q), 0);
    Q(free)(flow.q);
    free(flow.seen);
}

static void nothing_is_lost_or_comes_twice_or_out_of_order(void **state)
{
    (void)state;
    expect_end_within(150);
    run_flow(1000, 8, 1, 1, rounds(200000), false, false);
    run_flow(64, 8, 2, 2, rounds(200000), false, false);
    run_flow(1, 8, 2, 2, rounds(40000), false, false);
    run_flow(3, 8, 4, 4, rounds(40000), false, false);
    run_flow(2, 4, 3, 3, rounds(40000), false, false);
}

static void large_elements_come_whole(void **state)
{
    (void)state;
    expect_end_within(150);
    run_flow(64, 64, 2, 2, rounds(60000), false, false);
    run_flow(1, 24, 2, 3, rounds(20000), false, false);
    run_flow(5, 1021, 4, 4, rounds(6000), false, false);
    run_flow(2, 17, 8, 8, rounds(20000), false, false);
}

static void batches_keep_their_order(void **state)
{
    (void)state;
    expect_end_within(150);
    run_flow(100, 8, 2, 2, rounds(300000), true, false);
    run_flow(7, 8, 4, 4, rounds(60000), true, false);
    run_flow(50, 40, 3, 3, rounds(60000), true, false);
}

static void waiting_threads_are_woken(void **state)
{
    (void)state;
    expect_end_within(150);
    run_flow(1, 8, 2, 2, rounds(6000), false, true);
    run_flow(16, 8, 8, 8, rounds(30000), false, true);
    run_flow(2, 48, 3, 3, rounds(6000), false, true);
}

static void many_more_threads_than_cores(void **state)
{
    (void)state;
    expect_end_within(150);
    run_flow(8, 8, MOST_THREADS, MOST_THREADS, rounds(60000), false, false);
    run_flow(8, 32, MOST_THREADS, MOST_THREADS, rounds(30000), true, false);
}

/* ---- never empty, never full, when it is not ---- */

#if STRICT

struct own {
    QUEUE_T *q;
    size_t bytes;
    int turns;
};

static void *push_then_pop(void *argument)
{
    struct own *own = argument;
    unsigned char element[MOST_BYTES] = {1};

    for (int i = 0; i < own->turns; i++) {
        assert_int_equal(Q(push)(own->q, element), 0);
        assert_int_equal(Q(pop)(own->q, element), 0);
    }
    return NULL;
}

static void run_own(void *(*run)(void *), QUEUE_T *q, size_t bytes, int threads, int turns)
{
    struct own own = {.q = q, .bytes = bytes, .turns = turns};
    pthread_t thread[MOST_THREADS];

    for (int i = 0; i < threads; i++)
        thread[i] = start(run, &own);
    for (int i = 0; i < threads; i++)
        join(thread[i]);
}

static void a_popper_never_sees_empty_while_its_own_push_is_inside(void **state)
{
    (void)state;
    expect_end_within(150);
    for (size_t bytes = 8; bytes <= 32; bytes *= 4) {
        QUEUE_T *q = OPEN(8, bytes);

        assert_non_null(q);
        run_own(push_then_pop, q, bytes, 6, rounds(30000));
        assert_int_equal(Q(size)(q), 0);
        Q(free)(q);
    }
}

#if BOUNDED

static void *pop_then_push(void *argument)
{
    struct own *own = argument;
    unsigned char element[MOST_BYTES];

    for (int i = 0; i < own->turns; i++) {
        assert_int_equal(Q(pop)(own->q, element), 0);
        assert_int_equal(Q(push)(own->q, element), 0);
    }
    return NULL;
}

static void a_pusher_never_sees_full_after_its_own_pop(void **state)
{
    (void)state;
    expect_end_within(150);
    for (size_t bytes = 8; bytes <= 32; bytes *= 4) {
        unsigned char element[MOST_BYTES] = {2};
        QUEUE_T *q = OPEN(8, bytes);

        assert_non_null(q);
        for (int i = 0; i < 8; i++)
            assert_int_equal(Q(push)(q, element), 0);
        run_own(pop_then_push, q, bytes, 8, rounds(30000));
        assert_int_equal(Q(size)(q), 8);
        Q(free)(q);
    }
}

#endif
#endif

/* ---- closing ---- */

struct closing {
    QUEUE_T *q;
    PAWL_ATOMIC(uint64_t) pushed, popped;
    PAWL_ATOMIC(bool) closed; /* close has returned */
};

static void *push_until_closed(void *argument)
{
    struct closing *closing = argument;
    uint64_t element = 7;

    for (;;) {
        bool closed = pawl_load_acquire(&closing->closed); /* acquire: with the store after close */
        int status = Q(push)(closing->q, &element);

        if (status == -EPIPE)
            return NULL;
        assert_false(closed); /* then it must not succeed, nor be full */
        if (status == 0)
            pawl_fetch_add_relaxed(&closing->pushed, 1u);
        else
            sched_yield();
    }
}

static void *pop_until_closed(void *argument)
{
    struct closing *closing = argument;
    uint64_t element;
    int status;

    while ((status = Q(pop)(closing->q, &element)) != -EPIPE) {
        if (status == 0) {
            assert_int_equal(element, 7);
            pawl_fetch_add_relaxed(&closing->popped, 1u);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void what_was_accepted_before_closing_is_delivered(void **state)
{
    uint64_t random = seed();

    (void)state;
    expect_end_within(150);
    for (int round = 0; round < rounds(300); round++) {
        struct closing closing = {.q = OPEN(1 + random_below(&random, 6), sizeof(uint64_t))};
        pthread_t threads[6];

        for (int i = 0; i < 6; i++)
            threads[i] = start(i < 3 ? push_until_closed : pop_until_closed, &closing);
        for (uint32_t spins = random_below(&random, 3000); spins > 0; spins--)
            pawl_relax();
        assert_int_equal(Q(close)(closing.q), 0);
        pawl_store_release(&closing.closed, true); /* release: close came before */
        assert_int_equal(Q(close)(closing.q), -EALREADY);
        for (int i = 0; i < 6; i++)
            join(threads[i]);
        assert_int_equal(pawl_load_relaxed(&closing.pushed), pawl_load_relaxed(&closing.popped));
        Q(free)(closing.q);
    }
}

#if STRICT && WITH_LIN

/* ---- linearizability of recorded histories ---- */

enum { LIN_CAPACITY = 4, LIN_THREADS = 3, LIN_EACH = 7, PUSH = 0, POP = 1 };

struct lin_model {
    intptr_t count, element[LIN_THREADS * LIN_EACH];
};

static void lin_init(void *state)
{
    memset(state, 0, sizeof(struct lin_model));
}

static bool lin_apply(void *state, const struct pawl_lin_operation *op)
{
    struct lin_model *model = state;

    if (op->kind == PUSH) {
        if (BOUNDED && model->count == LIN_CAPACITY)
            return op->result == -EAGAIN;
        model->element[model->count++] = op->argument;
        return op->result == 0;
    }
    if (model->count == 0)
        return op->result == -EAGAIN;
    if (op->result != model->element[0])
        return false;
    model->count--;
    memmove(model->element, model->element + 1, sizeof model->element - sizeof model->element[0]);
    model->element[LIN_THREADS * LIN_EACH - 1] = 0;
    model->element[model->count] = 0;
    return true;
}

struct lin_run {
    QUEUE_T *q;
    struct pawl_lin *history;
    PAWL_ATOMIC(int) * ready;
    int number;
    uint64_t random;
};

static void *lin_thread(void *argument)
{
    struct lin_run *me = argument;
    uint64_t element[4] = {0};

    pawl_fetch_add_relaxed(me->ready, 1);
    while (pawl_load_relaxed(me->ready) != LIN_THREADS)
        sched_yield();
    for (int i = 0; i < LIN_EACH; i++) {
        bool push = random_below(&me->random, 2) == 0;
        size_t op;
        int status;

        element[0] = element[3] = (uint64_t)me->number * LIN_EACH + (uint64_t)i + 1;
        op = pawl_lin_call(me->history, push ? PUSH : POP, (intptr_t)element[0]);
        status = push ? Q(push)(me->q, element) : Q(pop)(me->q, element);
        pawl_lin_return(me->history, op, status != 0 || push ? status : (intptr_t)element[0]);
    }
    return NULL;
}

static void histories_are_linearizable(void **state)
{
    static const struct pawl_lin_spec spec = {sizeof(struct lin_model), lin_init, lin_apply};
    struct pawl_lin_operation operations[LIN_THREADS * LIN_EACH];
    uint64_t random = seed();

    (void)state;
    expect_end_within(150);
    for (int round = 0; round < rounds(1500); round++) {
        size_t bytes = round % 2 == 0 ? 8 : 32;
        struct lin_run runs[LIN_THREADS];
        struct pawl_lin history;
        PAWL_ATOMIC(int) ready = 0;
        pthread_t threads[LIN_THREADS];
        QUEUE_T *q = OPEN(LIN_CAPACITY, bytes);

        pawl_lin_init(&history, operations, LIN_THREADS * LIN_EACH);
        for (int i = 0; i < LIN_THREADS; i++) {
            runs[i] = (struct lin_run){q, &history, &ready, i, random += 12345};
            threads[i] = start(lin_thread, &runs[i]);
        }
        for (int i = 0; i < LIN_THREADS; i++)
            join(threads[i]);
        assert_int_equal(pawl_lin_check(&history, &spec, NULL, NULL), 0);
        Q(free)(q);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_comes_twice_or_out_of_order),
        cmocka_unit_test(large_elements_come_whole),
        cmocka_unit_test(batches_keep_their_order),
        cmocka_unit_test(waiting_threads_are_woken),
        cmocka_unit_test(many_more_threads_than_cores),
#if STRICT
        cmocka_unit_test(a_popper_never_sees_empty_while_its_own_push_is_inside),
#endif
#if STRICT && BOUNDED
        cmocka_unit_test(a_pusher_never_sees_full_after_its_own_pop),
#endif
        cmocka_unit_test(what_was_accepted_before_closing_is_delivered),
#if STRICT && WITH_LIN
        cmocka_unit_test(histories_are_linearizable),
#endif
    };

    return cmocka_run_group_tests_name(TITLE(QUEUE), tests, NULL, NULL);
}
