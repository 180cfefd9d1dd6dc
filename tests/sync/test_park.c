/* SPDX-License-Identifier: MIT */
/* Parkers and futexes: tokens, deadlines, signals, processes. */
#include "sync_test.h"

#include <pawl/park.h>

#include <errno.h>

enum { STRESS = 20000, UNPARKERS = 3 };

/* Of a stress whose rounds each need another thread: on a busy machine a round takes that thread's turn. */
#define ENOUGH (10000 * MILLISECOND)

static void a_token_given_before_makes_park_return_at_once(void **state)
{
    struct pawl_parker parker = PAWL_PARKER_INIT;

    (void)state;
    pawl_unpark(&parker);
    assert_int_equal(pawl_park(&parker, PAWL_FOREVER), 0);
    assert_int_equal(pawl_parker_try(&parker), -EAGAIN);
}

static void two_unparks_make_one_token(void **state)
{
    struct pawl_parker parker;

    (void)state;
    pawl_parker_init(&parker, PAWL_PRIVATE);
    pawl_unpark(&parker);
    pawl_unpark(&parker);
    assert_int_equal(pawl_parker_try(&parker), 0);
    assert_int_equal(pawl_parker_try(&parker), -EAGAIN);
    assert_int_equal(pawl_park(&parker, 0), -ETIMEDOUT);
}

static void a_passed_deadline_still_takes_a_token(void **state)
{
    struct pawl_parker parker = PAWL_PARKER_INIT;

    (void)state;
    pawl_unpark(&parker);
    assert_int_equal(pawl_park(&parker, 1), 0);
    assert_int_equal(pawl_park(&parker, 1), -ETIMEDOUT);
}

