/* SPDX-License-Identifier: MIT */
/* Activation, priorities, and when the loop ends. */
#include "test_event.h"

#include <event2/event_compat.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct event_base *base;

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

/* ---- activation ---- */

static void an_event_that_is_activated_twice_is_called_once_with_both(void **state)
{
    struct seen seen = {0};
    struct event *ev = event_new(base, -1, 0, see, &seen);

    (void)state;
    event_active(ev, EV_READ, 1);
    event_active(ev, EV_WRITE, 1);
    assert_int_equal(event_pending(ev, EV_READ | EV_WRITE, NULL), EV_READ | EV_WRITE);
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.what, EV_READ | EV_WRITE);
    event_free(ev);
}

static void adding_an_active_event_does_not_make_it_wait(void **state)
{
    struct seen seen = {0};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct event *ev = event_new(base, ends[0], EV_READ | EV_PERSIST, see, &seen);
    event_active(ev, EV_WRITE, 1);
    assert_int_equal(event_add(ev, NULL), 0);
    assert_int_equal(event_pending(ev, EV_READ | EV_WRITE, NULL), EV_WRITE);
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(event_pending(ev, EV_READ | EV_WRITE, NULL), 0);
    event_free(ev);
    close(ends[0]);
    close(ends[1]);
}

static void a_deleted_event_is_not_called_although_it_was_active(void **state)
{
    struct seen seen = {0};
    struct event *ev = event_new(base, -1, 0, see, &seen);

    (void)state;
    event_active(ev, EV_READ, 1);
    assert_int_equal(event_del(ev), 0);
    run_ready(base);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(event_del(ev), 0);
    event_free(ev);
}

static void delete_other(evutil_socket_t fd, short what, void *arg)
{
    struct seen *seen = arg;

    see(fd, what, arg);
    event_del(seen->event);
}

static void a_callback_may_delete_what_would_come_next(void **state)
{
    struct seen first = {0}, second = {0};
    struct event *a = event_new(base, -1, 0, delete_other, &first);
    struct event *b = event_new(base, -1, 0, see, &second);

    (void)state;
    first.event = b;
    event_active(a, EV_READ, 1);
    event_active(b, EV_READ, 1);
    run_ready(base);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
    event_free(a);
    event_free(b);
}

static void free_self(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_free(arg);
}

static void a_callback_may_free_its_event(void **state)
{
    struct timeval soon = ms(1);
    struct event *ev = event_new(base, -1, EV_PERSIST, free_self, event_self_cbarg());

    (void)state;
    assert_ptr_equal(event_get_callback_arg(ev), ev);
    event_add(ev, &soon);
    assert_int_equal(event_base_dispatch(base), 1);
}

static void again_until_five(evutil_socket_t fd, short what, void *arg)
{
    struct seen *seen = arg;

    see(fd, what, arg);
    if (seen->calls < 5)
        event_active(seen->event, EV_READ, 1);
}

static void a_callback_that_activates_itself_comes_again_in_the_same_turn(void **state)
{
    struct seen seen = {0};

    (void)state;
    seen.event = event_new(base, -1, 0, again_until_five, &seen);
    event_active(seen.event, EV_READ, 1);
    assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(seen.calls, 5);
    event_free(seen.event);
}

static struct event *seen_running;

static void note_running(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    seen_running = event_base_get_running_event(arg);
}

static void the_running_event_is_known(void **state)
{
    struct event *ev = event_new(base, -1, 0, note_running, base);

    (void)state;
    event_active(ev, EV_READ, 1);
    run_ready(base);
    assert_ptr_equal(seen_running, ev);
    event_free(ev);
}

/* ---- priorities ---- */

