/* SPDX-License-Identifier: MIT */
/* The ring of stamped cells: who sleeps while others are in the middle of an operation. What those do is done by hand. */
#include "kind.h"

#include "../../../src/core/queue/mpmc_ring.h"

enum { SLEEPERS = 3 };

struct sleeper {
    struct pawl_mpmc_ring *q;
    uint64_t element;
    int status;
    pthread_t thread;
};

static void *pop_waiting(void *argument)
{
    struct sleeper *sleeper = argument;

    sleeper->status = pawl_mpmc_ring_pop_wait(sleeper->q, &sleeper->element, PAWL_FOREVER);
    return NULL;
}

static void until_asleep(const struct pawl_mpmc_ring *q, uint64_t sleepers)
{
    while ((pawl_load_relaxed(&q->handover.items.state) & PAWL_EVENTCOUNT_WAITERS_) <
           sleepers * PAWL_EVENTCOUNT_WAITER_)
        sched_yield();
    usleep(20000); /* asleep, usually */
}

/* The two steps of a push. */
static uint64_t claim(struct pawl_mpmc_ring *q)
{
    return pawl_fetch_add_relaxed(&q->tail, UINT64_C(2));
}

static void fill(struct pawl_mpmc_ring *q, uint64_t tail, uint64_t element)
{
    struct pawl_mpmc_ring_cell_ *cell = pawl_mpmc_ring_cell_at_(q, tail, q->stride);

    memcpy(cell + 1, &element, sizeof element);
    pawl_store_release(&cell->stamp, tail + 1);
    pawl_handover_pushed(&q->handover, 1);
}

/* `pushes` were inside when it was closed, and end in the order of their claims or in the other one. */
static void close_beside(int pushes, bool reversed)
{
    struct pawl_mpmc_ring *q = pawl_mpmc_ring_open(4, 8);
    struct sleeper sleepers[SLEEPERS];
    uint64_t tails[SLEEPERS], sum = 0;
    int got = 0;

    assert_non_null(q);
    for (int i = 0; i < pushes; i++)
        tails[i] = claim(q);
    assert_int_equal(pawl_mpmc_ring_close(q), 0);
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i].q = q;
        sleepers[i].thread = start(pop_waiting, &sleepers[i]);
    }
    until_asleep(q, SLEEPERS);
    for (int i = 0; i < pushes; i++) {
        int which = reversed ? pushes - 1 - i : i;

        fill(q, tails[which], 10 + (uint64_t)which);
        usleep(20000); /* who was woken sleeps again, usually */
    }
    for (int i = 0; i < SLEEPERS; i++) {
        join(sleepers[i].thread);
        if (sleepers[i].status == 0) {
            got++;
            sum += sleepers[i].element;
        } else {
            assert_int_equal(sleepers[i].status, -EPIPE);
        }
    }
    assert_int_equal(got, pushes);
    assert_int_equal(sum, pushes == 1 ? 10 : 21);
    pawl_mpmc_ring_free(q);
}

static void a_push_that_ends_after_the_closing_leaves_nobody_asleep(void **state)
{
    (void)state;
    expect_end_within(60);
    close_beside(1, false);
    close_beside(2, false);
    close_beside(2, true);
}

/* The popper that does not wait gets the last element. */
static void nor_does_it_when_another_pops(void **state)
{
    (void)state;
    expect_end_within(60);
    for (int turn = 0; turn < 10; turn++) {
        struct pawl_mpmc_ring *q = pawl_mpmc_ring_open(4, 8);
        struct sleeper sleepers[SLEEPERS];
        uint64_t tail, element;
        int status, got = 0;

        assert_non_null(q);
        tail = claim(q);
        assert_int_equal(pawl_mpmc_ring_close(q), 0);
        for (int i = 0; i < SLEEPERS; i++) {
            sleepers[i].q = q;
            sleepers[i].thread = start(pop_waiting, &sleepers[i]);
        }
        until_asleep(q, SLEEPERS);
        fill(q, tail, 10);
        status = pawl_mpmc_ring_pop(q, &element);
        assert_true(status == 0 || status == -EPIPE);
        for (int i = 0; i < SLEEPERS; i++) {
            join(sleepers[i].thread);
            got += sleepers[i].status == 0;
        }
        assert_int_equal(got, status == 0 ? 0 : 1);
        pawl_mpmc_ring_free(q);
    }
}

/* Later elements were complete before the first: who gets that one wakes another. */
static void elements_that_were_complete_too_early_are_popped(void **state)
{
    struct pawl_mpmc_ring *q = pawl_mpmc_ring_open(4, 8);
    struct sleeper sleepers[SLEEPERS];
    uint64_t tails[SLEEPERS];

    (void)state;
    assert_non_null(q);
    expect_end_within(60);
    for (int i = 0; i < SLEEPERS; i++)
        tails[i] = claim(q);
    for (int i = 0; i < SLEEPERS; i++) {
        sleepers[i].q = q;
        sleepers[i].thread = start(pop_waiting, &sleepers[i]);
    }
    until_asleep(q, SLEEPERS);
    for (int i = SLEEPERS; i-- > 0;) {
        fill(q, tails[i], 10 + (uint64_t)i);
        usleep(20000); /* who was woken sleeps again, usually */
    }
    for (int i = 0; i < SLEEPERS; i++) {
        join(sleepers[i].thread);
        assert_int_equal(sleepers[i].status, 0);
    }
    assert_true(pawl_mpmc_ring_empty(q));
    pawl_mpmc_ring_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_that_ends_after_the_closing_leaves_nobody_asleep),
        cmocka_unit_test(nor_does_it_when_another_pops),
        cmocka_unit_test(elements_that_were_complete_too_early_are_popped),
    };

    return cmocka_run_group_tests_name("mpmc_ring", tests, NULL, NULL);
}
