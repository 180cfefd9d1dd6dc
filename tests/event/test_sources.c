/* SPDX-License-Identifier: MIT */
/* Descriptors, methods, and forks. */
#include "test_event.h"

#include <event2/event_compat.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct event_base *base;
static int ends[2];

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0;
}

/* Through poll(2). */
static int set_up_poll(void **state)
{
    struct event_config *config = event_config_new();

    (void)state;
    event_config_avoid_method(config, "epoll");
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    event_base_free(base);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void put(const char *bytes)
{
    assert_int_equal(write(ends[1], bytes, strlen(bytes)), strlen(bytes));
}

/* ---- descriptors ---- */

static void an_event_without_persist_is_called_once(void **state)
{
    struct seen seen = {0};
    struct event *ev = event_new(base, ends[0], EV_READ, see, &seen);

    (void)state;
    event_add(ev, NULL);
    run_ready(base);
    assert_int_equal(seen.calls, 0);
    put("x");
    assert_int_equal(event_base_loop(base, 0), 1);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.what, EV_READ);
    assert_int_equal(seen.fd, ends[0]);
    assert_int_equal(event_pending(ev, EV_READ, NULL), 0);
    event_free(ev);
}

static void a_persistent_event_is_called_as_long_as_it_is_ready(void **state)
{
    struct seen seen = {0};
    struct event *ev = event_new(base, ends[0], EV_READ | EV_PERSIST, see_and_read, &seen);

    (void)state;
    event_add(ev, NULL);
    put("abc");
    for (int i = 0; i < 5; i++)
        run_ready(base);
    assert_int_equal(seen.calls, 3);
    assert_int_equal(event_pending(ev, EV_READ | EV_WRITE, NULL), EV_READ);
    event_free(ev);
}

static void several_events_share_a_descriptor_the_last_is_told_first(void **state)
{
    struct event *events[4];
    struct seen seen[4];

    (void)state;
    memset(seen, 0, sizeof seen);
    static const short what[] = {EV_READ, EV_WRITE, EV_READ | EV_WRITE, EV_READ};
    for (int i = 0; i < 4; i++) {
        events[i] = event_new(base, ends[0], (short)(what[i] | EV_PERSIST), see, &seen[i]);
        assert_int_equal(event_add(events[i], NULL), 0);
    }
    run_ready(base);
    assert_int_equal(seen[0].calls + seen[3].calls, 0);
    assert_int_equal(seen[1].what, EV_WRITE);
    assert_int_equal(seen[2].what, EV_WRITE);
    put("x");
    run_ready(base);
    assert_int_equal(seen[0].what, EV_READ);
    assert_int_equal(seen[2].what, EV_READ | EV_WRITE);
    assert_int_equal(seen[3].what, EV_READ);
    event_del(events[2]);
    event_del(events[1]);
    event_del(events[3]);
    run_ready(base);
    assert_int_equal(seen[0].calls, 2);
    assert_int_equal(seen[1].calls, 2);
    for (int i = 0; i < 4; i++)
        event_free(events[i]);
}

static void edge_triggered_is_told_when_more_comes(void **state)
{
    struct seen seen = {0};
    struct event *ev = event_new(base, ends[0], EV_READ | EV_PERSIST | EV_ET, see, &seen);

    (void)state;
    event_add(ev, NULL);
    put("x");
    run_ready(base);
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.what, EV_READ | EV_ET);
    put("y");
    run_ready(base);
    assert_int_equal(seen.calls, 2);
    event_free(ev);
}

static void the_other_end_s_close_wakes_readers_and_those_who_want_it_alone(void **state)
{
    struct seen reader = {0}, closer = {0};
    struct event *reads = event_new(base, ends[0], EV_READ | EV_PERSIST, see, &reader),
                 *closes = event_new(base, ends[0], EV_CLOSED | EV_PERSIST, see, &closer);

    (void)state;
    event_add(reads, NULL);
    event_add(closes, NULL);
    put("x");
    run_ready(base);
    assert_int_equal(reader.what, EV_READ);
    assert_int_equal(closer.calls, 0);
    assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
    run_ready(base);
    assert_int_equal(reader.calls, 2);
    assert_int_equal(closer.calls, 1);
    assert_int_equal(closer.what, EV_CLOSED);
    event_free(reads);
    event_free(closes);
}