static void priorities_run_in_their_order(void **state)
{
    struct event events[6];

    (void)state;
    assert_int_equal(event_base_priority_init(base, 3), 0);
    assert_int_equal(event_base_get_npriorities(base), 3);
    notes = 0;
    for (int i = 0; i < 6; i++) {
        event_assign(&events[i], base, -1, 0, note, (void *)(intptr_t)i);
        assert_int_equal(event_get_priority(&events[i]), 1);
        assert_int_equal(event_priority_set(&events[i], 2 - i % 3), 0);
        event_active(&events[i], EV_READ, 1);
    }
    assert_int_equal(event_priority_set(&events[0], 1), -1); /* it is active */
    assert_int_equal(event_base_priority_init(base, 2), -1); /* something is */
    run_ready(base);
    static const int order[] = {2, 5, 1, 4, 0, 3};
    assert_int_equal(notes, 6);
    assert_memory_equal(noted, order, sizeof order);
    assert_int_equal(event_priority_set(&events[0], 3), -1);
    assert_int_equal(event_priority_set(&events[0], -1), -1);
    assert_int_equal(event_base_priority_init(base, 0), -1);
    assert_int_equal(event_base_priority_init(base, EVENT_MAX_PRIORITIES), -1);
}

static void note_and_urge(evutil_socket_t fd, short what, void *arg)
{
    struct event *urgent = arg;

    note(fd, what, (void *)(intptr_t)100);
    event_active(urgent, EV_READ, 1);
}

static void what_is_more_urgent_interrupts_a_queue(void **state)
{
    struct event urgent, first, second;

    (void)state;
    event_base_priority_init(base, 2);
    event_assign(&urgent, base, -1, 0, note, (void *)(intptr_t)1);
    event_assign(&first, base, -1, 0, note_and_urge, &urgent);
    event_assign(&second, base, -1, 0, note, (void *)(intptr_t)2);
    event_priority_set(&urgent, 0);
    event_priority_set(&first, 1);
    event_priority_set(&second, 1);
    notes = 0;
    event_active(&first, EV_READ, 1);
    event_active(&second, EV_READ, 1);
    event_base_dispatch(base);
    static const int order[] = {100, 1, 2};
    assert_int_equal(notes, 3);
    assert_memory_equal(noted, order, sizeof order);
}

static void a_turn_calls_no_more_than_was_configured(void **state)
{
    struct event_config *config = event_config_new();
    struct event events[5];

    (void)state;
    assert_int_equal(event_config_set_max_dispatch_interval(config, NULL, 2, 0), 0);
    struct event_base *limited = event_base_new_with_config(config);
    event_config_free(config);
    notes = 0;
    for (int i = 0; i < 5; i++) {
        event_assign(&events[i], limited, -1, 0, note, (void *)(intptr_t)i);
        event_active(&events[i], EV_READ, 1);
    }
    event_base_loop(limited, EVLOOP_ONCE);
    assert_int_equal(notes, 5); /* ONCE: until nothing is active */
    for (int i = 0; i < 5; i++)
        event_active(&events[i], EV_READ, 1);
    event_base_loopexit(limited, NULL); /* the sixth */
    notes = 0;
    event_base_loop(limited, 0);
    assert_int_equal(notes, 5);
    event_base_free(limited);
}

/* ---- the end of the loop ---- */

static void a_loop_with_nothing_to_wait_for_returns_1(void **state)
{
    (void)state;
    assert_int_equal(event_base_loop(base, 0), 1);
    assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 1);
    assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
    assert_int_equal(event_base_got_exit(base), 0);
    assert_int_equal(event_base_got_break(base), 0);
}

static void break_loop(evutil_socket_t fd, short what, void *arg)
{
    struct seen *seen = arg;

    see(fd, what, arg);
    event_base_loopbreak(seen->base);
}

static void exit_loop(evutil_socket_t fd, short what, void *arg)
{
    struct seen *seen = arg;

    see(fd, what, arg);
    event_base_loopexit(seen->base, NULL);
}

