/* SPDX-License-Identifier: MIT */
/* RCU: what sections, grace periods, polls, callbacks and domains promise, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reclaim_test.h"

#include <pawl/rcu.h>

#include <errno.h>
#include <string.h>

enum { MS = 1000000 };

/* ---- a reader that stays until it is told ---- */

struct reader {
    pthread_t thread;
    struct pawl_rcu *rcu;
    PAWL_ATOMIC(int) inside;
    PAWL_ATOMIC(int) go;
    int depth;
};

static void *stay_inside(void *argument)
{
    struct reader *reader = argument;

    for (int i = 0; i < reader->depth; i++)
        pawl_rcu_read_lock_in(reader->rcu);
    pawl_store_release(&reader->inside, 1);
    await_flag(&reader->go, 1);
    for (int i = 1; i < reader->depth; i++)
        pawl_rcu_read_unlock_in(reader->rcu);
    pawl_store_release(&reader->inside, 2);
    await_flag(&reader->go, 2);
    pawl_rcu_read_unlock_in(reader->rcu);
    return NULL;
}

static void start_reader(struct reader *reader, struct pawl_rcu *rcu, int depth)
{
    memset(reader, 0, sizeof *reader);
    reader->rcu = rcu;
    reader->depth = depth;
    assert_int_equal(pthread_create(&reader->thread, NULL, stay_inside, reader), 0);
    await_flag(&reader->inside, 1);
}

static void end_reader(struct reader *reader)
{
    pawl_store_release(&reader->go, 2);
    pthread_join(reader->thread, NULL);
}

static void *synchronize_and_say(void *argument)
{
    PAWL_ATOMIC(int) *done = argument;

    pawl_rcu_synchronize();
    pawl_store_release(done, 1);
    return NULL;
}

static void a_grace_period_waits_for_the_outermost_unlock_of_an_open_section(void **state)
{
    struct reader reader;
    PAWL_ATOMIC(int) done = 0;
    pthread_t writer;

    (void)state;
    start_reader(&reader, &pawl_rcu_default, 3);
    assert_int_equal(pthread_create(&writer, NULL, synchronize_and_say, &done), 0);
    sleep_ns(20 * MS);
    assert_int_equal(pawl_load_acquire(&done), 0);
    pawl_store_release(&reader.go, 1); /* two of three unlocks */
    await_flag(&reader.inside, 2);
    sleep_ns(20 * MS);
    assert_int_equal(pawl_load_acquire(&done), 0);
    end_reader(&reader);
    pthread_join(writer, NULL);
    assert_int_equal(pawl_load_acquire(&done), 1);
}

static void a_grace_period_does_not_wait_for_sections_that_begin_after_it(void **state)
{
    struct reader first, second;
    uint64_t ticket;

    (void)state;
    start_reader(&first, &pawl_rcu_default, 1);
    ticket = pawl_rcu_start_poll();
    assert_false(pawl_rcu_poll(ticket)); /* begins it */
    start_reader(&second, &pawl_rcu_default, 1);
    end_reader(&first);
    assert_true(pawl_rcu_poll(ticket));
    ticket = pawl_rcu_start_poll();
    assert_false(pawl_rcu_poll(ticket));
    end_reader(&second);
    assert_true(pawl_rcu_poll(ticket));
}

static void without_readers_one_poll_is_a_grace_period(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        uint64_t ticket = pawl_rcu_start_poll();

        assert_true(pawl_rcu_poll(ticket));
        assert_true(pawl_rcu_poll(ticket));
    }
}

/* One that was running when the ticket was taken may have begun before what the caller did. */
static void a_ticket_is_not_served_by_a_grace_period_that_runs_already(void **state)
{
    struct reader first, second;
    uint64_t early, late;

    (void)state;
    start_reader(&first, &pawl_rcu_default, 1);
    early = pawl_rcu_start_poll();
    assert_false(pawl_rcu_poll(early));
    start_reader(&second, &pawl_rcu_default, 1);
    late = pawl_rcu_start_poll();
    end_reader(&first);
    assert_true(pawl_rcu_poll(early));
    assert_false(pawl_rcu_poll(late));
    end_reader(&second);
    assert_true(pawl_rcu_poll(late));
}

