/* SPDX-License-Identifier: MIT */
/* Priorities: order, room, relief, closing; many threads; what a stopped popper leaves behind. */
#define QUEUE mpmc /* for the helpers of its neighbour */
#include "../mpmc/kind.h"

#include <pawl/prio.h>

/* ---- one thread ---- */

static void pops_come_in_order_of_the_levels(void **state)
{
    struct pawl_prio *q = pawl_prio_open(64, 8, 8, 0);
    uint64_t random = seed(), element, last = 0;
    unsigned level, last_level = 0, pushed[64] = {0};

    (void)state;
    assert_non_null(q);
    assert_int_equal(pawl_prio_capacity(q), 8);
    for (uint64_t i = 1; i <= 300; i++) {
        level = random_below(&random, 64);
        assert_int_equal(pawl_prio_push(q, level, &i), pushed[level] < 8 ? 0 : -EAGAIN);
        pushed[level] += pushed[level] < 8;
    }
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(pawl_prio_size(q, i), pushed[i]);
    while (pawl_prio_pop(q, &element, &level) == 0) {
        assert_true(level > last_level || (level == last_level && element > last));
        assert_true(pushed[level]-- > 0);
        last_level = level;
        last = element;
    }
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(pushed[i], 0);
    assert_int_equal(pawl_prio_pop(q, &element, NULL), -EAGAIN);
    pawl_prio_free(q);
}

static void any_number_of_levels_and_any_size(void **state)
{
    static const size_t sizes[] = {1, 8, 12, 4096};

    (void)state;
    for (unsigned levels = 1; levels <= 64; levels += 9)
        for (size_t s = 0; s < 4; s++) {
            struct pawl_prio *q = pawl_prio_open(levels, 3, sizes[s], 0);
            unsigned char element[4096] = {0};
            unsigned level;

            assert_non_null(q);
            assert_int_equal(pawl_prio_push(q, levels, element), -EINVAL);
            assert_int_equal(pawl_prio_push_wait(q, levels, element, 0), -EINVAL);
            assert_int_equal(pawl_prio_size(q, levels), 0);
            for (int round = 0; round < 5; round++) {
                for (unsigned i = levels; i > 0; i--) {
                    memset(element, (int)i, sizes[s]);
                    assert_int_equal(pawl_prio_push(q, i - 1, element), 0);
                }
                for (unsigned i = 0; i < levels; i++) {
                    assert_int_equal(pawl_prio_pop(q, element, &level), 0);
                    assert_int_equal(level, i);
                    assert_int_equal(element[sizes[s] - 1], i + 1);
                }
                assert_int_equal(pawl_prio_pop(q, element, &level), -EAGAIN);
            }
            pawl_prio_free(q);
        }
}

static void with_relief_nobody_starves(void **state)
{
    struct pawl_prio *q = pawl_prio_open(64, 100, 8, 4);
    uint64_t element = 0, urgent = 0;
    unsigned level, left = 3 * 7;

    (void)state;
    assert_non_null(q);
    for (unsigned i = 1; i <= 63; i += 9)
        for (int k = 0; k < 3; k++)
            assert_int_equal(pawl_prio_push(q, i, &element), 0);
    for (int pops = 0; left > 0; pops++) {
        assert_true(pops < 3 * 64 * 4); /* what the header promises for two elements before it */
        while (pawl_prio_push(q, 0, &element) == 0) {
        }
        assert_int_equal(pawl_prio_pop(q, &element, &level), 0);
        left -= level != 0;
        urgent += level == 0;
    }
    assert_true(urgent > 3 * 21); /* three of four at least */
    pawl_prio_free(q);
}

static void without_relief_the_others_wait(void **state)
{
    struct pawl_prio *q = pawl_prio_open(2, 4, 8, 0);
    uint64_t element = 0;
    unsigned level;

    (void)state;
    assert_non_null(q);
    assert_int_equal(pawl_prio_push(q, 1, &element), 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pawl_prio_push(q, 0, &element), 0);
        assert_int_equal(pawl_prio_pop(q, &element, &level), 0);
        assert_int_equal(level, 0);
    }
    assert_int_equal(pawl_prio_size(q, 1), 1);
    pawl_prio_free(q);
}

/* Not inlined: gcc with sanitizers sees a read through NULL there. */
static __attribute__((noinline)) bool is_closed(struct pawl_prio *q)
{
    return pawl_prio_closed(q);
}