static void a_break_is_at_once_and_an_exit_after_what_is_active(void **state)
{
    struct seen first = {.base = base}, second = {0};
    struct event *breaks = event_new(base, -1, 0, break_loop, &first);
    struct event *exits = event_new(base, -1, 0, exit_loop, &first);
    struct event *other = event_new(base, -1, 0, see, &second);

    (void)state;
    event_active(breaks, EV_READ, 1);
    event_active(other, EV_READ, 1);
    assert_int_equal(event_base_loop(base, 0), 0);
    assert_int_equal(second.calls, 0);
    assert_int_equal(event_base_got_break(base), 1);
    assert_int_equal(event_base_got_exit(base), 0);
    event_del(other);
    event_active(exits, EV_READ, 1);
    event_active(other, EV_READ, 1);
    assert_int_equal(event_base_loop(base, 0), 0);
    assert_int_equal(first.calls, 2);
    assert_int_equal(second.calls, 1);
    assert_int_equal(event_base_got_break(base), 0);
    assert_int_equal(event_base_got_exit(base), 1);
    event_free(breaks);
    event_free(exits);
    event_free(other);
}

static void an_exit_may_be_put_off(void **state)
{
    struct timeval soon = ms(5);
    int64_t before = now_us();

    (void)state;
    assert_int_equal(event_base_loopexit(base, &soon), 0);
    assert_int_equal(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    assert_int_equal(event_base_got_exit(base), 1);
    assert_true(now_us() - before >= 500);
}

static void a_break_before_the_loop_is_forgotten(void **state)
{
    (void)state;
    event_base_loopbreak(base);
    assert_int_equal(event_base_got_break(base), 1);
    assert_int_equal(event_base_loop(base, 0), 1);
    assert_int_equal(event_base_got_break(base), 0);
}

static int inner;

static void loop_inside(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    inner = event_base_loop(arg, EVLOOP_NONBLOCK);
}

static void a_loop_inside_of_the_loop_is_refused(void **state)
{
    int before = logged();

    (void)state;
    inner = 0;
    event_base_once(base, -1, EV_TIMEOUT, loop_inside, base, NULL);
    event_base_loop(base, 0);
    assert_int_equal(inner, -1);
    assert_int_equal(logged(), before + 1);
}

static int byte_to = -1;

static void write_and_continue(evutil_socket_t fd, short what, void *arg)
{
    note(fd, what, (void *)(intptr_t)9);
    assert_int_equal(write(byte_to, "x", 1), 1);
    event_base_loopcontinue(arg);
}

static void loopcontinue_looks_at_the_sources_before_the_rest(void **state)
{
    struct event first, second, urgent;
    int ends[2];

    (void)state;
    event_base_priority_init(base, 2);
    assert_int_equal(pipe(ends), 0);
    byte_to = ends[1];
    event_assign(&first, base, -1, 0, write_and_continue, base);
    event_assign(&second, base, -1, 0, note, (void *)(intptr_t)2);
    event_assign(&urgent, base, ends[0], EV_READ, note, (void *)(intptr_t)1);
    event_priority_set(&urgent, 0);
    event_add(&urgent, NULL);
    event_active(&first, EV_READ, 1);
    event_active(&second, EV_READ, 1);
    notes = 0;
    event_base_dispatch(base);
    static const int order[] = {9, 1, 2};
    assert_int_equal(notes, 3);
    assert_memory_equal(noted, order, sizeof order);
    close(ends[0]);
    close(ends[1]);
}

/* ---- once, counts, settings ---- */

static void once_is_once(void **state)
{
    struct seen seen = {0};
    struct timeval soon = ms(2);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "xy", 2), 2);
    assert_int_equal(event_base_once(base, ends[0], EV_READ, see_and_read, &seen, NULL), 0);
    assert_int_equal(event_base_once(base, -1, EV_TIMEOUT, see, &seen, &soon), 0);
    assert_int_equal(event_base_once(base, ends[0], EV_READ | EV_PERSIST, see, &seen, NULL), -1);
    assert_int_equal(event_base_once(base, 10, EV_SIGNAL, see, &seen, NULL), -1);
    assert_int_equal(event_base_once(base, ends[0], 0, see, &seen, NULL), -1);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(seen.calls, 2);
    /* one that never comes is freed with the base */
    assert_int_equal(event_base_once(base, ends[0], EV_TIMEOUT | EV_WRITE, see, &seen, &soon), 0);
    close(ends[0]);
    close(ends[1]);
}

static int count_them(const struct event_base *of, const struct event *ev, void *arg)
{
    int *count = arg;

    (void)of;
    if (event_get_callback(ev) != see)
        return 0; /* libevent's own */
    return ++*count == 100 ? 77 : 0;
}

