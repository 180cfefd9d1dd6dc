/* SPDX-License-Identifier: MIT */
/* evbuffers and bufferevents. */
#include "test_event.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/buffer_compat.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_compat.h>
#include <event2/event_compat.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- buffers ---- */

static struct evbuffer *buffer;

static int new_buffer(void **state)
{
    (void)state;
    buffer = evbuffer_new();
    return buffer == NULL;
}

static int free_buffer(void **state)
{
    (void)state;
    evbuffer_free(buffer);
    return 0;
}

static void holds(const char *text)
{
    assert_int_equal(evbuffer_get_length(buffer), strlen(text));
    if (*text == '\0')
        assert_null(evbuffer_pullup(buffer, -1));
    else
        assert_memory_equal(evbuffer_pullup(buffer, -1), text, strlen(text));
}

static void bytes_leave_in_the_order_in_which_they_came(void **state)
{
    char out[8];

    (void)state;
    assert_int_equal(evbuffer_add(buffer, "abc", 3), 0);
    assert_int_equal(evbuffer_add_printf(buffer, "%d-%s", 42, "x"), 4);
    assert_int_equal(evbuffer_prepend(buffer, "<<", 2), 0);
    holds("<<abc42-x");
    assert_int_equal(evbuffer_copyout(buffer, out, 4), 4);
    assert_memory_equal(out, "<<ab", 4);
    assert_int_equal(evbuffer_remove(buffer, out, 3), 3);
    assert_int_equal(evbuffer_drain(buffer, 2), 0);
    holds("42-x");
    assert_null(evbuffer_pullup(buffer, 5));
    assert_null(evbuffer_pullup(buffer, 0));
    assert_int_equal(evbuffer_drain(buffer, 100), 0);
    holds("");
    assert_int_equal(evbuffer_remove(buffer, out, 3), 0);
}

static void lines_end_in_five_ways(void **state)
{
    static const struct {
        enum evbuffer_eol_style style;
        const char *text, *first, *rest;
    } cases[] = {
        {EVBUFFER_EOL_ANY, "a\n\r\nb\n", "a", "b\n"},
        {EVBUFFER_EOL_ANY, "abc", NULL, "abc"},
        {EVBUFFER_EOL_CRLF, "a\r\nb", "a", "b"},
        {EVBUFFER_EOL_CRLF, "a\rb\nc", "a\rb", "c"},
        {EVBUFFER_EOL_CRLF, "\n\n", "", "\n"},
        {EVBUFFER_EOL_CRLF_STRICT, "a\nb\r\nc", "a\nb", "c"},
        {EVBUFFER_EOL_CRLF_STRICT, "a\nb", NULL, "a\nb"},
        {EVBUFFER_EOL_LF, "a\r\nb", "a\r", "b"},
    };
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        evbuffer_drain(buffer, 1000);
        evbuffer_add(buffer, cases[i].text, strlen(cases[i].text));
        char *line = evbuffer_readln(buffer, &length, cases[i].style);
        if (cases[i].first == NULL) {
            assert_null(line);
            assert_int_equal(length, 0);
        } else {
            assert_string_equal(line, cases[i].first);
            assert_int_equal(length, strlen(cases[i].first));
        }
        holds(cases[i].rest);
        free(line);
    }
    evbuffer_drain(buffer, 1000);
    evbuffer_add(buffer, "x\0y", 3);
    char *line = evbuffer_readln(buffer, &length, EVBUFFER_EOL_NUL);
    assert_string_equal(line, "x");
    free(line);
    evbuffer_add(buffer, "\r\n", 2);
    line = evbuffer_readline(buffer);
    assert_string_equal(line, "y");
    free(line);
}

