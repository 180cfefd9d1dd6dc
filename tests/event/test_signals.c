/* SPDX-License-Identifier: MIT */
/* Signals as events. */
#include "test_event.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct event_base *base;

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL;
}

/* Through poll(2). */
static int set_up_poll(void **state)
{
    struct event_config *config = event_config_new();

    (void)state;
    event_config_avoid_method(config, "epoll");
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

static void a_signal_is_told_as_often_as_it_came(void **state)
{
    struct seen first = {0}, second = {0}, other = {0};
    struct event *a = evsignal_new(base, SIGUSR1, see, &first),
                 *b = event_new(base, SIGUSR1, EV_SIGNAL, see, &second),
                 *c = evsignal_new(base, SIGUSR2, see, &other);

    (void)state;
    evsignal_add(a, NULL);
    evsignal_add(b, NULL);
    evsignal_add(c, NULL);
    assert_int_equal(evsignal_pending(a, NULL), EV_SIGNAL);
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR1);
    run_ready(base);
    run_ready(base);
    assert_int_equal(first.calls, 3);
    assert_int_equal(first.what, EV_SIGNAL);
    assert_int_equal(first.fd, SIGUSR1);
    assert_int_equal(second.calls, 3);
    assert_int_equal(other.calls, 0);
    assert_int_equal(evsignal_pending(b, NULL), 0); /* it does not persist */
    raise(SIGUSR1);
    raise(SIGUSR2);
    run_ready(base);
    run_ready(base);
    assert_int_equal(first.calls, 4);
    assert_int_equal(second.calls, 3);
    assert_int_equal(other.calls, 1);
    event_base_active_by_signal(base, SIGUSR2);
    run_ready(base);
    assert_int_equal(other.calls, 2);
    event_free(a);
    event_free(b);
    event_free(c);
}

static void delete_it(evutil_socket_t fd, short what, void *arg)
{
    struct seen *seen = arg;

    see(fd, what, arg);
    event_del(seen->event);
}

static void a_deleted_signal_is_not_told_the_rest(void **state)
{
    struct seen seen = {0};

    (void)state;
    seen.event = evsignal_new(base, SIGUSR1, delete_it, &seen);
    evsignal_add(seen.event, NULL);
    event_active(seen.event, EV_SIGNAL, 3);
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    event_active(seen.event, EV_SIGNAL, 0);
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    event_free(seen.event);
}

/* What is left to call stands on the stack of the loop while it calls. */
static void a_deleted_signal_does_not_remember_the_loop(void **state)
{
    const char *library = getenv("PAWL_TEST_EVENT");
    struct seen seen = {0};

    (void)state;
    if (library != NULL && strstr(library, "libevent") != NULL)
        skip(); /* which writes there when the event is deleted again */
    seen.event = evsignal_new(base, SIGUSR1, delete_it, &seen);
    evsignal_add(seen.event, NULL);
    event_active(seen.event, EV_SIGNAL, 3);
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    assert_null(seen.event->ev_.ev_signal.ev_pncalls);
    event_free(seen.event);
}

static int old_calls;

static void old_handler(int number)
{
    (void)number;
    old_calls++;
}

static void the_handler_that_was_there_comes_back(void **state)
{
    struct sigaction ours = {.sa_handler = old_handler}, now;
    struct seen seen = {0};
    struct event *ev = evsignal_new(base, SIGUSR1, see, &seen);

    (void)state;
    sigaction(SIGUSR1, &ours, NULL);
    evsignal_add(ev, NULL);
    raise(SIGUSR1);
    assert_int_equal(old_calls, 0);
    evsignal_del(ev);
    sigaction(SIGUSR1, NULL, &now);
    assert_true(now.sa_handler == old_handler);
    raise(SIGUSR1);
    assert_int_equal(old_calls, 1);
    signal(SIGUSR1, SIG_DFL);
    event_free(ev);
}

static void a_signal_may_have_a_timeout(void **state)
{
    struct seen seen = {0};
    struct timeval soon = ms(3);
    struct event *ev = event_new(base, SIGUSR1, EV_SIGNAL, see, &seen);

    (void)state;
    event_add(ev, &soon);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.what, EV_TIMEOUT);
    event_free(ev);
}

static struct event_base *broken_by_handler;

static void break_from_handler(int number)
{
    (void)number;
    event_base_loopbreak(broken_by_handler);
}

static void a_handler_may_break_the_loop(void **state)
{
    struct sigaction ours = {.sa_handler = break_from_handler};

    (void)state;
    broken_by_handler = base;
    sigaction(SIGALRM, &ours, NULL);
    ualarm(5000, 5000); /* again and again: the first may come before the loop */
    assert_int_equal(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY), 0);
    ualarm(0, 0);
    signal(SIGALRM, SIG_DFL);
    assert_int_equal(event_base_got_break(base), 1);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int test_signals(void)
{
    const struct CMUnitTest tests[] = {
        promise(a_signal_is_told_as_often_as_it_came),
        promise(a_deleted_signal_is_not_told_the_rest),
        promise(a_deleted_signal_does_not_remember_the_loop),
        promise(the_handler_that_was_there_comes_back),
        promise(a_signal_may_have_a_timeout),
        promise(a_handler_may_break_the_loop),
        {"a_signal_is_told_as_often_as_it_came, poll", a_signal_is_told_as_often_as_it_came, set_up_poll,
         tear_down, NULL},
    };

    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
