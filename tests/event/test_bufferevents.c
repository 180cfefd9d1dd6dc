/* SPDX-License-Identifier: MIT */
/* Bufferevents. */
#include "test_event.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_compat.h>
#include <event2/bufferevent_struct.h>
#include <event2/event_compat.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_base *base;
static int ends[2];

struct told {
    int reads, writes, events;
    short what;
    bool free_it;
    size_t take; /* bytes, in each callback for reading */
};

static struct told tells;

static int set_up(void **state)
{
    (void)state;
    memset(&tells, 0, sizeof tells);
    base = event_base_new();
    return base == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    run_ready(base); /* what was freed is closed by the loop */
    event_base_free(base);
    close(ends[1]);
    return 0;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct told *to = arg;

    to->reads++;
    evbuffer_drain(bufferevent_get_input(bev), to->take);
    if (to->free_it)
        bufferevent_free(bev);
}

static void on_write(struct bufferevent *bev, void *arg)
{
    struct told *to = arg;

    (void)bev;
    to->writes++;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct told *to = arg;

    to->events++;
    to->what = what;
    if (to->free_it)
        bufferevent_free(bev);
}

static struct bufferevent *make(int options)
{
    struct bufferevent *bev = bufferevent_socket_new(base, ends[0], options | BEV_OPT_CLOSE_ON_FREE);

    assert_non_null(bev);
    bufferevent_setcb(bev, on_read, on_write, on_event, &tells);
    return bev;
}

static void turns(int count)
{
    for (int i = 0; i < count; i++)
        run_ready(base);
}

static void what_is_written_arrives_and_what_arrives_is_told(void **state)
{
    struct bufferevent *bev = make(0);
    char text[16];

    (void)state;
    assert_int_equal(bufferevent_get_enabled(bev), EV_WRITE);
    assert_int_equal(bufferevent_getfd(bev), ends[0]);
    assert_ptr_equal(bufferevent_get_base(bev), base);
    assert_int_equal(bufferevent_write(bev, "hello", 5), 0);
    turns(2);
    assert_int_equal(tells.writes, 1);
    assert_int_equal(read(ends[1], text, sizeof text), 5);
    assert_int_equal(write(ends[1], "there", 5), 5);
    turns(2);
    assert_int_equal(tells.reads, 0); /* not enabled */
    assert_int_equal(bufferevent_enable(bev, EV_READ), 0);
    turns(2);
    assert_int_equal(tells.reads, 1);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(bev)), 5);
    assert_int_equal(bufferevent_read(bev, text, sizeof text), 5);
    assert_memory_equal(text, "there", 5);
    assert_int_equal(bufferevent_read(bev, text, sizeof text), 0);
    bufferevent_free(bev);
}

static void enabling_writing_tells_that_there_is_room(void **state)
{
    struct bufferevent *bev = make(0);

    (void)state;
    bufferevent_enable(bev, EV_WRITE);
    turns(3);
    assert_int_equal(tells.writes, 1);
    bufferevent_disable(bev, EV_WRITE);
    bufferevent_write(bev, "x", 1);
    turns(2);
    assert_int_equal(tells.writes, 1);
    assert_int_equal(evbuffer_get_length(bufferevent_get_output(bev)), 1);
    bufferevent_enable(bev, EV_WRITE);
    turns(2);
    assert_int_equal(tells.writes, 2);
    bufferevent_free(bev);
}

static void the_end_and_time_are_told_with_their_direction(void **state)
{
    struct bufferevent *bev = make(0);
    struct timeval soon = ms(3);

    (void)state;
    bufferevent_enable(bev, EV_READ);
    bufferevent_set_timeouts(bev, &soon, NULL);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(tells.what, BEV_EVENT_READING | BEV_EVENT_TIMEOUT);
    assert_int_equal(bufferevent_get_enabled(bev), EV_WRITE);
    bufferevent_set_timeouts(bev, NULL, NULL);
    bufferevent_enable(bev, EV_READ);
    shutdown(ends[1], SHUT_WR);
    turns(2);
    assert_int_equal(tells.events, 2);
    assert_int_equal(tells.what, BEV_EVENT_READING | BEV_EVENT_EOF);
    bufferevent_free(bev);
}

static void a_broken_connection_is_an_error_of_writing(void **state)
{
    struct bufferevent *bev = make(0);

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    shutdown(ends[1], SHUT_RDWR);
    bufferevent_write(bev, "x", 1);
    turns(2);
    assert_int_equal(tells.what, BEV_EVENT_WRITING | BEV_EVENT_ERROR);
    assert_int_equal(bufferevent_get_enabled(bev), 0);
    signal(SIGPIPE, SIG_DFL);
    bufferevent_free(bev);
}