static void events_are_counted_for_each_thing_they_wait_for(void **state)
{
    struct seen seen = {0};
    struct timeval later = ms(3600000);
    int ends[2], count = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    int before = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
    struct event *both = event_new(base, ends[0], EV_READ, see, &seen),
                 *timer = evtimer_new(base, see, &seen), *active = evtimer_new(base, see, &seen);
    event_add(both, &later);
    event_add(timer, &later);
    event_active(active, EV_TIMEOUT, 1);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) - before, 4);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 1);
    assert_int_equal(event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 1), 1);
    assert_int_equal(event_base_foreach_event(base, count_them, &count), 0);
    assert_int_equal(count, 3);
    count = 99;
    assert_int_equal(event_base_foreach_event(base, count_them, &count), 77);
    run_ready(base);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
    event_free(both);
    event_free(timer);
    event_free(active);
    close(ends[0]);
    close(ends[1]);
}

static void what_was_assigned_can_be_asked_for(void **state)
{
    struct seen seen = {0};
    struct event ev;
    struct event_base *of;
    evutil_socket_t fd;
    short events;
    event_callback_fn callback;
    void *argument;

    (void)state;
    memset(&ev, 0, sizeof ev);
    assert_false(event_initialized(&ev));
    event_assign(&ev, base, 3, EV_READ | EV_PERSIST, see, &seen);
    assert_true(event_initialized(&ev));
    event_get_assignment(&ev, &of, &fd, &events, &callback, &argument);
    assert_ptr_equal(of, base);
    assert_int_equal(fd, 3);
    assert_int_equal(events, EV_READ | EV_PERSIST);
    assert_true(callback == see);
    assert_ptr_equal(argument, &seen);
    assert_int_equal(event_get_fd(&ev), 3);
    assert_int_equal(event_get_events(&ev), EV_READ | EV_PERSIST);
    assert_ptr_equal(event_get_base(&ev), base);
    assert_int_equal(event_get_struct_event_size(), sizeof ev);
    assert_string_equal(event_get_version(), LIBEVENT_VERSION);
    assert_int_equal(event_get_version_number(), LIBEVENT_VERSION_NUMBER);
    int before = logged();
    assert_int_equal(event_assign(&ev, base, 3, EV_READ | EV_SIGNAL, see, &seen), -1);
    assert_int_equal(logged(), before + 1);
}

/* ---- ends of events and bases ---- */

static int finalized;

static void finalizer(struct event *ev, void *arg)
{
    (void)ev;
    finalized += *(int *)arg;
}

static void finalizers_run_in_the_loop_or_with_the_base(void **state)
{
    int one = 1, ten = 10;
    struct event embedded, *heap = event_new(base, -1, EV_PERSIST, see, &ten);
    struct timeval soon = ms(1);

    (void)state;
    finalized = 0;
    event_assign(&embedded, base, -1, EV_PERSIST | EV_FINALIZE, see, &one);
    event_add(&embedded, &soon);
    event_add(heap, &soon);
    assert_int_equal(event_finalize(0, &embedded, finalizer), 0);
    assert_int_equal(event_free_finalize(0, heap, finalizer), 0);
    assert_int_equal(event_add(&embedded, &soon), -1);
    assert_int_equal(event_del(&embedded), 0);
    event_active(&embedded, EV_READ, 1);
    assert_int_equal(finalized, 0);
    run_ready(base);
    assert_int_equal(finalized, 11);
    struct event_base *other = event_base_new();
    event_assign(&embedded, other, -1, 0, see, &one);
    event_finalize(0, &embedded, finalizer);
    heap = event_new(other, -1, 0, see, &ten);
    event_free_finalize(0, heap, finalizer);
    event_base_free(other);
    assert_int_equal(finalized, 22);
}