static void a_poll_inside_a_section_is_never_true_and_never_waits(void **state)
{
    uint64_t ticket;

    (void)state;
    pawl_rcu_read_lock();
    ticket = pawl_rcu_start_poll();
    for (int i = 0; i < 100; i++)
        assert_false(pawl_rcu_poll(ticket));
    pawl_rcu_read_unlock();
    assert_true(pawl_rcu_poll(ticket));
}

static void domains_know_nothing_of_each_other(void **state)
{
    struct pawl_rcu *one = pawl_rcu_open();
    struct pawl_rcu *other = pawl_rcu_open();
    struct reader reader;

    (void)state;
    assert_non_null(one);
    assert_non_null(other);
    start_reader(&reader, one, 1);
    assert_false(pawl_rcu_read_held_in(one));
    pawl_rcu_synchronize_in(other);
    pawl_rcu_synchronize();
    assert_false(pawl_rcu_poll_in(one, pawl_rcu_start_poll_in(one)));
    end_reader(&reader);
    pawl_rcu_synchronize_in(one);
    pawl_rcu_read_lock_in(other); /* a section of one domain, a grace period of the other */
    assert_true(pawl_rcu_read_held_in(other));
    pawl_rcu_synchronize_in(one);
    pawl_rcu_read_unlock_in(other);
    pawl_rcu_close(one);
    pawl_rcu_close(other);
    pawl_rcu_close(NULL);
}

static void many_domains_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct pawl_rcu *rcu = pawl_rcu_open();

        assert_non_null(rcu);
        pawl_rcu_read_lock_in(rcu);
        pawl_rcu_read_unlock_in(rcu);
        pawl_rcu_synchronize_in(rcu);
        pawl_rcu_close(rcu);
    }
}

static void sections_nest_thousands_deep(void **state)
{
    (void)state;
    for (int i = 0; i < 30000; i++)
        pawl_rcu_read_lock();
    assert_true(pawl_rcu_read_held());
    for (int i = 0; i < 30000; i++)
        pawl_rcu_read_unlock();
    assert_false(pawl_rcu_read_held());
    pawl_rcu_synchronize();
}

/* ---- quiescent states ---- */

struct loop {
    PAWL_ATOMIC(int) phase;
    PAWL_ATOMIC(int) turn;
};

static void *turn_online(void *argument)
{
    struct loop *loop = argument;

    pawl_rcu_online();
    pawl_store_release(&loop->turn, 1);
    await_flag(&loop->phase, 1);
    pawl_rcu_read_lock(); /* what the loop calls may have sections of its own */
    pawl_rcu_read_unlock();
    pawl_store_release(&loop->turn, 2);
    await_flag(&loop->phase, 2);
    pawl_rcu_quiescent();
    pawl_store_release(&loop->turn, 3);
    await_flag(&loop->phase, 3);
    pawl_rcu_offline();
    pawl_store_release(&loop->turn, 4);
    await_flag(&loop->phase, 4);
    pawl_rcu_online();
    pawl_rcu_synchronize(); /* waits for itself if it stays online */
    assert_true(pawl_rcu_read_held());
    return NULL; /* online: the exit takes it offline */
}

static void an_online_thread_holds_grace_periods_up_until_it_is_quiescent_or_offline(void **state)
{
    struct loop loop = {0};
    pthread_t thread;
    uint64_t first, second;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, turn_online, &loop), 0);
    await_flag(&loop.turn, 1);
    first = pawl_rcu_start_poll();
    assert_false(pawl_rcu_poll(first));
    pawl_store_release(&loop.phase, 1);
    await_flag(&loop.turn, 2);
    assert_false(pawl_rcu_poll(first));
    pawl_store_release(&loop.phase, 2);
    await_flag(&loop.turn, 3);
    assert_true(pawl_rcu_poll(first));
    second = pawl_rcu_start_poll();
    assert_false(pawl_rcu_poll(second));
    pawl_store_release(&loop.phase, 3);
    await_flag(&loop.turn, 4);
    assert_true(pawl_rcu_poll(second));
    pawl_store_release(&loop.phase, 4);
    pthread_join(thread, NULL);
    pawl_rcu_synchronize();
}