static void closing_drains_all_levels(void **state)
{
    struct pawl_prio *q = pawl_prio_open(64, 2, 8, 0);
    uint64_t element = 9;
    unsigned level;

    (void)state;
    assert_non_null(q);
    assert_int_equal(pawl_prio_push(q, 63, &element), 0);
    assert_int_equal(pawl_prio_push(q, 5, &element), 0);
    assert_int_equal(pawl_prio_push(q, 5, &element), 0);
    assert_false(is_closed(q));
    assert_int_equal(pawl_prio_close(q), 0);
    assert_int_equal(pawl_prio_close(q), -EALREADY);
    assert_true(is_closed(q));
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(pawl_prio_push(q, i, &element), -EPIPE);
    assert_int_equal(pawl_prio_push_wait(q, 5, &element, PAWL_FOREVER), -EPIPE);
    assert_int_equal(pawl_prio_pop(q, &element, &level), 0);
    assert_int_equal(level, 5);
    assert_int_equal(pawl_prio_pop(q, &element, &level), 0);
    assert_int_equal(pawl_prio_pop_wait(q, &element, &level, PAWL_FOREVER), 0);
    assert_int_equal(level, 63);
    assert_int_equal(pawl_prio_pop(q, &element, &level), -EPIPE);
    assert_int_equal(pawl_prio_pop_wait(q, &element, NULL, PAWL_FOREVER), -EPIPE);
    pawl_prio_free(q);
}