static void park_does_not_give_up_before_its_deadline(void **state)
{
    struct pawl_parker parker = PAWL_PARKER_INIT;
    uint64_t deadline = pawl_deadline(20 * MILLISECOND);

    (void)state;
    assert_int_equal(pawl_park(&parker, deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    pawl_unpark(&parker); /* the parker is as good as new */
    assert_int_equal(pawl_park(&parker, PAWL_FOREVER), 0);
}

static void a_deadline_beyond_the_clock_is_for_ever(void **state)
{
    uint64_t now = monotonic_ns();
    uint64_t deadline = pawl_deadline(1000);

    (void)state;
    assert_true(pawl_deadline(UINT64_MAX) == PAWL_FOREVER);
    assert_true(pawl_deadline(UINT64_MAX - now / 2) == PAWL_FOREVER);
    assert_true(deadline >= now + 1000 && deadline < now + UINT64_C(60) * 1000000000);
}

/* ---- two threads ---- */

struct sleeper {
    struct pawl_parker parker;
    PAWL_ATOMIC(pid_t) tid;
    PAWL_ATOMIC(int) over; /* it has returned */
    uint64_t deadline;
    int plain; /* written by the unparker, read by the parker: ThreadSanitizer watches */
};

static void *park_and_read(void *argument)
{
    struct sleeper *sleeper = argument;
    int status;

    pawl_store_release(&sleeper->tid, gettid());
    status = pawl_park(&sleeper->parker, sleeper->deadline);
    pawl_store_release(&sleeper->over, 1);
    return (void *)(intptr_t)(status == 0 ? sleeper->plain : -1);
}

static void unpark_wakes_a_sleeper_and_publishes(void **state)
{
    struct sleeper sleeper = {.deadline = PAWL_FOREVER};
    pthread_t thread = start(park_and_read, &sleeper);

    (void)state;
    until_asleep(&sleeper.tid);
    sleeper.plain = 7;
    pawl_unpark(&sleeper.parker);
    assert_int_equal((intptr_t)join(thread), 7);
}

static PAWL_ATOMIC(int) signals;
static struct pawl_parker *unparked_by_handler;

static void count_signal(int number)
{
    (void)number;
    pawl_fetch_add_relaxed(&signals, 1);
}

static void unpark_in_handler(int number)
{
    (void)number;
    pawl_unpark(unparked_by_handler);
}

static void on_signal(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler}; /* no SA_RESTART: every call is interrupted */

    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Who begins anew after each signal never returns. */
static void signals_neither_end_nor_lengthen_a_park(void **state)
{
    (void)state;
    on_signal(count_signal);
    /* On a busy machine the thread may hardly have slept when its time is up: then again, for longer. */
    for (uint64_t ms = 60; pawl_load_relaxed(&signals) < 5; ms *= 2) {
        struct sleeper sleeper = {.deadline = pawl_deadline(ms * MILLISECOND)};
        pthread_t thread = start(park_and_read, &sleeper);

        while (pawl_load_acquire(&sleeper.over) == 0) {
            (void)pthread_kill(thread, SIGUSR1); /* ESRCH: it has just ended */
            sleep_ms(2);
        }
        assert_int_equal((intptr_t)join(thread), -1);
        assert_true(monotonic_ns() >= sleeper.deadline);
    }
}

static void a_signal_handler_unparks_its_own_thread(void **state)
{
    struct sleeper sleeper = {.deadline = PAWL_FOREVER, .plain = 3};
    pthread_t thread;

    (void)state;
    unparked_by_handler = &sleeper.parker;
    on_signal(unpark_in_handler);
    thread = start(park_and_read, &sleeper);
    until_asleep(&sleeper.tid);
    assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
    assert_int_equal((intptr_t)join(thread), 3);
}

static void errno_survives_waits_and_wakes(void **state)
{
    struct pawl_parker parker = PAWL_PARKER_INIT;
    PAWL_ATOMIC(uint32_t) word = 1;

    (void)state;
    errno = ENOENT;
    assert_int_equal(pawl_park(&parker, 1), -ETIMEDOUT);
    assert_int_equal(pawl_futex_wait(&word, 0, PAWL_FOREVER, PAWL_PRIVATE), 0);
    assert_int_equal(pawl_futex_wake((const PAWL_ATOMIC(uint32_t) *)(uintptr_t)8, 1, PAWL_SHARED), 0);
    assert_int_equal(errno, ENOENT);
}

/* ---- the parker may die on the stack of its thread ---- */

struct mailbox {
    PAWL_ATOMIC(struct pawl_parker *) waiting;
    PAWL_ATOMIC(int) closed;
    int sum; /* plain: what one side writes before it unparks, the other reads */
};

static void *answer(void *argument)
{
    struct mailbox *box = argument;

    while (pawl_load_relaxed(&box->closed) == 0) { /* relaxed: nobody asks any more */
        struct pawl_parker *parker = pawl_exchange_acquire(&box->waiting, (struct pawl_parker *)NULL);

        if (parker == NULL) {
            sched_yield();
            continue;
        }
        box->sum++;
        pawl_unpark(parker);
    }
    return NULL;
}

static __attribute__((noinline)) void ask(struct mailbox *box)
{
    struct pawl_parker parker = PAWL_PARKER_INIT;

    pawl_store_release(&box->waiting, &parker);
    assert_int_equal(pawl_park(&parker, PAWL_FOREVER), 0);
}

static void a_parker_may_die_once_park_has_returned(void **state)
{
    struct mailbox box = {.sum = 0};
    pthread_t thread = start(answer, &box);
    uint64_t end = pawl_deadline(ENOUGH);

    (void)state;
    for (int i = 0; i < rounds(STRESS) && (i == 0 || monotonic_ns() < end); i++) {
        ask(&box);
        assert_int_equal(box.sum, i + 1);
    }
    pawl_store_relaxed(&box.closed, 1);
    join(thread);
}

/* ---- many unparkers, deadlines that race with them ---- */

struct storm {
    struct pawl_parker parker;
    PAWL_ATOMIC(long) given;
    PAWL_ATOMIC(int) left;
    int rounds;
};

static void *give(void *argument)
{
    struct storm *storm = argument;

    for (int i = 0; i < storm->rounds; i++) {
        pawl_fetch_add_relaxed(&storm->given, 1L);
        pawl_unpark(&storm->parker);
        if (i % 64 == 0)
            sched_yield();
    }
    pawl_fetch_sub_relaxed(&storm->left, 1);
    pawl_unpark(&storm->parker);
    return NULL;
}

/* The last token is never lost, whether deadlines pass meanwhile or not. */
static void no_token_is_lost_between_unparkers_and_deadlines(void **state)
{
    struct storm storm = {.left = UNPARKERS, .rounds = rounds(STRESS)};
    pthread_t threads[UNPARKERS];
    long seen = 0;

    (void)state;
    for (int i = 0; i < UNPARKERS; i++)
        threads[i] = start(give, &storm);
    for (int i = 0; pawl_load_relaxed(&storm.left) != 0; i++)
        if (pawl_park(&storm.parker, i % 2 != 0 ? PAWL_FOREVER : pawl_deadline(1000)) == 0)
            seen++;
    for (int i = 0; i < UNPARKERS; i++)
        join(threads[i]);
    /* the last token may have come when nobody parked any more */
    seen += pawl_park(&storm.parker, pawl_deadline(0)) == 0;
    assert_true(seen > 0 && seen <= pawl_load_relaxed(&storm.given) + UNPARKERS);
}

/* ---- the thread's own ---- */

static void *address_of_own(void *unused)
{
    (void)unused;
    return pawl_parker_self();
}

static void each_thread_has_a_parker_of_its_own(void **state)
{
    struct pawl_parker *mine = pawl_parker_self();

    (void)state;
    assert_ptr_equal(mine, pawl_parker_self());
    assert_ptr_not_equal(mine, join(start(address_of_own, NULL)));
    pawl_unpark(mine);
    assert_int_equal(pawl_park(mine, PAWL_FOREVER), 0);
}

static void park_where_another_sleeps(void *parker)
{
    struct sleeper *sleeper = calloc(1, sizeof *sleeper);

    (void)parker;
    sleeper->deadline = PAWL_FOREVER;
    start(park_and_read, sleeper);
    until_asleep(&sleeper->tid);
    pawl_park(&sleeper->parker, PAWL_FOREVER);
}

static void two_threads_on_one_parker_abort_with_one_line(void **state)
{
    (void)state;
    expect_abort(park_where_another_sleeps, NULL, "pawl: pawl_park: another thread is parked");
}

static void wait_on_nothing(void *unused)
{
    (void)unused;
    pawl_futex_wait((PAWL_ATOMIC(uint32_t) *)(uintptr_t)8, 0, PAWL_FOREVER, PAWL_PRIVATE);
}

static void a_word_that_is_not_mapped_aborts_with_one_line(void **state)
{
    (void)state;
    expect_abort(wait_on_nothing, NULL, "pawl: pawl_futex_wait: ");
}

/* ---- processes ---- */

static void a_shared_parker_wakes_another_process(void **state)
{
    struct pawl_parker *pair = map_shared(2 * sizeof *pair);
    pid_t child;

    (void)state;
    pawl_parker_init(&pair[0], PAWL_SHARED);
    pawl_parker_init(&pair[1], PAWL_SHARED);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(20);
        for (int i = 0; i < 100; i++) {
            if (pawl_park(&pair[0], PAWL_FOREVER) != 0)
                _exit(1);
            pawl_unpark(&pair[1]);
        }
        _exit(0);
    }
    for (int i = 0; i < 100; i++) {
        pawl_unpark(&pair[0]);
        assert_int_equal(pawl_park(&pair[1], PAWL_FOREVER), 0);
    }
    assert_int_equal(status_of(child), 0);
    munmap(pair, 2 * sizeof *pair);
}

static void use_in_child(void *argument)
{
    struct pawl_parker *parker = argument;

    if (pawl_park(parker, PAWL_FOREVER) != 0 || pawl_park(parker, 1) != -ETIMEDOUT)
        _exit(1);
    pawl_unpark(parker);
    if (pawl_park(parker, PAWL_FOREVER) != 0)
        _exit(2);
}

static void a_child_inherits_the_token_and_its_own_parker(void **state)
{
    struct pawl_parker parker = PAWL_PARKER_INIT;

    (void)state;
    pawl_unpark(&parker);
    assert_int_equal(status_of_child(use_in_child, &parker), 0);
    assert_int_equal(pawl_parker_try(&parker), 0); /* the parent's own is untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_given_before_makes_park_return_at_once),
        cmocka_unit_test(two_unparks_make_one_token),
        cmocka_unit_test(a_passed_deadline_still_takes_a_token),
        cmocka_unit_test(park_does_not_give_up_before_its_deadline),
        cmocka_unit_test(a_deadline_beyond_the_clock_is_for_ever),
        cmocka_unit_test(unpark_wakes_a_sleeper_and_publishes),
        cmocka_unit_test(signals_neither_end_nor_lengthen_a_park),
        cmocka_unit_test(a_signal_handler_unparks_its_own_thread),
        cmocka_unit_test(errno_survives_waits_and_wakes),
        cmocka_unit_test(a_parker_may_die_once_park_has_returned),
        cmocka_unit_test(no_token_is_lost_between_unparkers_and_deadlines),
        cmocka_unit_test(each_thread_has_a_parker_of_its_own),
        cmocka_unit_test(two_threads_on_one_parker_abort_with_one_line),
        cmocka_unit_test(a_word_that_is_not_mapped_aborts_with_one_line),
        cmocka_unit_test(a_shared_parker_wakes_another_process),
        cmocka_unit_test(a_child_inherits_the_token_and_its_own_parker),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("park", tests, NULL, NULL);
}
