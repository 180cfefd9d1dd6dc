/* SPDX-License-Identifier: MIT */
/* What is on its way from one worker to another: a stream that moves, the messages of a listener. A runtime that closes waits for
 * it, even if the worker that it goes to has nothing left to do. On both engines. */
#include "io.h"
#include "test_io.h"

#include <netinet/in.h>
#include <pawl/park.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static struct transit {
    struct pawl_rt *rt;
    struct pawl_listener *listener;
    struct pawl_stream *stream;
    void (*send)(void); /* what goes to the other worker while the runtime closes */
    int pair[2], other[2];
    struct pawl_op op;
    int status, before;
    PAWL_ATOMIC(uint64_t) busy, done, listeners;
} transit;

static void nap(uint64_t ns)
{
    const struct timespec wait = {.tv_nsec = (long)ns};

    nanosleep(&wait, NULL);
}

/* The worker that sleeps is called, and comes late. */
static void dawdle(int number)
{
    (void)number;
    for (int ms = 0; ms < 50 && !pawl_ending_over_(&transit.rt->ending); ms++)
        nap(1000000);
}

/* Worker 0 is busy until worker 1 has seen that the runtime closes, and has nothing left. */
static void busy_opened(struct pawl_stream *stream)
{
    (void)stream;
    io_add(&io_counts.opened, 1);
    io_add(&transit.busy, 1);
    while (pawl_load_acquire(&transit.rt->ending.quiet) == 0)
        nap(1000000);
    nap(5000000); /* in its wait */
    (void)pthread_kill(transit.rt->worker[1].thread, SIGUSR2);
    nap(1000000);
    if (transit.send != NULL)
        transit.send();
}

static const struct pawl_stream_config busy = {.opened = busy_opened,
                                               .received = io_received_count,
                                               .closed = io_closed};

static struct pawl_stream *adopt(const struct pawl_stream_config *config, int fd[2])
{
    struct pawl_stream *stream;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(pawl_stream_adopt(&stream, config, fd[0]), 0);
    return stream;
}

static void adopt_busy(void *unused)
{
    (void)unused;
    (void)adopt(&busy, transit.pair);
}

static void begin(void (*send)(void))
{
    struct sigaction late = {.sa_handler = dawdle, .sa_flags = SA_RESTART};

    memset(&transit, 0, sizeof transit);
    transit.send = send;
    io_open(&transit.rt, 2);
    assert_int_equal(sigaction(SIGUSR2, &late, NULL), 0);
}

static void end(void)
{
    if (transit.other[1] != 0)
        close(transit.other[1]);
    close(transit.pair[1]);
    io_close(transit.rt);
    (void)signal(SIGUSR2, SIG_DFL);
}

/* Closes the runtime while worker 0 is busy. */
static void close_busy(void)
{
    io_reach(&transit.busy, 1);
    end();
}

/* ---- a stream ---- */

static void moving_opened(struct pawl_stream *stream)
{
    io_opened(stream);
    (void)adopt(&busy, transit.pair); /* its turn comes before the move's */
    transit.status = pawl_stream_move(stream, 1);
}

static const struct pawl_stream_config moving = {.opened = moving_opened,
                                                 .received = io_received_count,
                                                 .closed = io_closed};

static void adopt_moving(void *unused)
{
    (void)unused;
    (void)adopt(&moving, transit.other);
}

static void a_stream_that_moves_while_the_runtime_closes_is_closed(void **state)
{
    (void)state;
    begin(NULL);
    io_on(transit.rt, 0, adopt_moving, NULL);
    close_busy();
    assert_int_equal(transit.status, 0);
    assert_int_equal(io_get(&io_counts.opened), 2);
    assert_int_equal(io_get(&io_counts.closed), 2);
}

/* ---- a listener ---- */

static void listener_closed(struct pawl_listener *listener, void *unused)
{
    (void)listener;
    (void)unused;
    io_add(&transit.listeners, 1);
}

static int open_listener(void)
{
    const struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct pawl_listener_config config = {.address = (const struct sockaddr *)&here,
                                                .address_bytes = sizeof here,
                                                .stream = &busy,
                                                .closed = listener_closed};

    return pawl_listener_open(&transit.listener, transit.rt, &config);
}

static void close_it(void)
{
    pawl_listener_close(transit.listener);
}

static void a_listener_that_is_closed_while_the_runtime_closes_is_told(void **state)
{
    (void)state;
    begin(close_it);
    assert_int_equal(open_listener(), 0);
    for (uint32_t i = 0; i < 2; i++)
        (void)io_sum(transit.rt, IO_STREAMS); /* turns: it is on */
    io_on(transit.rt, 0, adopt_busy, NULL);
    close_busy();
    assert_int_equal(io_get(&transit.listeners), 1);
}

static void open_late(void)
{
    transit.status = open_listener();
}

static void a_runtime_that_closes_opens_no_listener(void **state)
{
    (void)state;
    begin(open_late);
    io_on(transit.rt, 0, adopt_busy, NULL);
    close_busy();
    assert_int_equal(transit.status, -EPIPE);
    assert_int_equal(io_get(&transit.listeners), 0);
}

/* ---- operations ---- */

static void flush_done(struct pawl_op *op, int64_t result)
{
    (void)op;
    assert_int_equal(result, 0);
    io_add(&transit.done, 1);
}