static void what_is_in_it_can_be_searched(void **state)
{
    struct evbuffer_ptr at, end;
    struct evbuffer_iovec piece;
    size_t eol;

    (void)state;
    evbuffer_add(buffer, "abcabcab\r\n", 10);
    at = evbuffer_search(buffer, "cab", 3, NULL);
    assert_int_equal(at.pos, 2);
    assert_int_equal(evbuffer_ptr_set(buffer, &at, 1, EVBUFFER_PTR_ADD), 0);
    at = evbuffer_search(buffer, "cab", 3, &at);
    assert_int_equal(at.pos, 5);
    assert_int_equal(evbuffer_ptr_set(buffer, &end, 7, EVBUFFER_PTR_SET), 0);
    assert_int_equal(evbuffer_search_range(buffer, "cab", 3, &at, &end).pos, -1);
    assert_int_equal(evbuffer_search(buffer, "zz", 2, NULL).pos, -1);
    assert_int_equal(evbuffer_search_eol(buffer, NULL, &eol, EVBUFFER_EOL_CRLF).pos, 8);
    assert_int_equal(eol, 2);
    assert_int_equal(evbuffer_ptr_set(buffer, &end, 10, EVBUFFER_PTR_SET), 0);
    assert_int_equal(evbuffer_ptr_set(buffer, &end, 11, EVBUFFER_PTR_SET), -1);
    assert_int_equal(end.pos, -1);
    assert_ptr_equal(evbuffer_find(buffer, (const unsigned char *)"bc", 2), evbuffer_pullup(buffer, -1) + 1);
    assert_null(evbuffer_find(buffer, (const unsigned char *)"ba", 2));
    assert_int_equal(evbuffer_peek(buffer, -1, NULL, &piece, 1), 1);
    assert_int_equal(piece.iov_len, 10);
}

static void frozen_ends_refuse(void **state)
{
    char out[4];

    (void)state;
    evbuffer_add(buffer, "abc", 3);
    evbuffer_freeze(buffer, 0);
    assert_int_equal(evbuffer_add(buffer, "d", 1), -1);
    assert_int_equal(evbuffer_prepend(buffer, "z", 1), 0);
    evbuffer_unfreeze(buffer, 0);
    evbuffer_freeze(buffer, 1);
    assert_int_equal(evbuffer_drain(buffer, 1), -1);
    assert_int_equal(evbuffer_remove(buffer, out, 1), -1);
    assert_int_equal(evbuffer_prepend(buffer, "y", 1), -1);
    assert_int_equal(evbuffer_add(buffer, "d", 1), 0);
    evbuffer_unfreeze(buffer, 1);
    holds("zabcd");
}

static void buffers_pour_into_each_other(void **state)
{
    struct evbuffer *other = evbuffer_new();

    (void)state;
    evbuffer_add(other, "abcdef", 6);
    assert_int_equal(evbuffer_remove_buffer(other, buffer, 2), 2);
    holds("ab");
    assert_int_equal(evbuffer_add_buffer(buffer, other), 0);
    holds("abcdef");
    assert_int_equal(evbuffer_get_length(other), 0);
    evbuffer_add(other, "12", 2);
    assert_int_equal(evbuffer_prepend_buffer(buffer, other), 0);
    holds("12abcdef");
    assert_int_equal(evbuffer_remove_buffer(other, buffer, 5), 0);
    assert_int_equal(evbuffer_add_buffer(buffer, other), 0);
    evbuffer_free(other);
}

static void space_can_be_reserved_and_committed(void **state)
{
    struct evbuffer_iovec space;

    (void)state;
    evbuffer_add(buffer, "ab", 2);
    assert_int_equal(evbuffer_expand(buffer, 5000), 0);
    assert_int_equal(evbuffer_reserve_space(buffer, 3000, &space, 1), 1);
    assert_true(space.iov_len >= 3000);
    memcpy(space.iov_base, "cd", 2);
    space.iov_len = 2;
    assert_int_equal(evbuffer_commit_space(buffer, &space, 1), 0);
    holds("abcd");
}

static struct evbuffer_cb_info told;
static int told_times;

static void tell(struct evbuffer *of, const struct evbuffer_cb_info *info, void *arg)
{
    (void)of;
    (void)arg;
    told = *info;
    told_times++;
}

static size_t old_length, new_length;

static void tell_lengths(struct evbuffer *of, size_t before, size_t after, void *arg)
{
    (void)of;
    (void)arg;
    old_length = before;
    new_length = after;
}

static void callbacks_are_told_what_changed(void **state)
{
    (void)state;
    struct evbuffer_cb_entry *entry = evbuffer_add_cb(buffer, tell, NULL);
    told_times = 0;
    evbuffer_add(buffer, "abcd", 4);
    assert_int_equal(told.orig_size, 0);
    assert_int_equal(told.n_added, 4);
    evbuffer_drain(buffer, 3);
    assert_int_equal(told.orig_size, 4);
    assert_int_equal(told.n_added, 0);
    assert_int_equal(told.n_deleted, 3);
    assert_int_equal(told_times, 2);
    evbuffer_cb_clear_flags(buffer, entry, EVBUFFER_CB_ENABLED);
    evbuffer_add(buffer, "e", 1);
    assert_int_equal(told_times, 2);
    evbuffer_cb_set_flags(buffer, entry, EVBUFFER_CB_ENABLED);
    assert_int_equal(evbuffer_remove_cb(buffer, tell, NULL), 0);
    assert_int_equal(evbuffer_remove_cb(buffer, tell, NULL), -1);
    evbuffer_setcb(buffer, tell_lengths, NULL);
    evbuffer_add(buffer, "f", 1);
    assert_int_equal(old_length, 2);
    assert_int_equal(new_length, 3);
    assert_int_equal(told_times, 2);
}

