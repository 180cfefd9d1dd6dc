/* SPDX-License-Identifier: MIT */
/* Fibers that wait: parked, for operations; and how cancels and the runtime's end reach them. */
#include "fiber_test.h"

#include <pawl/park.h>
#include <pawl/watch.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

/* ---- parking ---- */

struct lot {
    struct pawl_fiber *fiber;
    PAWL_ATOMIC(int) woken, went;
    uint64_t payload;
    int n;
};

static void park_n_times(void *argument)
{
    struct lot *lot = argument;

    for (int i = 1; i <= lot->n; i++) {
        while (pawl_load_acquire(&lot->went) < i)
            assert_int_equal(pawl_fiber_park(i % 5 == 0 ? pawl_deadline(3600 * 1000 * MS) : PAWL_FOREVER), 0);
        pawl_store_release(&lot->woken, i);
    }
}

static void no_unpark_is_lost(void **state)
{
    struct lot lot = {.n = rounds(5000)};
    struct pawl_fiber *fiber = go(park_n_times, &lot);

    (void)state;
    for (int i = 1; i <= lot.n; i++) {
        pawl_store_release(&lot.went, i);
        pawl_fiber_unpark(fiber);
        if (i % 3 == 0)
            pawl_fiber_unpark(fiber); /* twice is once, or one more for nothing */
        while (i % 7 != 0 && pawl_load_acquire(&lot.woken) != i)
            sched_yield();
    }
    joined(fiber);
}

static void park_in_vain(void *argument)
{
    uint64_t deadline = pawl_deadline(2 * MS);

    (void)argument;
    assert_int_equal(pawl_fiber_park(deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(pawl_fiber_park(0), -ETIMEDOUT);
    pawl_fiber_unpark(pawl_fiber_self());
    pawl_fiber_unpark(pawl_fiber_self());
    assert_int_equal(pawl_fiber_park(0), 0);
    assert_int_equal(pawl_fiber_park(0), -ETIMEDOUT);
}

static void a_token_is_there_or_not(void **state)
{
    (void)state;
    joined(go(park_in_vain, NULL));
}

static void park_around_the_deadline(void *argument)
{
    struct lot *lot = argument;

    for (int i = 1; i <= lot->n; i++) {
        int status = pawl_fiber_park(pawl_deadline(MS / 8));

        assert_true(status == 0 || status == -ETIMEDOUT);
    }
    pawl_store_release(&lot->woken, 1);
}

static void an_unpark_at_the_deadline_is_a_token_or_a_wake(void **state)
{
    struct lot lot = {.n = rounds(1000) / 4};
    struct pawl_fiber *fiber = go(park_around_the_deadline, &lot);

    (void)state;
    for (uint32_t i = 1; pawl_load_acquire(&lot.woken) == 0; i++) {
        for (uint32_t spin = 0; spin < i * 7919u % 3000; spin++)
            pawl_relax();
        pawl_fiber_unpark(fiber);
        if (i % 2 == 0)
            sched_yield();
    }
    joined(fiber);
}

/* ---- operations ---- */

struct pipes {
    int fds[2];
    int n;
};

static int nonblocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void read_numbers(void *argument)
{
    struct pipes *pipes = argument;
    struct pawl_watch watch;
    struct pawl_op op;
    int number;

    memset(&watch, 0, sizeof watch);
    pawl_op_init(&op, NULL);
    for (int i = 0; i < pipes->n;) {
        if (read(pipes->fds[0], &number, sizeof number) == sizeof number) {
            assert_int_equal(number, i++);
            continue;
        }
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(pawl_watch_once(&watch, &op, pipes->fds[0], POLLIN), 0);
        assert_true((pawl_await(&op) & POLLIN) != 0);
        assert_true((pawl_await(&op) & POLLIN) != 0); /* idle: its result again */
    }
}

static void await_returns_the_result_of_an_operation(void **state)
{
    struct pipes pipes = {.n = rounds(1000)};
    struct pawl_fiber *fiber;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pipes.fds), 0);
    assert_int_equal(nonblocking(pipes.fds[0]), 0);
    fiber = go(read_numbers, &pipes);
    for (int i = 0; i < pipes.n; i++)
        assert_int_equal(write(pipes.fds[1], &i, sizeof i), sizeof i);
    joined(fiber);
    close(pipes.fds[0]);
    close(pipes.fds[1]);
}

static void await_with_a_deadline(void *argument)
{
    struct pipes *pipes = argument;
    struct pawl_watch watch;
    struct pawl_op op;
    uint64_t begun;

    memset(&watch, 0, sizeof watch);
    pawl_op_init(&op, NULL);
    assert_int_equal(pawl_watch_once(&watch, &op, pipes->fds[0], POLLIN), 0);
    assert_int_equal(pawl_op_deadline(&op, 2 * MS), 0);
    assert_int_equal(pawl_await(&op), -ETIMEDOUT);
    usleep(30000); /* a deadline is counted from now, not from when the turn began */
    assert_int_equal(pawl_watch_once(&watch, &op, pipes->fds[0], POLLIN), 0);
    begun = pawl_deadline(0);
    assert_int_equal(pawl_op_deadline(&op, 20 * MS), 0);
    assert_int_equal(pawl_await(&op), -ETIMEDOUT);
    assert_true(pawl_deadline(0) - begun >= 20 * MS);
    assert_int_equal(pawl_watch_once(&watch, &op, pipes->fds[0], POLLIN), 0);
    assert_int_equal(pawl_op_cancel(&op), 0);
    assert_int_equal(pawl_await(&op), -ECANCELED);
}

