/* SPDX-License-Identifier: MIT */
/* A worker that always has timers or messages asks the kernel all the same, one whose peer always takes more has time for
 * others, and who shares a listening socket with others does not wait inside of it. On both engines. */
#include "io.h"
#include "test_io.h"

#include <pawl/event.h>
#include <pawl/timer.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { MANY = 20000 };

static struct {
    struct pawl_watch watch;
    int fd;
    uint64_t told; /* timers that fired, events that were raised; the worker's */
    PAWL_ATOMIC(uint64_t)
    ready, told_all; /* of `told` when the descriptor was heard of, and 1 more; it is MANY */
    PAWL_ATOMIC(uint64_t) stopped;
    struct pawl_timer *timers;
    struct pawl_event *events;
} fair;

static void heard(struct pawl_watch *watch, uint32_t events)
{
    (void)watch;
    assert_true((events & EPOLLIN) != 0);
    io_add(&fair.ready, fair.told + 1);
    pawl_watch_stop(&fair.watch);
}

/* The first makes the descriptor ready, while the others wait for their turn. */
static void tell(void)
{
    const uint64_t one = 1;

    if (fair.told++ == 0)
        assert_int_equal(write(fair.fd, &one, sizeof one), sizeof one);
    if (fair.told == MANY)
        io_add(&fair.told_all, 1);
}

static void begin(struct pawl_rt **rt)
{
    io_open(rt, 1);
    memset((void *)&fair, 0, sizeof fair);
    fair.fd = eventfd(0, EFD_CLOEXEC);
    assert_true(fair.fd >= 0);
    fair.watch.ready = heard;
}

static void expect_heard_meanwhile(void)
{
    io_reach(&fair.told_all, 1);
    io_reach(&fair.ready, 1);
    assert_in_range(io_get(&fair.ready), 1, MANY); /* not behind the last */
    close(fair.fd);
}

/* ---- timers ---- */

static void fires(struct pawl_timer *timer)
{
    (void)timer;
    tell();
}

static void start_many(void *arg)
{
    (void)arg;
    assert_int_equal(pawl_watch_start(&fair.watch, fair.fd, EPOLLIN), 0);
    for (int i = 0; i < MANY; i++) {
        pawl_timer_init(&fair.timers[i], fires);
        pawl_timer_start(&fair.timers[i], 1);
    }
}

static void many_timers_of_one_moment_do_not_hold_up_input(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    begin(&rt);
    fair.timers = calloc(MANY, sizeof *fair.timers);
    assert_non_null(fair.timers);
    io_on(rt, 0, start_many, NULL);
    expect_heard_meanwhile();
    free(fair.timers);
    io_close(rt);
}

static void fires_again(struct pawl_timer *timer)
{
    tell();
    if (fair.told < MANY)
        pawl_timer_start(timer, 1);
}

static void start_one(void *arg)
{
    assert_int_equal(pawl_watch_start(&fair.watch, fair.fd, EPOLLIN), 0);
    pawl_timer_init(arg, fires_again);
    pawl_timer_start(arg, 1);
}

static void a_timer_that_is_always_due_does_not_hold_up_input(void **state)
{
    struct pawl_timer timer;
    struct pawl_rt *rt;

    (void)state;
    begin(&rt);
    io_on(rt, 0, start_one, &timer);
    expect_heard_meanwhile();
    io_close(rt);
}

/* ---- messages ---- */

static void raised(struct pawl_event *event, uint64_t count)
{
    (void)event;
    assert_int_equal(count, 1);
    tell();
}

static void stopped(struct pawl_event *event)
{
    (void)event;
    io_add(&fair.stopped, 1);
}

static void raise_many(void *arg)
{
    (void)arg;
    assert_int_equal(pawl_watch_start(&fair.watch, fair.fd, EPOLLIN), 0);
    for (int i = 0; i < MANY; i++) {
        fair.events[i].raised = raised;
        fair.events[i].stopped = stopped;
        assert_int_equal(pawl_event_start(&fair.events[i]), 0);
        assert_int_equal(pawl_event_raise(&fair.events[i]), 0);
    }
}

static void stop_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++)
        pawl_event_stop(&fair.events[i]);
}

static void many_messages_do_not_hold_up_input(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    begin(&rt);
    fair.events = calloc(MANY, sizeof *fair.events);
    assert_non_null(fair.events);
    io_on(rt, 0, raise_many, NULL);
    expect_heard_meanwhile();
    io_on(rt, 0, stop_many, NULL);
    io_reach(&fair.stopped, MANY);
    free(fair.events);
    io_close(rt);
}

/* ---- a stream ---- */

static int ends[2];
static struct pawl_event another;

/* The peer takes it as fast as it comes, so that there is room again. */
static void write_much(struct pawl_stream *stream)
{
    static const char bytes[2000];

    assert_int_equal(pawl_stream_write(stream, bytes, sizeof bytes), 0);
}