static void buffers_read_and_write_descriptors(void **state)
{
    struct evbuffer *other = evbuffer_new();
    char block[3000];
    int pipes[2];

    (void)state;
    memset(block, 'x', sizeof block);
    assert_int_equal(pipe(pipes), 0);
    evbuffer_add(buffer, block, sizeof block);
    evbuffer_add(buffer, "end", 3);
    assert_int_equal(evbuffer_write_atmost(buffer, pipes[1], 1000), 1000);
    assert_int_equal(evbuffer_write(buffer, pipes[1]), 2003);
    assert_int_equal(evbuffer_write(buffer, pipes[1]), -1); /* nothing to write */
    assert_int_equal(evbuffer_read(other, pipes[0], 10), 10);
    assert_int_equal(evbuffer_read(other, pipes[0], -1), 2993);
    assert_int_equal(evbuffer_get_length(other), 3003);
    close(pipes[1]);
    assert_int_equal(evbuffer_read(other, pipes[0], -1), 0);
    close(pipes[0]);
    evbuffer_free(other);
}

/* Adds and takes at random; a plain array knows what must be there. */
static void any_sequence_of_calls_agrees_with_an_array(void **state)
{
    static unsigned char model[1 << 16];
    unsigned char bytes[3000], out[3000];
    size_t from = sizeof model / 2, to = from;
    unsigned seed = 5;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        size_t count = (size_t)rand_r(&seed) % (i % 7 == 0 ? sizeof bytes : 60);

        for (size_t k = 0; k < count; k++)
            bytes[k] = (unsigned char)rand_r(&seed);
        switch (rand_r(&seed) % 4) {
        case 0:
            if (from < count)
                break;
            assert_int_equal(evbuffer_prepend(buffer, bytes, count), 0);
            from -= count;
            memcpy(model + from, bytes, count);
            break;
        case 1:
            if (to + count > sizeof model)
                break;
            assert_int_equal(evbuffer_add(buffer, bytes, count), 0);
            memcpy(model + to, bytes, count);
            to += count;
            break;
        default: {
            int taken = evbuffer_remove(buffer, out, count);

            assert_int_equal(taken, count < to - from ? count : to - from);
            assert_memory_equal(out, model + from, (size_t)taken);
            from += (size_t)taken;
            break;
        }
        }
        if (from == to)
            from = to = sizeof model / 2;
        assert_int_equal(evbuffer_get_length(buffer), to - from);
    }
    assert_true(to == from || memcmp(evbuffer_pullup(buffer, -1), model + from, to - from) == 0);
}

/* ---- bufferevents ---- */

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

#define promise_buffer(name) cmocka_unit_test_setup_teardown(name, new_buffer, free_buffer)
#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int test_buffers(void)
{
    const struct CMUnitTest tests[] = {
        promise_buffer(bytes_leave_in_the_order_in_which_they_came),
        promise_buffer(lines_end_in_five_ways),
        promise_buffer(what_is_in_it_can_be_searched),
        promise_buffer(frozen_ends_refuse),
        promise_buffer(buffers_pour_into_each_other),
        promise_buffer(space_can_be_reserved_and_committed),
        promise_buffer(callbacks_are_told_what_changed),
        promise_buffer(buffers_read_and_write_descriptors),
        promise_buffer(any_sequence_of_calls_agrees_with_an_array),
        promise(what_is_written_arrives_and_what_arrives_is_told),
        promise(enabling_writing_tells_that_there_is_room),
        promise(the_end_and_time_are_told_with_their_direction),
        promise(a_broken_connection_is_an_error_of_writing),
        promise(water_marks_hold_back),
        promise(a_callback_may_free_its_bufferevent),
        promise(deferred_callbacks_come_later_in_the_same_order),
        promise(connections_are_made_or_refused),
        promise(the_constructor_of_libevent_1_takes_the_last_base),
    };

    return cmocka_run_group_tests_name("buffers", tests, NULL, NULL);
}