static void a_base_may_go_before_its_events(void **state)
{
    struct event_base *other = event_base_new();
    struct seen seen = {0};
    struct timeval later = ms(3600000);
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    struct event *reads = event_new(other, ends[0], EV_READ, see, &seen),
                 *signals = evsignal_new(other, SIGUSR2, see, &seen), *timer = evtimer_new(other, see, &seen),
                 *common = evtimer_new(other, see, &seen);
    event_add(reads, &later);
    event_add(signals, NULL);
    event_add(timer, &later);
    event_add(common, event_base_init_common_timeout(other, &later));
    event_active(timer, EV_READ, 1);
    event_base_free(other);
    free(reads);
    free(signals);
    free(timer);
    free(common);
    close(ends[0]);
    close(ends[1]);
}

static void the_calls_of_libevent_1_act_on_the_last_base(void **state)
{
    struct event_base *current = event_init(), *other = event_base_new();
    struct seen seen = {0};
    struct event ev, timer;
    struct timeval soon = ms(2);
    int ends[2];

    (void)state;
    assert_string_equal(event_get_method(), "epoll");
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    event_set(&ev, ends[0], EV_READ, see, &seen);
    assert_ptr_equal(event_get_base(&ev), current);
    assert_int_equal(event_base_set(other, &ev), 0);
    assert_int_equal(event_base_set(current, &ev), 0);
    event_add(&ev, NULL);
    assert_int_equal(event_base_set(other, &ev), -1);
    evtimer_set(&timer, see, &seen);
    event_add(&timer, &soon);
    assert_int_equal(event_once(-1, EV_TIMEOUT, see, &seen, &soon), 0);
    assert_int_equal(event_dispatch(), 1);
    assert_int_equal(seen.calls, 3);
    assert_int_equal(event_priority_init(3), 0);
    assert_int_equal(event_loopexit(&soon), 0);
    assert_int_equal(event_loop(EVLOOP_NO_EXIT_ON_EMPTY), 0);
    assert_int_equal(event_loopbreak(), 0);
    event_base_free(NULL);
    event_base_free(other);
    close(ends[0]);
    close(ends[1]);
}

static void ignore(int severity, const char *line)
{
    (void)severity;
    (void)line;
}

static void end_with_7(int error)
{
    (void)error;
    _exit(7);
}

static void an_event_of_a_priority_that_is_gone_ends_the_program(void **state)
{
    struct seen seen = {0};
    int status;

    (void)state;
    assert_int_equal(event_base_priority_init(base, 8), 0);
    struct event *ev = event_new(base, -1, 0, see, &seen);
    assert_int_equal(event_priority_set(ev, 7), 0);
    assert_int_equal(event_base_priority_init(base, 2), 0);
    pid_t child = fork();
    if (child == 0) {
        event_set_log_callback(ignore);
        event_set_fatal_callback(end_with_7);
        event_active(ev, EV_TIMEOUT, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    event_free(ev);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int test_loop(void)
{
    const struct CMUnitTest tests[] = {
        promise(an_event_that_is_activated_twice_is_called_once_with_both),
        promise(adding_an_active_event_does_not_make_it_wait),
        promise(a_deleted_event_is_not_called_although_it_was_active),
        promise(a_callback_may_delete_what_would_come_next),
        promise(a_callback_may_free_its_event),
        promise(a_callback_that_activates_itself_comes_again_in_the_same_turn),
        promise(the_running_event_is_known),
        promise(priorities_run_in_their_order),
        promise(what_is_more_urgent_interrupts_a_queue),
        promise(a_turn_calls_no_more_than_was_configured),
        promise(a_loop_with_nothing_to_wait_for_returns_1),
        promise(a_break_is_at_once_and_an_exit_after_what_is_active),
        promise(an_exit_may_be_put_off),
        promise(a_break_before_the_loop_is_forgotten),
        promise(a_loop_inside_of_the_loop_is_refused),
        promise(loopcontinue_looks_at_the_sources_before_the_rest),
        promise(once_is_once),
        promise(events_are_counted_for_each_thing_they_wait_for),
        promise(what_was_assigned_can_be_asked_for),
        promise(finalizers_run_in_the_loop_or_with_the_base),
        promise(a_base_may_go_before_its_events),
        promise(the_calls_of_libevent_1_act_on_the_last_base),
        promise(an_event_of_a_priority_that_is_gone_ends_the_program),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