/* The first one asks for a turn of another. */
static void write_again(struct pawl_stream *stream)
{
    if (fair.told++ == 0)
        assert_int_equal(pawl_event_raise(&another), 0);
    if (fair.told < MANY)
        write_much(stream);
    else
        pawl_stream_close(stream);
}

static void connect_ends(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, bytes), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
    assert_int_equal(connect(ends[0], (const struct sockaddr *)&at, bytes), 0);
    ends[1] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(ends[1] >= 0);
    close(fd);
}

static void had_its_turn(struct pawl_event *event, uint64_t count)
{
    (void)count;
    io_add(&fair.ready, fair.told + 1);
    pawl_event_stop(event);
}

static void write_for_ever(void *arg)
{
    struct pawl_stream *stream;

    assert_int_equal(pawl_event_start(&another), 0);
    assert_int_equal(pawl_stream_adopt(&stream, arg, ends[0]), 0);
    write_much(stream);
}

/* As fast as it goes: the bytes are not looked at. */
static void *throw_away(void *unused)
{
    ssize_t count;

    do
        count = recv(ends[1], NULL, 1 << 20, MSG_TRUNC);
    while (count > 0);
    return unused;
}

static void who_writes_for_ever_lets_others_run(void **state)
{
    const struct pawl_stream_config config = {
        .received = io_received_count, .drained = write_again, .closed = io_closed, .high = 1000, .low = 500};
    pthread_t peer;
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    memset((void *)&fair, 0, sizeof fair);
    another = (struct pawl_event){.raised = had_its_turn, .stopped = stopped};
    connect_ends();
    assert_int_equal(pthread_create(&peer, NULL, throw_away, NULL), 0);
    io_on(rt, 0, write_for_ever, (void *)(uintptr_t)&config);
    io_reach(&io_counts.closed, 1);
    io_reach(&fair.stopped, 1);
    assert_in_range(io_get(&fair.ready), 1, 200);
    assert_int_equal(pthread_join(peer, NULL), 0);
    close(ends[1]);
    io_close(rt);
}

/* ---- a listening socket ---- */

static const struct pawl_stream_config shared = {.opened = io_opened,
                                                 .received = io_received_count,
                                                 .ended = io_ended_close,
                                                 .closed = io_closed};

static void nothing(void *unused)
{
    (void)unused;
}

/* As two processes share it, while one takes over from the other. */
static void who_shares_a_given_listener_is_not_made_to_wait(void **state)
{
    enum { CONNECTIONS = 16 };
    const struct pawl_rt_config by_epoll = {.workers = 1, .engine = "epoll"};
    struct pawl_listener_config config = {.flags = PAWL_LISTENER_GIVEN, .stream = &shared};
    struct io_server server = {.address_bytes = sizeof server.address};
    struct pawl_listener *listener[2];
    struct pawl_rt *rt, *other;
    int peer[CONNECTIONS];

    (void)state;
    io_open(&rt, 2);
    config.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listen(config.fd, CONNECTIONS), 0); /* on a port of the kernel's choice */
    assert_int_equal(getsockname(config.fd, (struct sockaddr *)&server.address, &server.address_bytes), 0);
    assert_int_equal(pawl_rt_open(&other, &by_epoll), 0);
    assert_int_equal(pawl_listener_open(&listener[0], other, &config), 0);
    io_on(other, 0, nothing, NULL); /* it listens */
    assert_int_equal(pawl_listener_open(&listener[1], rt, &config), 0);
    for (uint32_t i = 0; i < 2; i++)
        io_on(rt, i, nothing, NULL);
    for (int i = 0; i < CONNECTIONS; i++)
        peer[i] = io_connect(&server);
    io_reach(&io_counts.opened, CONNECTIONS);
    assert_true((fcntl(config.fd, F_GETFL) & O_NONBLOCK) != 0);
    io_on(other, 0, nothing, NULL);
    pawl_listener_close(listener[0]);
    pawl_listener_close(listener[1]);
    for (int i = 0; i < CONNECTIONS; i++)
        close(peer[i]);
    io_reach(&io_counts.closed, CONNECTIONS);
    assert_int_equal(pawl_rt_close(other), 0);
    close(config.fd);
    io_close(rt);
}

const struct CMUnitTest fair_tests[] = {
    cmocka_unit_test(many_timers_of_one_moment_do_not_hold_up_input),
    cmocka_unit_test(a_timer_that_is_always_due_does_not_hold_up_input),
    cmocka_unit_test(many_messages_do_not_hold_up_input),
    cmocka_unit_test(who_writes_for_ever_lets_others_run),
    cmocka_unit_test(who_shares_a_given_listener_is_not_made_to_wait),
};
const size_t fair_test_count = sizeof fair_tests / sizeof fair_tests[0];