static void deadlines_pass(void **state)
{
    struct pawl_prio *q = pawl_prio_open(2, 1, 8, 0);
    uint64_t element = 9;

    (void)state;
    assert_non_null(q);
    assert_int_equal(pawl_prio_pop_wait(q, &element, NULL, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(pawl_prio_push_wait(q, 1, &element, 0), 0);
    assert_int_equal(pawl_prio_push_wait(q, 1, &element, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(pawl_prio_push_wait(q, 0, &element, 0), 0);
    pawl_prio_free(q);
}

static void what_cannot_be_is_refused(void **state)
{
    struct pawl_prio *q = aligned_alloc(PAWL_CACHELINE_PAIR, 2 * sizeof *q);

    (void)state;
    assert_int_equal(pawl_prio_bytes(0, 8, 8), 0);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pawl_prio_bytes(65, 8, 8), 0);
    assert_int_equal(pawl_prio_bytes(1, 0, 8), 0);
    assert_int_equal(pawl_prio_bytes(1, 8, 0), 0);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(pawl_prio_bytes(64, UINT64_C(1) << 31, (UINT64_C(1) << 31) - 8), 0);
    assert_int_equal(errno, EOVERFLOW);
    assert_null(pawl_prio_open(65, 8, 8, 0));
    assert_int_equal(pawl_prio_init(q, 1, 0, 8, 0, PAWL_PRIVATE), -EINVAL);
    assert_int_equal(pawl_prio_init(q, 1, 1, 8, 0, 4), -EINVAL);
    assert_int_equal(pawl_prio_init((struct pawl_prio *)(void *)((char *)q + 64), 1, 1, 8, 0, 0), -EINVAL);
    free(q);
    pawl_prio_free(NULL);
}

/* At each step of withdrawing a bit: before it, after it, and when an element has come meanwhile. */
static void a_popper_stopped_while_it_withdraws_hides_nothing(void **state)
{
    (void)state;
    for (int withdrawn = 0; withdrawn < 2; withdrawn++) {
        struct pawl_prio *q = pawl_prio_open(64, 4, 8, 0);
        uint64_t element = 1;
        unsigned level;

        assert_int_equal(pawl_prio_push(q, 9, &element), 0);
        pawl_fetch_add_seq_cst(&q->withdrawals, UINT64_C(1));
        if (withdrawn)
            pawl_fetch_and_seq_cst(&q->map, ~(UINT64_C(1) << 9)); /* the pusher had seen it set */
        assert_int_equal(pawl_prio_push(q, 30, &element), 0);
        assert_int_equal(pawl_prio_pop(q, &element, &level), 0);
        assert_int_equal(level, 9);
        assert_int_equal(pawl_prio_pop(q, &element, &level), 0);
        assert_int_equal(level, 30);
        assert_int_equal(pawl_prio_pop(q, &element, &level), -EAGAIN);
        assert_int_equal(pawl_prio_close(q), 0);
        assert_int_equal(pawl_prio_pop(q, &element, &level), -EPIPE);
        pawl_prio_free(q);
    }
}

/* Its element is in the level, and the map does not say so. When the level is full, nobody else's push could. */
static void a_pusher_stopped_before_it_shows_its_element_stops_nobody(void **state)
{
    struct pawl_prio *q = pawl_prio_open(8, 1, 8, 0);
    uint64_t element = 1, mine = 2;
    unsigned level;

    (void)state;
    assert_int_equal(pawl_mpmc_push((struct pawl_mpmc *)(void *)((char *)(q + 1) + 3 * q->level_bytes),
                                    &element),
                     0);
    assert_int_equal(pawl_prio_pop(q, &element, &level), -EAGAIN); /* that push has not returned */
    assert_int_equal(pawl_prio_push(q, 3, &mine), -EAGAIN);
    assert_int_equal(pawl_prio_pop(q, &element, &level), 0);
    assert_int_equal(element, 1);
    assert_int_equal(level, 3);
    assert_int_equal(pawl_prio_push(q, 3, &mine), 0);
    pawl_prio_free(q);
}

/* ---- many threads ---- */

enum { THREADS = 3, LEVELS = 5 };

struct run {
    struct pawl_prio *q;
    int each;
    bool waits;
    PAWL_ATOMIC(int) pushers_left;
    PAWL_ATOMIC(uint64_t) pushed, popped, sum_in, sum_out;
};

struct worker {
    struct run *run;
    uint64_t number, random;
};

static void *push_many(void *argument)
{
    struct worker *me = argument;
    struct run *run = me->run;

    for (int i = 0; i < run->each; i++) {
        uint64_t element = me->number << 32 | (uint64_t)i;
        unsigned level = random_below(&me->random, LEVELS);

        if (run->waits) {
            assert_int_equal(pawl_prio_push_wait(run->q, level, &element, PAWL_FOREVER), 0);
        } else {
            while (pawl_prio_push(run->q, level, &element) != 0)
                sched_yield();
        }
        pawl_fetch_add_relaxed(&run->sum_in, element);
    }
    if (pawl_fetch_sub_acq_rel(&run->pushers_left, 1) == 1)
        pawl_prio_close(run->q);
    return NULL;
}

static void *pop_many(void *argument)
{
    struct worker *me = argument;
    struct run *run = me->run;
    uint64_t last[THREADS][LEVELS] = {{0}};

    for (;;) {
        uint64_t element;
        unsigned level = LEVELS;
        int status = run->waits ? pawl_prio_pop_wait(run->q, &element, &level, PAWL_FOREVER)
                                : pawl_prio_pop(run->q, &element, &level);

        if (status == -EPIPE)
            return NULL;
        if (status == -EAGAIN) {
            sched_yield();
            continue;
        }
        assert_int_equal(status, 0);
        assert_true(level < LEVELS && element >> 32 < THREADS);
        assert_true((uint32_t)element + 1 > last[element >> 32][level]);
        last[element >> 32][level] = (uint32_t)element + 1;
        pawl_fetch_add_relaxed(&run->popped, 1u);
        pawl_fetch_add_relaxed(&run->sum_out, element);
    }
}

static void run_threads(size_t capacity, unsigned relief, bool waits, int each)
{
    struct run run = {.q = pawl_prio_open(LEVELS, capacity, 8, relief), .each = each, .waits = waits};
    struct worker workers[2 * THREADS];
    pthread_t threads[2 * THREADS];

    pawl_store_relaxed(&run.pushers_left, THREADS); /* relaxed: the threads come later */
    for (uint64_t i = 0; i < 2 * THREADS; i++) {
        workers[i] = (struct worker){&run, i, seed() * (i + 1)};
        threads[i] = start(i < THREADS ? push_many : pop_many, &workers[i]);
    }
    for (int i = 0; i < 2 * THREADS; i++)
        join(threads[i]);
    assert_int_equal(pawl_load_relaxed(&run.popped), (uint64_t)each * THREADS);
    assert_int_equal(pawl_load_relaxed(&run.sum_in), pawl_load_relaxed(&run.sum_out));
    pawl_prio_free(run.q);
}

static void nothing_is_lost_among_many_threads(void **state)
{
    (void)state;
    expect_end_within(150);
    run_threads(100, 0, false, rounds(40000));
    run_threads(1, 3, false, rounds(10000));
    run_threads(4, 0, true, rounds(8000));
    run_threads(1, 2, true, rounds(3000));
}

/* Each thread pushes at its own level, the most urgent one that is not empty but for others' of the same
 * kind: its pop must find something, and nothing less urgent. */
static void *push_then_pop(void *argument)
{
    struct worker *me = argument;

    for (int i = 0; i < me->run->each; i++) {
        unsigned mine = random_below(&me->random, LEVELS), level;
        uint64_t element = 1;

        assert_int_equal(pawl_prio_push(me->run->q, mine, &element), 0);
        assert_int_equal(pawl_prio_pop(me->run->q, &element, &level), 0);
    }
    return NULL;
}

static void a_popper_never_sees_empty_while_its_own_push_is_inside(void **state)
{
    struct run run = {.q = pawl_prio_open(LEVELS, 8, 8, 0), .each = rounds(60000)};
    struct worker workers[4];
    pthread_t threads[4];

    (void)state;
    expect_end_within(150);
    for (uint64_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){&run, i, seed() * (i + 1)};
        threads[i] = start(push_then_pop, &workers[i]);
    }
    for (int i = 0; i < 4; i++)
        join(threads[i]);
    pawl_prio_free(run.q);
}

/* One thread pops at level 1 while another one keeps level 0 changing; level 0 elements belong to who pushed
 * them. */
static void *churn(void *argument)
{
    struct worker *me = argument;
    uint64_t element = 0;

    for (int i = 0; i < me->run->each; i++) {
        unsigned level;

        assert_int_equal(pawl_prio_push(me->run->q, 1, &element), 0);
        assert_int_equal(pawl_prio_pop(me->run->q, &element, &level), 0);
    }
    return NULL;
}

static void an_urgent_element_is_not_passed_over(void **state)
{
    struct run run = {.q = pawl_prio_open(3, 8, 8, 0), .each = rounds(60000)};
    struct worker worker = {&run, 0, 0};
    pthread_t thread = start(churn, &worker);
    uint64_t element = 0;

    (void)state;
    expect_end_within(150);
    /* level 2 is never empty, level 1 comes and goes: nobody may take from 2 after a push to 1 has
     * returned */
    assert_int_equal(pawl_prio_push(run.q, 2, &element), 0);
    for (int i = 0; i < run.each; i++) {
        unsigned level;

        assert_int_equal(pawl_prio_push(run.q, 0, &element), 0);
        assert_int_equal(pawl_prio_pop(run.q, &element, &level), 0);
        /* 0; or 1, if the other thread has taken ours; never 2, which both would have passed over for */
        assert_int_not_equal(level, 2);
    }
    join(thread);
    assert_int_equal(pawl_prio_size(run.q, 2), 1);
    pawl_prio_free(run.q);
}

static void it_serves_two_processes(void **state)
{
    size_t bytes = pawl_prio_bytes(3, 4, 24);
    struct pawl_prio *q = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t element[3] = {1, 2, 3};
    unsigned level;
    int status;
    pid_t child;

    (void)state;
    assert_true(q != MAP_FAILED);
    assert_int_equal(pawl_prio_init(q, 3, 4, 24, 0, PAWL_SHARED), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(30);
        for (int i = 0; i < 300; i++)
            if (pawl_prio_push_wait(q, (unsigned)i % 3, element, PAWL_FOREVER) != 0)
                _exit(1);
        _exit(pawl_prio_close(q));
    }
    for (int i = 0; i < 300; i++)
        assert_int_equal(pawl_prio_pop_wait(q, element, &level, PAWL_FOREVER), 0);
    assert_int_equal(pawl_prio_pop_wait(q, element, &level, PAWL_FOREVER), -EPIPE);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    munmap(q, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pops_come_in_order_of_the_levels),
        cmocka_unit_test(any_number_of_levels_and_any_size),
        cmocka_unit_test(with_relief_nobody_starves),
        cmocka_unit_test(without_relief_the_others_wait),
        cmocka_unit_test(closing_drains_all_levels),
        cmocka_unit_test(deadlines_pass),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_popper_stopped_while_it_withdraws_hides_nothing),
        cmocka_unit_test(a_pusher_stopped_before_it_shows_its_element_stops_nobody),
        cmocka_unit_test(nothing_is_lost_among_many_threads),
        cmocka_unit_test(a_popper_never_sees_empty_while_its_own_push_is_inside),
        cmocka_unit_test(an_urgent_element_is_not_passed_over),
        cmocka_unit_test(it_serves_two_processes),
    };

    return cmocka_run_group_tests_name("prio", tests, NULL, NULL);
}