/* ---- callbacks ---- */

struct object {
    int value;
    struct pawl_retired retired;
    PAWL_ATOMIC(int) * count;
};

static void count_and_free(struct pawl_retired *retired)
{
    struct object *object = pawl_retired_of(retired, struct object, retired);

    pawl_fetch_add_release(object->count, 1); /* pairs with the acquire in await_flag */
    free(object);
}

static struct object *new_object(PAWL_ATOMIC(int) * count)
{
    struct object *object = malloc(sizeof *object);

    assert_non_null(object);
    object->value = 42;
    object->count = count;
    return object;
}

static void a_barrier_returns_when_every_earlier_callback_has_run_once(void **state)
{
    PAWL_ATOMIC(int) count = 0;

    (void)state;
    for (int round = 1; round <= 5; round++) {
        for (int i = 0; i < 1000; i++)
            pawl_rcu_call(&new_object(&count)->retired, count_and_free);
        pawl_rcu_barrier();
        assert_int_equal(pawl_load_relaxed(&count), round * 1000);
    }
}

static void a_callback_runs_without_further_calls(void **state)
{
    PAWL_ATOMIC(int) count = 0;

    (void)state;
    pawl_rcu_call(&new_object(&count)->retired, count_and_free);
    await_flag(&count, 1);
    sleep_ns(5 * MS); /* the worker has gone to sleep, perhaps */
    pawl_rcu_call(&new_object(&count)->retired, count_and_free);
    await_flag(&count, 2);
}

static void a_callback_waits_for_the_section_it_was_called_in(void **state)
{
    PAWL_ATOMIC(int) count = 0;
    struct object *object = new_object(&count);

    (void)state;
    pawl_rcu_read_lock();
    pawl_rcu_call(&object->retired, count_and_free);
    sleep_ns(20 * MS);
    assert_int_equal(pawl_load_relaxed(&count), 0);
    assert_int_equal(object->value, 42);
    pawl_rcu_read_unlock();
    pawl_rcu_barrier();
    assert_int_equal(pawl_load_relaxed(&count), 1);
}

static PAWL_ATOMIC(int) chained;

static void call_again(struct pawl_retired *retired)
{
    if (pawl_fetch_add_relaxed(&chained, 1) + 1 < 5)
        pawl_rcu_call(retired, call_again);
    else
        free(pawl_retired_of(retired, struct object, retired));
}

static void a_callback_may_call_again(void **state)
{
    (void)state;
    pawl_store_relaxed(&chained, 0);
    pawl_rcu_call(&new_object(NULL)->retired, call_again);
    await_flag(&chained, 5);
    pawl_rcu_barrier();
}

static void closing_a_domain_runs_its_callbacks(void **state)
{
    PAWL_ATOMIC(int) count = 0;
    struct pawl_rcu *rcu = pawl_rcu_open();

    (void)state;
    assert_non_null(rcu);
    for (int i = 0; i < 100; i++)
        pawl_rcu_call_in(rcu, &new_object(&count)->retired, count_and_free);
    pawl_rcu_close(rcu);
    assert_int_equal(pawl_load_relaxed(&count), 100);
}

/* ---- backlog ---- */

struct flood {
    struct pawl_rcu *rcu;
    PAWL_ATOMIC(int) count;
    PAWL_ATOMIC(int) called;
};

enum { FLOOD = 20000, LIMIT = 1000 };

static void *call_many(void *argument)
{
    struct flood *flood = argument;

    for (int i = 0; i < FLOOD; i++) {
        pawl_rcu_call_in(flood->rcu, &new_object(&flood->count)->retired, count_and_free);
        pawl_fetch_add_relaxed(&flood->called, 1);
    }
    return NULL;
}