static void a_hang_up_wakes_writers_too(void **state)
{
    struct seen seen = {0};
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    struct event *ev = event_new(base, pipes[1], EV_WRITE | EV_PERSIST, see, &seen);
    event_add(ev, NULL);
    close(pipes[0]);
    run_ready(base);
    assert_int_equal(seen.what, EV_WRITE);
    event_free(ev);
    close(pipes[1]);
    assert_int_equal(pipe(pipes), 0);
    seen.what = 0;
    ev = event_new(base, pipes[0], EV_READ | EV_PERSIST, see, &seen);
    event_add(ev, NULL);
    close(pipes[1]);
    run_ready(base);
    assert_int_equal(seen.what, EV_READ);
    event_free(ev);
    close(pipes[0]);
}

static void a_file_is_refused_by_epoll_and_always_ready_for_poll(void **state)
{
    struct seen seen = {0};
    int fd = open("/dev/null", O_RDONLY), before = logged();

    (void)state;
    struct event *ev = event_new(base, fd, EV_READ, see, &seen);
    if ((event_base_get_features(base) & EV_FEATURE_FDS) != 0) {
        assert_int_equal(event_add(ev, NULL), 0);
        run_ready(base);
        assert_int_equal(seen.what, EV_READ);
    } else {
        assert_int_equal(event_add(ev, NULL), -1);
        assert_int_equal(logged(), before + 1);
        assert_int_equal(event_pending(ev, EV_READ, NULL), 0);
        assert_int_equal(event_base_loop(base, 0), 1);
    }
    event_free(ev);
    close(fd);
}

static void a_descriptor_that_was_closed_first_can_be_deleted_and_used_again(void **state)
{
    struct seen seen = {0};
    int other[2], before = logged();

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    struct event *ev = event_new(base, other[0], EV_READ | EV_PERSIST, see, &seen);
    event_add(ev, NULL);
    close(other[0]);
    assert_int_equal(event_del(ev), 0);
    assert_int_equal(dup2(ends[0], other[0]), other[0]);
    event_add(ev, NULL);
    put("x");
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    /* again, and not deleted: the event that is added finds the old one's place */
    close(other[0]);
    assert_int_equal(dup2(ends[0], other[0]), other[0]);
    struct event *more = event_new(base, other[0], EV_WRITE, see, &seen);
    assert_int_equal(event_add(more, NULL), 0);
    run_ready(base);
    assert_true(seen.calls >= 2);
    assert_int_equal(logged(), before);
    event_free(ev);
    event_free(more);
    close(other[0]);
    close(other[1]);
}

/* The kernel has forgotten it, the library has not; then the other way round. */
static void a_number_that_stands_for_another_socket_is_waited_for_again(void **state)
{
    struct seen reader = {0}, writer = {0};
    int other[2], number;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    struct event *reads = event_new(base, other[0], EV_READ | EV_PERSIST, see_and_read, &reader),
                 *writes = event_new(base, other[0], EV_WRITE, see, &writer);
    event_add(reads, NULL);
    close(other[0]);
    assert_int_equal(dup2(ends[0], other[0]), other[0]);
    assert_int_equal(event_add(writes, NULL), 0);
    put("x");
    run_ready(base);
    assert_true(reader.calls == 1 && writer.calls == 1);
    event_free(reads);
    event_free(writes);
    close(other[0]);
    close(other[1]);
    number = dup(ends[0]);
    reads = event_new(base, number, EV_READ, see_and_read, &reader);
    event_add(reads, NULL);
    close(number);
    event_del(reads);
    assert_int_equal(dup2(ends[0], number), number);
    assert_int_equal(event_add(reads, NULL), 0);
    put("y");
    run_ready(base);
    assert_int_equal(reader.calls, 2);
    event_free(reads);
    close(number);
}

static void an_event_without_a_descriptor_waits_for_its_timeout_only(void **state)
{
    struct seen seen = {0};
    struct timeval soon = ms(2);
    struct event *ev = event_new(base, -1, EV_READ | EV_WRITE, see, &seen);

    (void)state;
    assert_int_equal(event_add(ev, &soon), 0);
    assert_int_equal(event_pending(ev, EV_READ | EV_TIMEOUT, NULL), EV_READ | EV_TIMEOUT);
    assert_int_equal(event_base_dispatch(base), 1);
    assert_int_equal(seen.what, EV_TIMEOUT);
    event_free(ev);
}