static void water_marks_hold_back(void **state)
{
    struct bufferevent *bev = make(0);
    size_t low, high;

    (void)state;
    bufferevent_setwatermark(bev, EV_READ, 4, 8);
    assert_int_equal(bufferevent_getwatermark(bev, EV_READ, &low, &high), 0);
    assert_int_equal(low, 4);
    assert_int_equal(high, 8);
    bufferevent_enable(bev, EV_READ);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    turns(2);
    assert_int_equal(tells.reads, 0);
    assert_int_equal(write(ends[1], "defghijkl", 9),
                     9); /* 12 in all: 8 at once, then as many as were taken */
    tells.take = 1;
    turns(1);
    assert_int_equal(tells.reads, 1);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(bev)), 7);
    tells.take = 5;
    turns(4);
    assert_int_equal(tells.reads, 3);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(bev)), 1);
    bufferevent_setwatermark(bev, EV_READ, 0, 1); /* full as it is: nothing more is read */
    assert_int_equal(write(ends[1], "m", 1), 1);
    bufferevent_disable(bev, EV_READ);
    bufferevent_setwatermark(bev, EV_READ, 0, 0);
    turns(2);
    assert_int_equal(tells.reads, 3);
    tells.take = 0;
    bufferevent_enable(bev, EV_READ);
    turns(2);
    assert_int_equal(tells.reads, 4);
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(bev)), 2);
    bufferevent_free(bev);
}

static void a_callback_may_free_its_bufferevent(void **state)
{
    struct bufferevent *bev = make(0);

    (void)state;
    tells.free_it = true;
    bufferevent_enable(bev, EV_READ);
    assert_int_equal(write(ends[1], "x", 1), 1);
    turns(2);
    assert_int_equal(tells.reads, 1);
    char byte;
    assert_int_equal(read(ends[1], &byte, 1), 0); /* closed */
}

static void deferred_callbacks_come_later_in_the_same_order(void **state)
{
    struct bufferevent *bev = make(BEV_OPT_DEFER_CALLBACKS);

    (void)state;
    bufferevent_trigger(bev, EV_READ | EV_WRITE, 0);
    bufferevent_trigger_event(bev, BEV_EVENT_EOF, 0);
    assert_int_equal(tells.reads + tells.writes + tells.events, 0);
    turns(2);
    assert_int_equal(tells.reads, 1);
    assert_int_equal(tells.writes, 1);
    assert_int_equal(tells.what, BEV_EVENT_EOF);
    bufferevent_trigger(bev, EV_READ, 0);
    bufferevent_free(bev); /* the deferred one is told no more */
    turns(2);
    assert_int_equal(tells.reads, 1);
}

static void connections_are_made_or_refused(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &size);
    for (int i = 0; i < 2; i++) {
        struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

        tells.what = 0;
        bufferevent_setcb(bev, on_read, on_write, on_event, &tells);
        bufferevent_socket_connect(bev, (struct sockaddr *)&address, sizeof address);
        for (int turn = 0; turn < 5000 && tells.what == 0; turn++) {
            run_ready(base);
            usleep(200);
        }
        assert_int_equal(tells.what, i == 0 ? BEV_EVENT_CONNECTED : BEV_EVENT_ERROR);
        bufferevent_free(bev);
        if (i == 0)
            close(listener);
    }
    close(ends[0]);
}

static void what_is_deferred_is_not_told_after_a_callback_freed_it(void **state)
{
    struct bufferevent *bev = make(BEV_OPT_DEFER_CALLBACKS);

    (void)state;
    tells.free_it = true;
    bufferevent_trigger(bev, EV_READ | EV_WRITE, 0);
    bufferevent_trigger_event(bev, BEV_EVENT_EOF, 0);
    turns(2);
    assert_int_equal(tells.reads, 1);
    assert_int_equal(tells.writes + tells.events, 0);
}

static void callbacks_without_the_lock_must_be_deferred(void **state)
{
    int before = logged();

    (void)state;
    assert_null(bufferevent_socket_new(base, ends[0], BEV_OPT_UNLOCK_CALLBACKS));
    assert_int_equal(logged(), before + 1);
    close(ends[0]);
}