static void a_full_backlog_holds_callers_back_until_readers_leave(void **state)
{
    struct flood flood = {.rcu = pawl_rcu_open()};
    struct reader reader;
    pthread_t thread;
    struct object *refused = new_object(&flood.count);

    (void)state;
    assert_non_null(flood.rcu);
    assert_int_equal(pawl_rcu_set_backlog(flood.rcu, LIMIT), 0);
    start_reader(&reader, flood.rcu, 1);
    assert_int_equal(pthread_create(&thread, NULL, call_many, &flood), 0);
    while (pawl_rcu_backlog(flood.rcu) <= LIMIT) /* calls are counted by 64: more than LIMIT of them */
        sleep_ns(MS);
    sleep_ns(50 * MS);
    assert_in_range(pawl_load_relaxed(&flood.called), LIMIT, LIMIT + 128);
    assert_in_range(pawl_rcu_backlog(flood.rcu), LIMIT, LIMIT + 128);
    assert_int_equal(pawl_rcu_try_call_in(flood.rcu, &refused->retired, count_and_free), -EAGAIN);
    end_reader(&reader);
    pthread_join(thread, NULL);
    pawl_rcu_barrier_in(flood.rcu);
    assert_int_equal(pawl_load_relaxed(&flood.count), FLOOD);
    assert_int_equal(pawl_rcu_try_call_in(flood.rcu, &refused->retired, count_and_free), 0);
    pawl_rcu_barrier_in(flood.rcu);
    assert_int_equal(pawl_load_relaxed(&flood.count), FLOOD + 1);
    pawl_rcu_close(flood.rcu);
}

/* An online thread would wait for callbacks that wait for it. */
static void a_full_backlog_does_not_hang_a_caller_that_is_inside_or_online(void **state)
{
    PAWL_ATOMIC(int) count = 0;

    (void)state;
    assert_int_equal(pawl_rcu_set_backlog(&pawl_rcu_default, 100), 0);
    pawl_rcu_read_lock();
    for (int i = 0; i < 1000; i++)
        pawl_rcu_call(&new_object(&count)->retired, count_and_free);
    assert_int_equal(pawl_load_relaxed(&count), 0);
    pawl_rcu_read_unlock();
    pawl_rcu_online();
    for (int i = 0; i < 1000; i++)
        pawl_rcu_call(&new_object(&count)->retired, count_and_free);
    assert_true(pawl_rcu_read_held());
    pawl_rcu_offline();
    pawl_rcu_barrier();
    assert_int_equal(pawl_load_relaxed(&count), 2000);
    assert_int_equal(pawl_rcu_set_backlog(&pawl_rcu_default, 16384), 0);
}

static void bad_limits_are_refused(void **state)
{
    (void)state;
    assert_int_equal(pawl_rcu_set_backlog(&pawl_rcu_default, 0), -EINVAL);
    assert_int_equal(pawl_rcu_set_backlog(&pawl_rcu_default, UINT32_MAX), -EINVAL);
}

/* ---- stalls ---- */

static PAWL_ATOMIC(int) stalls;
static struct pawl_rcu_stall last_stall;

static void note_stall(const struct pawl_rcu_stall *stall, void *argument)
{
    assert_ptr_equal(argument, &stalls);
    last_stall = *stall;
    pawl_fetch_add_release(&stalls, 1);
}

static void a_reader_that_stays_is_reported_with_its_thread(void **state)
{
    struct reader reader;
    PAWL_ATOMIC(int) done = 0;
    pthread_t writer;

    (void)state;
    assert_int_equal(pawl_rcu_set_stall(0, note_stall, &stalls), -EINVAL);
    assert_int_equal(pawl_rcu_set_stall(10 * MS, note_stall, &stalls), 0);
    start_reader(&reader, &pawl_rcu_default, 2);
    assert_int_equal(pthread_create(&writer, NULL, synchronize_and_say, &done), 0);
    await_flag(&stalls, 2); /* again after it has doubled */
    end_reader(&reader);
    pthread_join(writer, NULL);
    assert_ptr_equal(last_stall.rcu, &pawl_rcu_default);
    assert_int_equal(last_stall.depth, 2);
    assert_true(last_stall.tid > 0 && last_stall.tid != getpid());
    assert_true(last_stall.waited_ns >= 20 * MS);
    assert_int_equal(pawl_rcu_set_stall(0, NULL, NULL), 0);
}