static void an_operation_has_a_deadline_and_a_cancel(void **state)
{
    struct pipes pipes = {.n = 0};

    (void)state;
    assert_int_equal(pipe2(pipes.fds, O_NONBLOCK), 0);
    joined(go(await_with_a_deadline, &pipes));
    close(pipes.fds[0]);
    close(pipes.fds[1]);
}

/* ---- cancelling ---- */

enum wait { SLEEP, PARK, PARK_UNTIL, AWAIT, AGAIN, WAITS };

struct victim {
    enum wait wait;
    int fds[2];
    PAWL_ATOMIC(int) waits;
    int64_t status[2];
};

static int64_t wait_in(const struct victim *victim)
{
    struct pawl_watch watch;
    struct pawl_op op;
    int status;

    switch (victim->wait) {
    case SLEEP:
        return pawl_sleep(3600 * 1000 * MS);
    case PARK:
        return pawl_fiber_park(PAWL_FOREVER);
    case PARK_UNTIL:
        return pawl_fiber_park(pawl_deadline(3600 * 1000 * MS));
    case AWAIT:
        memset(&watch, 0, sizeof watch);
        pawl_op_init(&op, NULL);
        status = pawl_watch_once(&watch, &op, victim->fds[0], POLLIN);
        return status != 0 ? status : pawl_await(&op);
    case AGAIN:
    default:
        while (pawl_fiber_cancelled() == 0)
            pawl_yield();
        return pawl_sleep(MS);
    }
}

static void wait_twice(void *argument)
{
    struct victim *victim = argument;

    pawl_store_release(&victim->waits, 1);
    victim->status[0] = wait_in(victim);
    assert_int_equal(pawl_fiber_cancelled(), -ECANCELED);
    victim->status[1] = wait_in(victim);
}

static void a_cancel_ends_every_wait(void **state)
{
    (void)state;
    for (int i = 0; i < rounds(40) * WAITS; i++) {
        struct victim victim = {.wait = (enum wait)(i % WAITS)};
        struct pawl_fiber *fiber;

        assert_int_equal(pipe2(victim.fds, O_NONBLOCK), 0);
        fiber = go(wait_twice, &victim);
        while (i % 2 == 0 && pawl_load_acquire(&victim.waits) == 0)
            sched_yield();
        if (i % 4 == 0)
            sleep_ms(1);
        assert_int_equal(pawl_fiber_cancel(fiber), 0);
        (void)pawl_fiber_cancel(fiber);
        joined(fiber);
        assert_int_equal(victim.status[0], -ECANCELED);
        assert_int_equal(victim.status[1], -ECANCELED);
        close(victim.fds[0]);
        close(victim.fds[1]);
    }
}

static void sleep_for_ever(void *argument)
{
    struct fiber_crowd *all = argument;

    assert_int_equal(pawl_sleep_until(PAWL_FOREVER), -ECANCELED);
    pawl_fetch_add_relaxed(&all->up, 1);
}

static void closing_cancels_all_fibers_and_waits_for_them(void **state)
{
    struct fiber_crowd all = {.n = rounds(300)};
    struct pawl_rt *others = fiber_rt;

    (void)state;
    for (int round = 0; round < 5; round++) {
        pawl_store_relaxed(&all.up, 0);
        assert_int_equal(fiber_rt_open(NULL), 0);
        for (int i = 0; i < all.n; i++)
            assert_int_equal(pawl_go(fiber_rt, sleep_for_ever, &all), 0);
        if (round % 2 == 0)
            sleep_ms(2);
        assert_int_equal(pawl_rt_close(fiber_rt), 0);
        assert_int_equal(pawl_load_relaxed(&all.up), all.n);
    }
    fiber_rt = others;
}

/* The end of a fiber, its cancels and its waits at the same moment. */
static void end_soon(void *argument)
{
    uint64_t ns = (uint64_t)(uintptr_t)argument;

    (void)(ns % 3 == 0 ? pawl_sleep(ns) : pawl_fiber_park(pawl_deadline(ns)));
}

static void cancels_meet_the_end(void **state)
{
    uint64_t random = monotonic_ns() | 1;

    (void)state;
    print_message("seed %llu\n", (unsigned long long)random);
    for (int i = rounds(3000); i > 0; i--) {
        struct pawl_fiber *fiber;

        random = random * 6364136223846793005u + 1442695040888963407u;
        fiber = go(end_soon, (void *)(uintptr_t)((random >> 33) % (MS / 4)));
        for (uint64_t spin = (random >> 40) % 4000; spin > 0; spin--)
            pawl_relax();
        (void)pawl_fiber_cancel(fiber);
        if (i % 2 == 0)
            pawl_fiber_unpark(fiber);
        if (i % 3 == 0)
            pawl_fiber_detach(fiber);
        else
            joined(fiber);
    }
}

const struct CMUnitTest fiber_wait_tests[] = {
    cmocka_unit_test(no_unpark_is_lost),
    cmocka_unit_test(a_token_is_there_or_not),
    cmocka_unit_test(an_unpark_at_the_deadline_is_a_token_or_a_wake),
    cmocka_unit_test(await_returns_the_result_of_an_operation),
    cmocka_unit_test(an_operation_has_a_deadline_and_a_cancel),
    cmocka_unit_test(a_cancel_ends_every_wait),
    cmocka_unit_test(closing_cancels_all_fibers_and_waits_for_them),
    cmocka_unit_test(cancels_meet_the_end),
};
const size_t fiber_wait_test_count = sizeof fiber_wait_tests / sizeof fiber_wait_tests[0];
