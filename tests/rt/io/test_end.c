/* SPDX-License-Identifier: MIT */
/* How streams end: half-closed, reset, closed in any continuation. Every test on both engines. */
#include "io.h"
#include "test_io.h"

static const struct pawl_stream_config echo = {IO_ECHO};

static void server_ends(struct pawl_stream *stream)
{
    io_opened(stream);
    assert_int_equal(pawl_stream_write(stream, "hello", 5), 0);
    assert_int_equal(pawl_stream_shutdown(stream), 0);
    assert_int_equal(pawl_stream_write(stream, "x", 1), -EPIPE);
    assert_int_equal(pawl_stream_shutdown(stream), -EPIPE);
}

static void after_a_half_close_the_other_direction_goes_on(void **state)
{
    static const struct pawl_stream_config config = {.opened = server_ends,
                                                     .received = io_received_count,
                                                     .closed = io_closed};
    char bytes[5];
    struct pawl_rt *rt;
    struct io_server server;
    int fd;

    (void)state;
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX) {
        io_open(&rt, 1);
        io_listen(&server, rt, (enum io_kind)kind, &config);
        fd = io_connect(&server);
        io_read(fd, bytes, sizeof bytes);
        assert_memory_equal(bytes, "hello", sizeof bytes);
        io_read_end(fd);
        for (unsigned i = 1; i <= 3; i++) {
            io_write(fd, "and yet", 7);
            io_reach(&io_counts.bytes, (uint64_t)7 * i);
        }
        assert_int_equal(io_get(&io_counts.closed), 0);
        close(fd); /* no `ended`: it closes itself */
        io_reach(&io_counts.clean, 1);
        io_unlisten(&server);
        io_close(rt);
    }
}

static void answer_the_end(struct pawl_stream *stream)
{
    io_add(&io_counts.ended, 1);
    assert_int_equal(pawl_stream_write(stream, "bye", 3), 0);
    assert_int_equal(pawl_stream_shutdown(stream), 0);
}

static void a_stream_that_has_ended_both_ways_closes_itself(void **state)
{
    static const struct pawl_stream_config config = {.opened = io_opened,
                                                     .received = io_received_count,
                                                     .ended = answer_the_end,
                                                     .closed = io_closed};
    char bytes[3];
    struct pawl_rt *rt;
    struct io_server server;
    int fd;

    (void)state;
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX) {
        io_open(&rt, 1);
        io_listen(&server, rt, (enum io_kind)kind, &config);
        fd = io_connect(&server);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        io_read(fd, bytes, sizeof bytes);
        io_read_end(fd);
        io_reach(&io_counts.clean, 1);
        close(fd);
        io_unlisten(&server);
        io_close(rt);
    }
}

/* A peer that vanishes at once, after a request, with an answer unread, with the server's queue full, half-closed. */
static void a_reset_ends_the_stream_in_every_state(void **state)
{
    static char bytes[1 << 20];
    char byte;
    struct pawl_rt *rt;
    struct io_server server;

    (void)state;
    io_open(&rt, 2);
    io_listen(&server, rt, IO_TCP, &echo);
    for (uint64_t round = 0; round < (io_long() ? 2000 : 25); round++) {
        int fd = io_connect(&server);

        switch (round % 5) {
        case 0:
            break;
        case 1:
            io_write(fd, "abc", 3);
            break;
        case 2:
            io_write(fd, "abcd", 4);
            io_read(fd, &byte, 1);
            break;
        case 3:
            while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
                ;
            break;
        default:
            io_write(fd, "abcde", 5);
            assert_int_equal(shutdown(fd, SHUT_WR), 0);
            break;
        }
        io_reset(fd);
    }
    io_streams(rt, 0);
    /* the kernel may forget connections that were reset before they were accepted */
    assert_int_equal(io_get(&io_counts.closed), io_get(&io_counts.opened));
    assert_true(io_get(&io_counts.reset) > 0);
    assert_int_equal(io_get(&io_counts.other) + io_get(&io_counts.timed_out) + io_get(&io_counts.cancelled),
                     0);
    io_unlisten(&server);
    io_close(rt);
}

/* What the continuations below do when their moment comes. */
static enum moment { IN_OPENED, IN_RECEIVED, IN_ENDED, IN_DRAINED, MOMENTS } close_in;
static bool abort_it;