/* ---- mistakes ---- */

static void unlock_unlocked(void)
{
    pawl_rcu_read_unlock();
}

static void unlock_twice(void)
{
    pawl_rcu_read_lock();
    pawl_rcu_read_unlock();
    pawl_rcu_read_unlock();
}

static void wait_inside(void)
{
    pawl_rcu_read_lock();
    pawl_rcu_synchronize();
}

static void barrier_inside(void)
{
    pawl_rcu_read_lock();
    pawl_rcu_barrier();
}

static void nest_too_deep(void)
{
    for (int i = 0; i < 40000; i++)
        pawl_rcu_read_lock();
}

static void wait_in_callback(struct pawl_retired *retired)
{
    (void)retired;
    pawl_rcu_barrier();
}

static void barrier_in_callback(void)
{
    struct pawl_retired *retired = malloc(sizeof *retired);

    pawl_rcu_call(retired, wait_in_callback);
    pawl_rcu_barrier();
}

static void quiescent_offline(void)
{
    pawl_rcu_quiescent();
}

static void online_twice(void)
{
    pawl_rcu_online();
    pawl_rcu_online();
}

static void close_default(void)
{
    pawl_rcu_close(&pawl_rcu_default);
}

static void mistakes_abort_with_a_line_that_names_the_function(void **state)
{
    static const struct {
        void (*body)(void);
        const char *line;
    } mistakes[] = {
        {unlock_unlocked, "pawl: read_unlock: "},
        {unlock_twice, "pawl: read_unlock: "},
        {wait_inside, "pawl: pawl_rcu_synchronize: "},
        {barrier_inside, "pawl: pawl_rcu_barrier: "},
        {nest_too_deep, "pawl: read_lock: nested "},
        {barrier_in_callback, "pawl: pawl_rcu_barrier: called in a callback"},
        {quiescent_offline, "pawl: pawl_rcu_quiescent: "},
        {online_twice, "pawl: pawl_rcu_online: "},
        {close_default, "pawl: pawl_rcu_close: "},
    };
    char said[256];

    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        int status = in_child(mistakes[i].body, said);

        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        if (strncmp(said, mistakes[i].line, strlen(mistakes[i].line)) != 0)
            fail_msg("mistake %zu said: %s", i, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_abort_with_a_line_that_names_the_function),
        cmocka_unit_test(a_grace_period_waits_for_the_outermost_unlock_of_an_open_section),
        cmocka_unit_test(a_grace_period_does_not_wait_for_sections_that_begin_after_it),
        cmocka_unit_test(without_readers_one_poll_is_a_grace_period),
        cmocka_unit_test(a_ticket_is_not_served_by_a_grace_period_that_runs_already),
        cmocka_unit_test(a_poll_inside_a_section_is_never_true_and_never_waits),
        cmocka_unit_test(domains_know_nothing_of_each_other),
        cmocka_unit_test(many_domains_come_and_go),
        cmocka_unit_test(sections_nest_thousands_deep),
        cmocka_unit_test(an_online_thread_holds_grace_periods_up_until_it_is_quiescent_or_offline),
        cmocka_unit_test(a_barrier_returns_when_every_earlier_callback_has_run_once),
        cmocka_unit_test(a_callback_runs_without_further_calls),
        cmocka_unit_test(a_callback_waits_for_the_section_it_was_called_in),
        cmocka_unit_test(a_callback_may_call_again),
        cmocka_unit_test(closing_a_domain_runs_its_callbacks),
        cmocka_unit_test(a_full_backlog_holds_callers_back_until_readers_leave),
        cmocka_unit_test(a_full_backlog_does_not_hang_a_caller_that_is_inside_or_online),
        cmocka_unit_test(bad_limits_are_refused),
        cmocka_unit_test(a_reader_that_stays_is_reported_with_its_thread),
    };

    return cmocka_run_group_tests_name("rcu", tests, NULL, NULL);
}