enum { MANY = 400 };

/* Numbers that no descriptor has, from what was never set: an error, neither a crash nor gigabytes. */
static void a_number_that_no_descriptor_has_is_refused(void **state)
{
    static const int numbers[] = {INT_MAX, INT_MAX - 1, 1 << 30, 1 << 29};

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct event *ev = event_new(base, numbers[i], EV_READ, see, NULL);

        assert_int_equal(event_add(ev, NULL), -1);
        assert_int_equal(event_pending(ev, EV_READ, NULL), 0);
        event_free(ev);
    }
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), 0);
}

static void hundreds_of_descriptors_are_told_apart(void **state)
{
    static int pairs[MANY][2];
    static struct seen seen[MANY];
    static struct event *events[MANY];

    (void)state;
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        events[i] = event_new(base, pairs[i][0], EV_READ | EV_PERSIST, see_and_read, &seen[i]);
        assert_int_equal(event_add(events[i], NULL), 0);
    }
    for (int i = 0; i < MANY; i += 3)
        assert_int_equal(write(pairs[i][1], "x", 1), 1);
    for (int i = 0; i < MANY; i += 5)
        event_del(events[i]);
    for (int i = 0; i < 50; i++)
        run_ready(base);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(seen[i].calls, i % 3 == 0 && i % 5 != 0);
        event_free(events[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

static void descriptors_can_be_activated_by_their_number(void **state)
{
    struct seen seen = {0};
    struct event *ev = event_new(base, ends[0], EV_READ | EV_PERSIST, see, &seen);

    (void)state;
    event_add(ev, NULL);
    event_base_active_by_fd(base, ends[0], EV_WRITE);
    run_ready(base);
    assert_int_equal(seen.calls, 0);
    event_base_active_by_fd(base, ends[0], EV_READ);
    run_ready(base);
    assert_int_equal(seen.calls, 1);
    event_free(ev);
}

static int order[4], order_count;

static void note_first(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)arg;
    order[order_count++] = what;
}

static void a_turn_is_descriptors_then_timeouts_then_signals(void **state)
{
    struct timeval soon = ms(1);
    struct event *reads = event_new(base, ends[0], EV_READ, note_first, NULL),
                 *timer = evtimer_new(base, note_first, NULL),
                 *signals = evsignal_new(base, SIGUSR1, note_first, NULL);

    (void)state;
    order_count = 0;
    event_add(signals, NULL);
    event_add(timer, &soon);
    event_add(reads, NULL);
    raise(SIGUSR1);
    put("x");
    usleep(15000);
    run_ready(base);
    run_ready(base);
    assert_int_equal(order_count, 3);
    assert_true(order[0] == EV_READ && order[1] == EV_TIMEOUT && order[2] == EV_SIGNAL);
    event_free(reads);
    event_free(timer);
    event_free(signals);
}

/* ---- methods ---- */

static void methods_are_chosen_by_what_they_can(void **state)
{
    struct event_config *config = event_config_new();
    struct event_base *made;

    (void)state;
    assert_string_equal(event_base_get_method(base), "epoll");
    assert_int_equal(event_base_get_features(base), EV_FEATURE_ET | EV_FEATURE_O1 | EV_FEATURE_EARLY_CLOSE);
    event_config_require_features(config, EV_FEATURE_FDS);
    made = event_base_new_with_config(config);
    assert_string_equal(event_base_get_method(made), "poll");
    assert_int_equal(event_base_get_features(made), EV_FEATURE_FDS | EV_FEATURE_EARLY_CLOSE);
    event_base_free(made);
    logged();
    event_config_require_features(config, EV_FEATURE_FDS | EV_FEATURE_O1);
    assert_null(event_base_new_with_config(config));
    event_config_free(config);
    setenv("EVENT_NOEPOLL", "1", 1);
    made = event_base_new();
    unsetenv("EVENT_NOEPOLL");
    assert_string_equal(event_base_get_method(made), "poll");
    event_base_free(made);
    assert_string_equal(event_get_supported_methods()[0], "epoll");
}

/* ---- forks ---- */

static void a_child_has_its_own_events_after_event_reinit(void **state)
{
    struct seen reader = {0}, signals = {0};
    struct event *reads = event_new(base, ends[0], EV_READ | EV_PERSIST, see_and_read, &reader),
                 *signalled = evsignal_new(base, SIGUSR1, see, &signals);
    struct timeval later = ms(3600000);
    int status;

    (void)state;
    event_add(reads, &later);
    evsignal_add(signalled, NULL);
    pid_t child = fork();
    if (child == 0) {
        if (event_reinit(base) != 0)
            _exit(2);
        event_del(reads); /* the parent's goes on */
        raise(SIGUSR1);
        event_base_loop(base, EVLOOP_ONCE);
        if (signals.calls != 1)
            _exit(3);
        event_add(reads, NULL);
        if (write(ends[1], "x", 1) != 1)
            _exit(4);
        event_base_loop(base, EVLOOP_ONCE);
        _exit(reader.calls == 1 ? 0 : 5);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    run_ready(base);
    assert_int_equal(signals.calls, 0);
    assert_int_equal(reader.calls, 0);
    put("y");
    run_ready(base);
    assert_int_equal(reader.calls, 1);
    event_free(reads);
    event_free(signalled);
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void what_event_reinit_could_not_open_is_not_closed_later(void **state)
{
    const char *library = getenv("PAWL_TEST_EVENT");
    int status;
    pid_t child;

    (void)state;
    if (library != NULL && strstr(library, "libevent") != NULL)
        skip(); /* which ends the program */
    child = fork();
    if (child == 0) {
        int ours;

        event_set_mem_functions(no_memory, NULL, NULL);
        if (event_reinit(base) != -1)
            _exit(2);
        ours = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest free number, which the base had */
        event_base_free(base);
        _exit(ours >= 0 && fcntl(ours, F_GETFD) >= 0 ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define promise_poll(name)                                 \
    {                                                      \
#name ", poll", name, set_up_poll, tear_down, NULL \
    }

int test_sources(void)
{
    const struct CMUnitTest tests[] = {
        promise(an_event_without_persist_is_called_once),
        promise(a_persistent_event_is_called_as_long_as_it_is_ready),
        promise(several_events_share_a_descriptor_the_last_is_told_first),
        promise(edge_triggered_is_told_when_more_comes),
        promise(the_other_end_s_close_wakes_readers_and_those_who_want_it_alone),
        promise(a_hang_up_wakes_writers_too),
        promise(a_file_is_refused_by_epoll_and_always_ready_for_poll),
        promise(a_descriptor_that_was_closed_first_can_be_deleted_and_used_again),
        promise(a_number_that_stands_for_another_socket_is_waited_for_again),
        promise(an_event_without_a_descriptor_waits_for_its_timeout_only),
        promise(a_number_that_no_descriptor_has_is_refused),
        promise(hundreds_of_descriptors_are_told_apart),
        promise(descriptors_can_be_activated_by_their_number),
        promise(a_turn_is_descriptors_then_timeouts_then_signals),
        promise(methods_are_chosen_by_what_they_can),
        promise(a_child_has_its_own_events_after_event_reinit),
        promise(what_event_reinit_could_not_open_is_not_closed_later),
        promise_poll(an_event_without_persist_is_called_once),
        promise_poll(a_persistent_event_is_called_as_long_as_it_is_ready),
        promise_poll(several_events_share_a_descriptor_the_last_is_told_first),
        promise_poll(the_other_end_s_close_wakes_readers_and_those_who_want_it_alone),
        promise_poll(a_hang_up_wakes_writers_too),
        promise_poll(a_file_is_refused_by_epoll_and_always_ready_for_poll),
        promise_poll(a_descriptor_that_was_closed_first_can_be_deleted_and_used_again),
        promise_poll(an_event_without_a_descriptor_waits_for_its_timeout_only),
        promise_poll(a_number_that_no_descriptor_has_is_refused),
        promise_poll(hundreds_of_descriptors_are_told_apart),
        promise_poll(a_child_has_its_own_events_after_event_reinit),
    };

    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
