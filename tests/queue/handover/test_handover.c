/* SPDX-License-Identifier: MIT */
/* Waiting and closing: a box of a few places between threads and between processes. */
#include "../../sync/sync_test.h"

#include <pawl/handover.h>

#include <errno.h>

enum { PLACES = 3, ELEMENTS = 20000, THREADS = 3 };

struct box {
    struct pawl_handover h;
    PAWL_ATOMIC(long) inside;
    PAWL_ATOMIC(long) popped;
    long each; /* elements of a pusher */
};

static int try_push(void *op)
{
    struct box *box = op;
    long inside = pawl_load_acquire(&box->inside);

    do {
        if (pawl_handover_closed(&box->h))
            return -EPIPE;
        if (inside == PLACES)
            return -EAGAIN;
    } while (!pawl_cas_acq_rel(&box->inside, &inside, inside + 1));
    return 0;
}

static int try_pop(void *op)
{
    struct box *box = op;
    bool closed = pawl_handover_closed(&box->h);
    long inside = pawl_load_acquire(&box->inside);

    do {
        if (inside == 0)
            return closed ? -EPIPE : -EAGAIN;
    } while (!pawl_cas_acq_rel(&box->inside, &inside, inside - 1));
    return 0;
}

static void *push_all(void *argument)
{
    struct box *box = argument;

    for (long i = 0; i < box->each; i++) {
        if (pawl_handover_push_wait(&box->h, try_push, box, PAWL_FOREVER) != 0)
            return (void *)1;
        pawl_handover_pushed(&box->h, 1);
        if (i % 1024 == 0)
            sleep_ms(1); /* let the others fall asleep */
    }
    return NULL;
}

static void *pop_all(void *argument)
{
    struct box *box = argument;
    int status;

    while ((status = pawl_handover_pop_wait(&box->h, try_pop, box, PAWL_FOREVER)) == 0) {
        pawl_fetch_add_relaxed(&box->popped, 1L);
        pawl_handover_popped(&box->h, 1);
    }
    return (void *)(intptr_t)status;
}

static void nobody_sleeps_for_ever(void **state)
{
    struct box box = {.each = rounds(ELEMENTS)};
    pthread_t pushers[THREADS], poppers[THREADS];

    (void)state;
    pawl_handover_init(&box.h, PAWL_PRIVATE);
    for (int i = 0; i < THREADS; i++) {
        poppers[i] = start(pop_all, &box);
        pushers[i] = start(push_all, &box);
    }
    for (int i = 0; i < THREADS; i++)
        assert_null(join(pushers[i]));
    assert_int_equal(pawl_handover_close(&box.h), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal((intptr_t)join(poppers[i]), -EPIPE);
    assert_int_equal(pawl_load_relaxed(&box.popped), THREADS * box.each);
}

static void close_ends_every_wait(void **state)
{
    struct box box = {.each = PLACES + 1};
    pthread_t pusher = start(push_all, &box);

    (void)state;
    while (pawl_load_relaxed(&box.inside) != PLACES)
        sched_yield();
    sleep_ms(5); /* it sleeps now, for there is no room */
    assert_int_equal(pawl_handover_close(&box.h), 0);
    assert_non_null(join(pusher));
    assert_int_equal(pawl_handover_close(&box.h), -EALREADY);
    assert_int_equal((intptr_t)join(start(pop_all, &box)), -EPIPE);
    assert_int_equal(pawl_load_relaxed(&box.popped), PLACES); /* what was inside is delivered */
}

/* In a shared one, by what happens when it is killed: it has said so, and has woken nobody. */
static void a_closer_that_was_stopped_leaves_nobody_asleep(void **state)
{
    struct box box = {.each = 0};
    pthread_t popper;

    (void)state;
    pawl_handover_init(&box.h, PAWL_SHARED);
    popper = start(pop_all, &box);
    while ((pawl_load_relaxed(&box.h.items.state) & PAWL_EVENTCOUNT_WAITERS_) == 0)
        sched_yield();
    sleep_ms(2); /* it sleeps now */
    pawl_store_release(&box.h.closed, 1u);
    assert_int_equal(pawl_handover_close(&box.h), -EALREADY);
    assert_int_equal((intptr_t)join(popper), -EPIPE);
}

static void a_deadline_ends_a_wait(void **state)
{
    struct box box = {.each = 0};
    uint64_t deadline = pawl_deadline(3 * MILLISECOND);

    (void)state;
    assert_int_equal(pawl_handover_pop_wait(&box.h, try_pop, &box, deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(pawl_handover_push_wait(&box.h, try_push, &box, 0), 0); /* one attempt in any case */
    assert_int_equal(pawl_handover_pop_wait(&box.h, try_pop, &box, 0), 0);
    assert_int_equal(pawl_handover_pop_wait(&box.h, try_pop, &box, 0), -ETIMEDOUT);
}

static void processes_hand_over(void **state)
{
    struct box *box = map_shared(sizeof *box);
    pid_t child;

    (void)state;
    pawl_handover_init(&box->h, PAWL_SHARED);
    box->each = rounds(ELEMENTS);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(60);
        _exit(push_all(box) == NULL && pawl_handover_close(&box->h) == 0 ? 0 : 1);
    }
    assert_int_equal((intptr_t)pop_all(box), -EPIPE);
    assert_int_equal(status_of(child), 0);
    assert_int_equal(pawl_load_relaxed(&box->popped), box->each);
    munmap(box, sizeof *box);
}

/* The sleeper dies with its place in the count; who comes after must still be woken. */
static void a_killed_sleeper_takes_nobody_with_it(void **state)
{
    struct box *box = map_shared(sizeof *box);
    pid_t sleeper, popper;

    (void)state;
    pawl_handover_init(&box->h, PAWL_SHARED);
    sleeper = fork();
    assert_true(sleeper >= 0);
    if (sleeper == 0)
        _exit(pop_all(box) != NULL);
    while ((pawl_load_relaxed(&box->h.items.state) & PAWL_EVENTCOUNT_WAITERS_) == 0)
        sched_yield();
    sleep_ms(5);
    kill(sleeper, SIGKILL);
    assert_true(WIFSIGNALED(status_of(sleeper)));
    popper = fork();
    assert_true(popper >= 0);
    if (popper == 0) {
        expect_end_within(20);
        _exit((intptr_t)pop_all(box) == -EPIPE ? 0 : 1);
    }
    sleep_ms(5);
    for (int i = 0; i < 2; i++) { /* the first one may be spent on the dead */
        assert_int_equal(try_push(box), 0);
        pawl_handover_pushed(&box->h, 1);
    }
    while (pawl_load_relaxed(&box->popped) != 2)
        sched_yield();
    assert_int_equal(pawl_handover_close(&box->h), 0);
    assert_int_equal(status_of(popper), 0);
    munmap(box, sizeof *box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_sleeps_for_ever),
        cmocka_unit_test(close_ends_every_wait),
        cmocka_unit_test(a_closer_that_was_stopped_leaves_nobody_asleep),
        cmocka_unit_test(a_deadline_ends_a_wait),
        cmocka_unit_test(processes_hand_over),
        cmocka_unit_test(a_killed_sleeper_takes_nobody_with_it),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