static void end_it(struct pawl_stream *stream, enum moment now)
{
    if (close_in != now)
        return;
    if (abort_it)
        pawl_stream_abort(stream, -EBADMSG);
    pawl_stream_close(stream);
    pawl_stream_close(stream); /* repeated: nothing */
    pawl_stream_abort(stream, abort_it ? -EINVAL : 0);
    assert_int_equal(pawl_stream_write(stream, "x", 1), -EPIPE);
    pawl_stream_pause(stream);
    pawl_stream_resume(stream);
}

static void ending_opened(struct pawl_stream *stream)
{
    io_opened(stream);
    end_it(stream, IN_OPENED);
}

static void ending_received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    static char much[100000];

    io_received_count(stream, slice);
    if (close_in == IN_DRAINED)
        assert_int_equal(pawl_stream_write(stream, much, sizeof much), 0);
    end_it(stream, IN_RECEIVED);
    end_it(stream, IN_RECEIVED);
}

static void ending_ended(struct pawl_stream *stream)
{
    if (close_in != IN_ENDED)
        pawl_stream_close(stream);
    end_it(stream, IN_ENDED);
}

static void ending_drained(struct pawl_stream *stream)
{
    io_drained(stream);
    end_it(stream, IN_DRAINED);
}

static void a_stream_may_be_closed_in_every_continuation(void **state)
{
    static const struct pawl_stream_config config = {.opened = ending_opened,
                                                     .received = ending_received,
                                                     .ended = ending_ended,
                                                     .drained = ending_drained,
                                                     .closed = io_closed,
                                                     .high = 1000,
                                                     .low = 100};
    struct pawl_rt *rt;
    struct io_server server;

    (void)state;
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX)
        for (int i = 0; i < 2 * MOMENTS; i++) {
            int fd;

            close_in = (enum moment)(i / 2);
            abort_it = i % 2 == 1;
            io_open(&rt, 1);
            io_listen(&server, rt, (enum io_kind)kind, &config);
            fd = io_connect(&server);
            if (close_in != IN_OPENED)
                io_write(fd, "some bytes", 10);
            if (close_in == IN_ENDED)
                assert_int_equal(shutdown(fd, SHUT_WR), 0);
            io_peer_closed(fd, true);
            io_reach(&io_counts.closed, 1);
            assert_int_equal(io_get(abort_it ? &io_counts.other : &io_counts.clean), 1);
            io_unlisten(&server);
            io_close(rt);
        }
}

static void write_past_the_mark(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    static const char much[2000];

    io_received_count(stream, slice);
    assert_int_equal(pawl_stream_write(stream, much, sizeof much), 0);
}

/* What it could not send is above the high mark and not above the low one: these are the wrong way round, so that both
 * are so at once. */
static void a_stream_that_breaks_while_it_sends_is_only_closed(void **state)
{
    static const struct pawl_stream_config config = {.opened = io_opened,
                                                     .received = write_past_the_mark,
                                                     .drained = io_drained,
                                                     .closed = io_closed,
                                                     .high = 1000,
                                                     .low = 4000};
    struct pawl_rt *rt;
    struct io_server server;
    int fd;

    (void)state;
    io_open(&rt, 1);
    io_listen(&server, rt, IO_UNIX, &config);
    fd = io_connect(&server);
    assert_int_equal(shutdown(fd, SHUT_RD), 0); /* who sends there is told EPIPE */
    io_write(fd, "x", 1);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.reset), 1);
    assert_int_equal(io_get(&io_counts.drained), 0);
    close(fd);
    io_unlisten(&server);
    io_close(rt);
}

const struct CMUnitTest end_tests[] = {
    cmocka_unit_test(after_a_half_close_the_other_direction_goes_on),
    cmocka_unit_test(a_stream_that_has_ended_both_ways_closes_itself),
    cmocka_unit_test(a_reset_ends_the_stream_in_every_state),
    cmocka_unit_test(a_stream_may_be_closed_in_every_continuation),
    cmocka_unit_test(a_stream_that_breaks_while_it_sends_is_only_closed),
};
const size_t end_test_count = sizeof end_tests / sizeof end_tests[0];
