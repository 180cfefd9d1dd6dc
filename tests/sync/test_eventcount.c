/* SPDX-License-Identifier: MIT */
/* Eventcounts: no lost wake-up, no system call when nobody sleeps. */
#include "sync_test.h"

#include <pawl/park.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { SLEEPERS = 4, ITEMS = 30000, PRODUCERS = 2, CONSUMERS = 3 };

static uint32_t waiters(struct pawl_eventcount *ec)
{
    return (uint32_t)pawl_load_relaxed(&ec->state) >> 16;
}

static uint32_t permits(struct pawl_eventcount *ec)
{
    return pawl_load_relaxed(&ec->state) & 0xffff;
}

static void a_notification_after_prepare_ends_the_wait(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t ticket = pawl_eventcount_prepare(&ec);

    (void)state;
    pawl_eventcount_notify(&ec);
    assert_int_equal(pawl_eventcount_wait(&ec, ticket, PAWL_FOREVER), 0);
    assert_int_equal(waiters(&ec), 0);
}

static void a_notification_before_prepare_does_not(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint64_t deadline = pawl_deadline(5 * MILLISECOND);

    (void)state;
    pawl_eventcount_notify_all(&ec);
    assert_int_equal(pawl_eventcount_wait(&ec, pawl_eventcount_prepare(&ec), deadline), -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    assert_int_equal(waiters(&ec), 0);
}

static void cancel_leaves_nobody_counted(void **state)
{
    struct pawl_eventcount ec;
    uint32_t ticket;

    (void)state;
    pawl_eventcount_init(&ec, PAWL_PRIVATE);
    pawl_eventcount_prepare(&ec);
    ticket = pawl_eventcount_prepare(&ec);
    assert_int_equal(waiters(&ec), 2);
    pawl_eventcount_cancel(&ec, ticket);
    pawl_eventcount_cancel(&ec, ticket);
    assert_int_equal(waiters(&ec), 0);
    assert_int_equal(pawl_load_relaxed(&ec.wakes), 0);
}

static void a_notification_is_for_one_that_had_none(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t ticket = pawl_eventcount_prepare(&ec);

    (void)state;
    pawl_eventcount_prepare(&ec);
    for (int i = 0; i < 5; i++)
        pawl_eventcount_notify(&ec);
    assert_int_equal(waiters(&ec), 0);
    assert_int_equal(permits(&ec), 2);
    assert_int_equal(pawl_load_relaxed(&ec.wakes), 2); /* each was woken once */
    assert_int_equal(pawl_eventcount_wait(&ec, ticket, PAWL_FOREVER), 0);
    assert_int_equal(pawl_eventcount_wait(&ec, ticket, PAWL_FOREVER), 0);
    assert_int_equal(permits(&ec), 0);
}

static void a_permit_left_behind_is_taken_by_who_cancels(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t ticket = pawl_eventcount_prepare(&ec);

    (void)state;
    pawl_eventcount_notify(&ec);
    pawl_eventcount_cancel(&ec, ticket);
    assert_int_equal(permits(&ec), 0);
    ticket = pawl_eventcount_prepare(&ec);
    assert_int_equal(pawl_eventcount_wait(&ec, ticket, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
}

static void who_cancels_leaves_the_permit_to_who_sleeps(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t asleep = pawl_eventcount_prepare(&ec);
    uint32_t late;

    (void)state;
    pawl_eventcount_notify(&ec);
    late = pawl_eventcount_prepare(&ec);
    pawl_eventcount_cancel(&ec, late);
    assert_int_equal(permits(&ec), 1);
    assert_int_equal(pawl_eventcount_wait(&ec, asleep, PAWL_FOREVER), 0);
}

static void nobody_takes_the_wake_up_of_notify_all_away(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    uint32_t first = pawl_eventcount_prepare(&ec);
    uint32_t late;

    (void)state;
    pawl_eventcount_notify(&ec);
    pawl_eventcount_notify_all(&ec);
    late = pawl_eventcount_prepare(&ec);
    assert_int_equal(pawl_eventcount_wait(&ec, late, pawl_deadline(MILLISECOND)), -ETIMEDOUT);
    assert_int_equal(pawl_eventcount_wait(&ec, first, PAWL_FOREVER), 0);
    assert_int_equal(waiters(&ec) + permits(&ec), 0);
}

static void one_waiter_too_many(void *unused)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;

    (void)unused;
    for (int i = 0; i < 65535; i++)
        pawl_eventcount_prepare(&ec);
    if (waiters(&ec) != 65535)
        _exit(1);
    pawl_eventcount_prepare(&ec);
}

static void too_many_waiters_abort(void **state)
{
    int status = status_of_child(one_waiter_too_many, NULL);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void rounds_wrap(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;

    (void)state;
    pawl_store_relaxed(&ec.state, UINT64_C(0xfffffffe) << 32);
    pawl_store_relaxed(&ec.wakes, 0xfffffffeu);
    for (int i = 0; i < 4; i++) {
        uint32_t ticket = pawl_eventcount_prepare(&ec);

        assert_int_equal(ticket, (uint32_t)(0xfffffffeu + (uint32_t)i));
        pawl_eventcount_notify_all(&ec);
        assert_int_equal(pawl_eventcount_wait(&ec, ticket, PAWL_FOREVER), 0);
    }
    assert_int_equal(pawl_load_relaxed(&ec.wakes), 2);
    assert_int_equal(pawl_load_relaxed(&ec.state), UINT64_C(2) << 32);
}

/* ---- no system call when nobody sleeps: the kernel kills whoever makes one ---- */

static void notify_without_system_calls(void *unused)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;

    (void)unused;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        _exit(0); /* a kernel without it proves nothing */
    for (int i = 0; i < 1000; i++) {
        pawl_eventcount_notify(&ec);
        pawl_eventcount_notify_all(&ec);
        pawl_eventcount_cancel(&ec, pawl_eventcount_prepare(&ec));
    }
    syscall(SYS_exit, 0); /* the one exit that strict mode lets through */
}

static void notify_and_call(void *unused)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;

    (void)unused;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        raise(SIGKILL);
    pawl_eventcount_prepare(&ec);
    pawl_eventcount_notify(&ec);
    syscall(SYS_exit, 0);
}

static void nobody_waits_no_system_call(void **state)
{
    int status;

    (void)state;
#if PAWL_INSTRUMENTED
    skip(); /* the instrumentation makes system calls of its own */
#endif
    assert_int_equal(status_of_child(notify_without_system_calls, NULL), 0);
    status = status_of_child(notify_and_call, NULL); /* the trap works */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- sleepers ---- */

struct bed {
    struct pawl_eventcount *ec;
    PAWL_ATOMIC(pid_t) tid;
    PAWL_ATOMIC(int) * awake;
};

static void *sleep_once(void *argument)
{
    struct bed *bed = argument;
    uint32_t ticket = pawl_eventcount_prepare(bed->ec);
    int status;

    pawl_store_release(&bed->tid, gettid());
    status = pawl_eventcount_wait(bed->ec, ticket, PAWL_FOREVER);
    pawl_fetch_add_relaxed(bed->awake, 1);
    return (void *)(intptr_t)status;
}

static void notify_wakes_one_and_notify_all_the_rest(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    PAWL_ATOMIC(int) awake = 0;
    struct bed beds[SLEEPERS];
    pthread_t threads[SLEEPERS];

    (void)state;
    memset(beds, 0, sizeof beds);
    for (int i = 0; i < SLEEPERS; i++) {
        beds[i].ec = &ec;
        beds[i].awake = &awake;
        threads[i] = start(sleep_once, &beds[i]);
        until_asleep(&beds[i].tid);
    }
    pawl_eventcount_notify(&ec);
    while (pawl_load_relaxed(&awake) == 0)
        sched_yield();
    sleep_ms(20);
    assert_int_equal(pawl_load_relaxed(&awake), 1);
    assert_int_equal(waiters(&ec), SLEEPERS - 1);
    pawl_eventcount_notify_all(&ec);
    for (int i = 0; i < SLEEPERS; i++)
        assert_int_equal((intptr_t)join(threads[i]), 0);
    assert_int_equal(waiters(&ec), 0);
}

/* ---- conservation: items go from producers to consumers, who sleep when there are none ---- */

struct store {
    struct pawl_eventcount ec;
    PAWL_ATOMIC(long) items;
    PAWL_ATOMIC(long) taken;
    PAWL_ATOMIC(int) closed;
    int per_producer;
    uint64_t patience; /* of a wait; PAWL_FOREVER: none passes a deadline */
};

static bool take(struct store *store)
{
    long items = pawl_load_acquire(&store->items);

    while (items > 0)
        if (pawl_cas_acquire(&store->items, &items, items - 1))
            return true;
    return false;
}

static void *produce(void *argument)
{
    struct store *store = argument;

    for (int i = 0; i < store->per_producer; i++) {
        pawl_fetch_add_release(&store->items, 1L);
        pawl_eventcount_notify(&store->ec);
        if (i % 512 == 0)
            sleep_ms(1); /* let the consumers run dry */
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct store *store = argument;

    for (;;) {
        uint32_t ticket;
        bool closed = pawl_load_acquire(&store->closed) != 0;

        if (take(store)) {
            pawl_fetch_add_relaxed(&store->taken, 1L);
            continue;
        }
        if (closed)
            return NULL;
        ticket = pawl_eventcount_prepare(&store->ec);
        if (pawl_load_acquire(&store->items) > 0 || pawl_load_acquire(&store->closed) != 0)
            pawl_eventcount_cancel(&store->ec, ticket);
        else
            pawl_eventcount_wait(&store->ec, ticket,
                                 store->patience == PAWL_FOREVER ? PAWL_FOREVER
                                                                 : pawl_deadline(store->patience));
    }
}

static void run_store(uint64_t patience)
{
    struct store store = {.per_producer = rounds(ITEMS), .patience = patience};
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    long all;

    for (int i = 0; i < CONSUMERS; i++)
        consumers[i] = start(consume, &store);
    for (int i = 0; i < PRODUCERS; i++)
        producers[i] = start(produce, &store);
    for (int i = 0; i < PRODUCERS; i++)
        join(producers[i]);
    all = (long)PRODUCERS * store.per_producer;
    /* Nobody notifies any more: a lost wake-up leaves items behind, for ever. */
    while (pawl_load_relaxed(&store.taken) != all)
        sched_yield();
    pawl_store_release(&store.closed, 1);
    pawl_eventcount_notify_all(&store.ec);
    for (int i = 0; i < CONSUMERS; i++)
        join(consumers[i]);
    assert_int_equal(pawl_load_relaxed(&store.items), 0);
    assert_int_equal(waiters(&store.ec), 0);
}

static void no_wake_up_is_lost(void **state)
{
    (void)state;
    run_store(PAWL_FOREVER);
}

static void no_wake_up_is_lost_to_a_deadline(void **state)
{
    (void)state;
    run_store(20000);
}

/* ---- await ---- */

static bool is_set(void *flag)
{
    return pawl_load_acquire((PAWL_ATOMIC(int) *)flag) != 0;
}

struct flagged {
    struct pawl_eventcount ec;
    PAWL_ATOMIC(int) flag;
    int plain;
};

static void *await_flag(void *argument)
{
    struct flagged *flagged = argument;

    if (pawl_eventcount_await(&flagged->ec, is_set, (void *)(uintptr_t)&flagged->flag, PAWL_FOREVER) != 0)
        return NULL;
    return (void *)(intptr_t)flagged->plain;
}

static void await_returns_when_the_condition_holds(void **state)
{
    struct flagged flagged = {.plain = 0};
    pthread_t thread = start(await_flag, &flagged);

    (void)state;
    sleep_ms(5);
    flagged.plain = 9;
    pawl_store_release(&flagged.flag, 1);
    pawl_eventcount_notify(&flagged.ec);
    assert_int_equal((intptr_t)join(thread), 9);
    assert_int_equal(waiters(&flagged.ec), 0);
}

static void await_gives_up_at_the_deadline(void **state)
{
    struct flagged flagged = {.plain = 0};
    uint64_t deadline = pawl_deadline(5 * MILLISECOND);

    (void)state;
    assert_int_equal(pawl_eventcount_await(&flagged.ec, is_set, (void *)(uintptr_t)&flagged.flag, deadline),
                     -ETIMEDOUT);
    assert_true(monotonic_ns() >= deadline);
    pawl_store_relaxed(&flagged.flag, 1);
    assert_int_equal(pawl_eventcount_await(&flagged.ec, is_set, (void *)(uintptr_t)&flagged.flag, 0), 0);
}

/* ---- processes ---- */

struct shared_store {
    struct pawl_eventcount ec;
    PAWL_ATOMIC(int) turn;
};

static void wait_turn(struct shared_store *shared, int turn)
{
    while (pawl_load_acquire(&shared->turn) != turn) {
        uint32_t ticket = pawl_eventcount_prepare(&shared->ec);

        if (pawl_load_acquire(&shared->turn) == turn)
            pawl_eventcount_cancel(&shared->ec, ticket);
        else
            pawl_eventcount_wait(&shared->ec, ticket, PAWL_FOREVER);
    }
}

static void pass_turn(struct shared_store *shared, int turn)
{
    pawl_store_release(&shared->turn, turn);
    pawl_eventcount_notify_all(&shared->ec);
}

static void processes_take_turns(void **state)
{
    struct shared_store *shared = map_shared(sizeof *shared);
    pid_t child;

    (void)state;
    pawl_eventcount_init(&shared->ec, PAWL_SHARED);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        expect_end_within(20);
        for (int i = 1; i < 200; i += 2) {
            wait_turn(shared, i);
            pass_turn(shared, i + 1);
        }
        _exit(0);
    }
    for (int i = 0; i < 200; i += 2) {
        wait_turn(shared, i);
        pass_turn(shared, i + 1);
    }
    assert_int_equal(status_of(child), 0);
    assert_int_equal(waiters(&shared->ec), 0);
    munmap(shared, sizeof *shared);
}

static void use_in_child(void *argument)
{
    struct pawl_eventcount *ec = argument;
    uint32_t ticket = pawl_eventcount_prepare(ec);

    pawl_eventcount_notify_all(ec);
    if (pawl_eventcount_wait(ec, ticket, PAWL_FOREVER) != 0)
        _exit(1);
    if (waiters(ec) + permits(ec) != 0) /* the parent's thread was counted, and woken in vain */
        _exit(2);
}

static void a_forked_child_uses_its_copy(void **state)
{
    struct pawl_eventcount ec = PAWL_EVENTCOUNT_INIT;
    PAWL_ATOMIC(int) awake = 0;
    struct bed bed = {.ec = &ec, .awake = &awake};
    pthread_t thread = start(sleep_once, &bed);

    (void)state;
    until_asleep(&bed.tid);
    assert_int_equal(status_of_child(use_in_child, &ec), 0);
    assert_int_equal(pawl_load_relaxed(&awake), 0);
    pawl_eventcount_notify(&ec);
    assert_int_equal((intptr_t)join(thread), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notification_after_prepare_ends_the_wait),
        cmocka_unit_test(a_notification_before_prepare_does_not),
        cmocka_unit_test(cancel_leaves_nobody_counted),
        cmocka_unit_test(a_notification_is_for_one_that_had_none),
        cmocka_unit_test(a_permit_left_behind_is_taken_by_who_cancels),
        cmocka_unit_test(who_cancels_leaves_the_permit_to_who_sleeps),
        cmocka_unit_test(nobody_takes_the_wake_up_of_notify_all_away),
        cmocka_unit_test(too_many_waiters_abort),
        cmocka_unit_test(rounds_wrap),
        cmocka_unit_test(nobody_waits_no_system_call),
        cmocka_unit_test(notify_wakes_one_and_notify_all_the_rest),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(no_wake_up_is_lost_to_a_deadline),
        cmocka_unit_test(await_returns_when_the_condition_holds),
        cmocka_unit_test(await_gives_up_at_the_deadline),
        cmocka_unit_test(processes_take_turns),
        cmocka_unit_test(a_forked_child_uses_its_copy),
    };

    expect_end_within(100);
    return cmocka_run_group_tests_name("eventcount", tests, NULL, NULL);
}