/* Its input stays above the high mark, so it is asked again, and again. */
static void a_callback_that_takes_nothing_leaves_the_others_their_turn(void **state)
{
    struct bufferevent *bev = make(0);
    struct timeval soon = ms(1);
    struct seen seen = {0};

    (void)state;
    bufferevent_setwatermark(bev, EV_READ, 0, 1);
    bufferevent_enable(bev, EV_READ);
    assert_int_equal(write(ends[1], "xy", 2), 2);
    event_base_once(base, -1, EV_TIMEOUT, see, &seen, &soon);
    event_base_loopexit(base, &soon);
    assert_int_equal(event_base_loop(base, 0), 0);
    assert_int_equal(seen.calls, 1);
    assert_true(tells.reads > 1);
    bufferevent_free(bev);
    turns(2);
}

static void taking_below_the_high_mark_begins_the_timeout_anew(void **state)
{
    struct bufferevent *bev = make(0);
    struct timeval hour = {3600, 0};

    (void)state;
    bufferevent_enable(bev, EV_READ);
    bufferevent_set_timeouts(bev, &hour, NULL);
    assert_int_equal(event_remove_timer(&bev->ev_read), 0);
    bufferevent_setwatermark(bev, EV_READ, 0, 9);
    assert_int_equal(event_pending(&bev->ev_read, EV_TIMEOUT, NULL), EV_TIMEOUT);
    bufferevent_free(bev);
    turns(1);
}

static void without_a_descriptor_it_waits_for_its_timeout(void **state)
{
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    struct timeval soon = ms(1);

    (void)state;
    bufferevent_setcb(bev, on_read, on_write, on_event, &tells);
    bufferevent_set_timeouts(bev, &soon, NULL);
    bufferevent_enable(bev, EV_READ);
    event_base_dispatch(base);
    assert_int_equal(tells.what, BEV_EVENT_TIMEOUT | BEV_EVENT_READING);
    bufferevent_free(bev);
    turns(1);
    close(ends[0]);
}

/* The kernel tells a refusal once: here to read(2), which comes first. */
static void a_refusal_that_reading_found_is_told_as_one_of_connecting(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int closed = socket(AF_INET, SOCK_DGRAM, 0), fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)state;
    assert_int_equal(bind(closed, (struct sockaddr *)&address, sizeof address), 0);
    getsockname(closed, (struct sockaddr *)&address, &size);
    close(closed);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    bufferevent_setcb(bev, on_read, on_write, on_event, &tells);
    bufferevent_socket_connect(bev, NULL, 0);
    bufferevent_enable(bev, EV_READ); /* added last: called first */
    assert_int_equal(send(fd, "x", 1, 0), 1);
    turns(2);
    assert_int_equal(tells.events, 1);
    assert_int_equal(tells.what, BEV_EVENT_ERROR);
    bufferevent_free(bev);
    turns(1);
    close(ends[0]);
}

static void the_constructor_of_libevent_1_takes_the_last_base(void **state)
{
    struct event_base *current = event_init();
    struct bufferevent *bev = bufferevent_new(ends[0], on_read, on_write, on_event, &tells);

    (void)state;
    assert_int_equal(bufferevent_base_set(base, bev), 0);
    bufferevent_settimeout(bev, 1000, 0);
    bufferevent_enable(bev, EV_READ);
    assert_int_equal(write(ends[1], "x", 1), 1);
    turns(2);
    assert_int_equal(tells.reads, 1);
    bufferevent_free(bev);
    event_base_free(current);
    turns(1);
    close(ends[0]);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int test_bufferevents(void)
{
    const struct CMUnitTest tests[] = {
        promise(what_is_written_arrives_and_what_arrives_is_told),
        promise(enabling_writing_tells_that_there_is_room),
        promise(the_end_and_time_are_told_with_their_direction),
        promise(a_broken_connection_is_an_error_of_writing),
        promise(water_marks_hold_back),
        promise(a_callback_may_free_its_bufferevent),
        promise(deferred_callbacks_come_later_in_the_same_order),
        promise(connections_are_made_or_refused),
        promise(what_is_deferred_is_not_told_after_a_callback_freed_it),
        promise(callbacks_without_the_lock_must_be_deferred),
        promise(a_callback_that_takes_nothing_leaves_the_others_their_turn),
        promise(taking_below_the_high_mark_begins_the_timeout_anew),
        promise(without_a_descriptor_it_waits_for_its_timeout),
        promise(a_refusal_that_reading_found_is_told_as_one_of_connecting),
        promise(the_constructor_of_libevent_1_takes_the_last_base),
    };

    return cmocka_run_group_tests_name("bufferevents", tests, NULL, NULL);
}