static void flushing_opened(struct pawl_stream *stream)
{
    static char bytes[1 << 20];

    assert_int_equal(pawl_stream_write(stream, bytes, sizeof bytes), 0);
    assert_int_equal(pawl_stream_move(stream, 1), 0);
    pawl_op_init(&transit.op, flush_done);
    transit.status = pawl_stream_flush(stream, &transit.op);
    assert_false(pawl_op_pending(&transit.op));
    io_opened(stream);
}

static const struct pawl_stream_config flushing = {.opened = flushing_opened,
                                                   .received = io_received_count,
                                                   .closed = io_closed};

static void adopt_flushing(void *unused)
{
    (void)unused;
    transit.stream = adopt(&flushing, transit.other);
}

static void flush_again(void *unused)
{
    (void)unused;
    transit.status = pawl_stream_flush(transit.stream, &transit.op);
}

/* It would wait for the stream at the worker that this leaves. */
static void a_stream_that_moves_lets_no_operation_wait_for_it(void **state)
{
    static char bytes[1 << 20];

    (void)state;
    begin(NULL);
    io_on(transit.rt, 0, adopt_flushing, NULL);
    io_reach(&io_counts.opened, 1);
    assert_int_equal(transit.status, -EBUSY);
    while (io_on(transit.rt, 1, flush_again, NULL), transit.status == -EBUSY)
        nap(1000000);
    assert_int_equal(transit.status, 0);
    io_read(transit.other[1], bytes, sizeof bytes);
    io_reach(&transit.done, 1);
    transit.pair[1] = transit.other[1];
    transit.other[1] = 0;
    end();
}

/* ---- a send ---- */

static void blocked_opened(struct pawl_stream *stream)
{
    static const char bytes[1 << 20];

    assert_int_equal(pawl_stream_write(stream, bytes, sizeof bytes), 0);
    io_opened(stream);
}

static void blocked_received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)stream;
    transit.status = (int)pawl_worker_here_()->index;
    io_add(&io_counts.bytes, slice->count);
}

static const struct pawl_stream_config blocked = {.opened = blocked_opened,
                                                  .received = blocked_received,
                                                  .closed = io_closed,
                                                  .high = 2 << 20,
                                                  .low = 1 << 20};

static void adopt_blocked(void *unused)
{
    (void)unused;
    transit.stream = adopt(&blocked, transit.pair);
}

static void move_blocked(void *unused)
{
    (void)unused;
    assert_int_equal(pawl_stream_move(transit.stream, 1), 0);
}

static void a_stream_moves_though_its_peer_takes_nothing(void **state)
{
    static char bytes[1 << 20];

    (void)state;
    begin(NULL);
    io_on(transit.rt, 0, adopt_blocked, NULL);
    io_reach(&io_counts.opened, 1);
    io_on(transit.rt, 0, move_blocked, NULL); /* the rest has been submitted */
    io_write(transit.pair[1], "x", 1);
    io_reach(&io_counts.bytes, 1);
    assert_int_equal(transit.status, 1);
    io_read(transit.pair[1], bytes, sizeof bytes);
    end();
}

/* ---- an operation in the stream's own memory ---- */

static void own_done(struct pawl_op *op, int64_t result)
{
    (void)op;
    transit.before = (int)io_get(&io_counts.closed);
    assert_int_equal(result, 0);
    io_add(&transit.done, 1);
}

/* Long enough for the other worker to close the stream, if it has it already. */
static void slow_opened(struct pawl_stream *stream)
{
    io_opened(stream);
    nap(5000000);
}

static const struct pawl_stream_config slow = {.opened = slow_opened,
                                               .received = io_received_count,
                                               .closed = io_closed};

static void own_opened(struct pawl_stream *stream)
{
    struct pawl_op *op = pawl_stream_context(stream);

    io_opened(stream);
    pawl_stream_later_(stream); /* as when it is resumed, and more can be read */
    (void)adopt(&slow, transit.pair);
    pawl_op_init(op, own_done);
    assert_int_equal(pawl_stream_flush(stream, op), 0); /* nothing waits: done() comes in the next turn */
    assert_int_equal(pawl_stream_move(stream, 1), 0);
}

static const struct pawl_stream_config own = {.opened = own_opened,
                                              .received = io_received_count,
                                              .closed = io_closed,
                                              .context_bytes = sizeof(struct pawl_op)};

static void adopt_own(void *unused)
{
    (void)unused;
    (void)adopt(&own, transit.other);
    close(transit.other[1]); /* the stream ends as soon as the other worker has it */
    transit.other[1] = 0;
}

static void a_stream_moves_behind_the_end_of_its_operations(void **state)
{
    (void)state;
    begin(NULL);
    io_on(transit.rt, 0, adopt_own, NULL);
    io_reach(&transit.done, 1);
    assert_int_equal(transit.before, 0); /* its memory was there */
    io_reach(&io_counts.closed, 1);
    end();
}

const struct CMUnitTest transit_tests[] = {
    cmocka_unit_test(a_stream_that_moves_while_the_runtime_closes_is_closed),
    cmocka_unit_test(a_listener_that_is_closed_while_the_runtime_closes_is_told),
    cmocka_unit_test(a_runtime_that_closes_opens_no_listener),
    cmocka_unit_test(a_stream_that_moves_lets_no_operation_wait_for_it),
    cmocka_unit_test(a_stream_moves_though_its_peer_takes_nothing),
    cmocka_unit_test(a_stream_moves_behind_the_end_of_its_operations),
};
const size_t transit_test_count = sizeof transit_tests / sizeof transit_tests[0];
