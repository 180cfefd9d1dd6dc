/* SPDX-License-Identifier: MIT */
/* Files that go from the page cache to a socket, without a copy. On both engines. */
#include "io.h"
#include "test_io.h"

#include "../../../src/rt/stream_direct.h"

#include <fcntl.h>
#include <pawl/file.h>
#include <poll.h>

enum { BYTES = 4 << 20 };

static struct {
    struct pawl_send_file send;
    struct pawl_stream *stream;
    int fd;
    int64_t result;
    PAWL_ATOMIC(uint64_t) opened, done;
} trip;

static void trip_done(struct pawl_op *op, int64_t result)
{
    trip.result = result;
    (void)op;
    io_add(&trip.done, 1);
}

static void opened(struct pawl_stream *stream)
{
    io_opened(stream);
    trip.stream = stream;
    io_add(&trip.opened, 1);
}

static void ended(struct pawl_stream *stream)
{
    io_add(&io_counts.ended, 1);
    (void)stream; /* writing goes on */
}

static const struct pawl_stream_config plain = {.opened = opened,
                                                .received = io_received_count,
                                                .ended = ended,
                                                .closed = io_closed};

/* A file in memory that can be dropped from it. */
static void prepare(void)
{
    memset((void *)&trip, 0, sizeof trip);
    trip.fd = io_temporary(BYTES, 21);
    assert_int_equal(fsync(trip.fd), 0);
}

static void begin(void *arg)
{
    int64_t offset = *(int64_t *)arg;

    pawl_op_init(&trip.send.op, trip_done);
    assert_int_equal(pawl_stream_write(trip.stream, "head", 4), 0);
    assert_int_equal(pawl_stream_send_file(trip.stream, &trip.send, trip.fd, offset,
                                           (uint64_t)(BYTES - offset)),
                     0);
}

static void finish(void *arg)
{
    (void)arg;
    pawl_stream_close(trip.stream);
}

/* One call of what sends directly. */
static void once(void *arg)
{
    pawl_stream_enter_(trip.stream);
    *(int64_t *)arg = pawl_stream_send_direct_(trip.stream, trip.fd, 1000, BYTES - 1000);
    pawl_stream_leave_(trip.stream);
}

static void begin_world(struct pawl_rt **rt, struct io_server *server, int *peer, enum io_kind kind)
{
    prepare();
    io_open(rt, 1);
    io_listen(server, *rt, kind, &plain);
    *peer = io_connect(server);
    io_reach(&trip.opened, 1);
}

static void end_world(struct pawl_rt *rt, struct io_server *server, int peer)
{
    close(peer);
    io_unlisten(server);
    io_close(rt);
    close(trip.fd);
}

/* What it says in each case. It does not wait, and raises no signal: SIGPIPE would end this program. */
static void a_piece_goes_if_it_is_in_memory_and_the_socket_takes_it(void **state)
{
    static char heard[PAWL_DIRECT_MOST_], bytes[PAWL_DIRECT_MOST_];
    struct io_server server;
    struct pawl_rt *rt;
    int64_t n = 0;
    int peer;

    (void)state;
    begin_world(&rt, &server, &peer, IO_TCP);
    io_on(rt, 0, once, &n);
    if (n == -EOPNOTSUPP) {
        print_message("this kernel does not tell what is in memory: files are copied\n");
        end_world(rt, &server, peer);
        skip();
    }
    assert_in_range(n, 1, PAWL_DIRECT_MOST_);
    io_read(peer, heard, (size_t)n);
    io_fill(bytes, (size_t)n, 21, 1000);
    assert_memory_equal(heard, bytes, (size_t)n);
    while (n > 0)
        io_on(rt, 0, once, &n);
    assert_int_equal(n, -EAGAIN); /* nobody reads any more */
    io_reset(peer);
    io_reach(&io_counts.closed, 1);
    peer = io_connect(&server);
    io_reach(&trip.opened, 2);
    assert_int_equal(shutdown(pawl_stream_fd(trip.stream), SHUT_WR), 0);
    io_on(rt, 0, once, &n);
    assert_int_equal(n, -EPIPE);
    end_world(rt, &server, peer);
}

static void what_is_not_in_memory_is_not_waited_for(void **state)
{
    struct io_server server;
    struct pawl_rt *rt;
    char byte;
    int64_t n = 0;
    int peer;

    (void)state;
    begin_world(&rt, &server, &peer, IO_UNIX);
    assert_int_equal(posix_fadvise(trip.fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    if (preadv2(trip.fd, &(struct iovec){.iov_base = &byte, .iov_len = 1}, 1, 200000, RWF_NOWAIT) == 1) {
        end_world(rt, &server, peer); /* the file system lives in memory */
        skip();
    }
    io_on(rt, 0, once, &n);
    assert_true(n == 0 || n == -EOPNOTSUPP);
    end_world(rt, &server, peer);
}

/* Takes the file from memory again and again while it is sent: what is there goes directly, the rest is read. */
static void a_file_that_comes_and_goes_in_memory_arrives_whole(void **state)
{
    static char heard[4 + BYTES], bytes[BYTES]; /* a word goes before the file */
    uint64_t random = io_seed();
    struct io_server server;
    struct pawl_rt *rt;
    int peer;

    (void)state;
    for (int round = 0; round < (io_long() ? 100 : 4); round++) {
        int64_t offset = (int64_t)(io_random(&random) % 10000);
        size_t left = 4 + (size_t)(BYTES - offset), got = 0;

        begin_world(&rt, &server, &peer, round % 2 == 0 ? IO_TCP : IO_UNIX);
        io_on(rt, 0, begin, &offset);
        while (got < left) {
            size_t count = 1 + io_random(&random) % 300000;

            if (round % 4 < 2 && io_random(&random) % 2 == 0)
                (void)posix_fadvise(trip.fd, (off_t)(io_random(&random) % BYTES), 0, POSIX_FADV_DONTNEED);
            if (count > left - got)
                count = left - got;
            io_read(peer, heard + got, count);
            got += count;
        }
        io_reach(&trip.done, 1);
        assert_int_equal(trip.result, BYTES - offset);
        assert_memory_equal(heard, "head", 4);
        io_fill(bytes, left - 4, 21, (uint64_t)offset);
        assert_memory_equal(heard + 4, bytes, left - 4);
        io_on(rt, 0, finish, NULL);
        io_read_end(peer);
        end_world(rt, &server, peer);
    }
}

static void shorten(void *arg)
{
    (void)arg;
    assert_int_equal(ftruncate(trip.fd, BYTES / 2), 0);
}

/* The end of the file, wherever it is when it is reached, is the end of the operation. */
static void a_file_that_gets_shorter_ends_there(void **state)
{
    static char heard[BYTES + 4];
    struct io_server server;
    struct pawl_rt *rt;
    int64_t offset = 0;
    ssize_t n;
    size_t got = 0;
    int peer;

    (void)state;
    begin_world(&rt, &server, &peer, IO_UNIX); /* whose buffer takes less than half */
    io_on(rt, 0, begin, &offset);
    io_on(rt, 0, shorten, NULL);
    while (got < BYTES / 2 + 4) {
        n = recv(peer, heard + got, sizeof heard - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
    io_reach(&trip.done, 1);
    assert_int_equal(got, BYTES / 2 + 4);
    assert_int_equal(trip.result, BYTES / 2);
    end_world(rt, &server, peer);
}

/* What refuses a stream's write refuses the pieces of a file, and ends no stream whose peer still speaks. */
static void shut(void *arg)
{
    assert_int_equal(pawl_stream_shutdown(trip.stream), 0);
    (void)arg;
}

static void after_a_shutdown_the_rest_of_a_file_is_refused_and_reading_goes_on(void **state)
{
    char bytes[65536];
    struct io_server server;
    struct pawl_rt *rt;
    int64_t offset = 0;
    ssize_t n;
    int peer;

    (void)state;
    begin_world(&rt, &server, &peer, IO_TCP);
    io_on(rt, 0, begin, &offset);
    io_on(rt, 0, shut, NULL);
    while ((n = recv(peer, bytes, sizeof bytes, 0)) > 0)
        ;
    assert_int_equal(n, 0);
    io_reach(&trip.done, 1);
    if (trip.result != BYTES) /* it may have been through before */
        assert_int_equal(trip.result, -EPIPE);
    io_write(peer, "still", 5);
    io_reach(&io_counts.bytes, 5);
    end_world(rt, &server, peer);
}

/* drained() comes while a piece is being handed over: the socket has taken enough of it, and what is left waits for a peer that
 * reads nothing. */
static void cancel_when_drained(struct pawl_stream *stream)
{
    if (pawl_stream_queued(stream) != 0)
        (void)pawl_op_cancel(&trip.send.op);
}

static void a_file_that_is_cancelled_in_drained_waits_for_nobody(void **state)
{
    static const struct pawl_stream_config config = {.opened = opened,
                                                     .received = io_received_count,
                                                     .drained = cancel_when_drained,
                                                     .closed = io_closed,
                                                     .high = 1,
                                                     .low = 65536};
    struct io_server server;
    struct pawl_rt *rt;
    int64_t offset = 0;
    int peer;

    (void)state;
    prepare();
    io_open(&rt, 1);
    io_listen(&server, rt, IO_UNIX, &config);
    peer = io_connect(&server);
    io_reach(&trip.opened, 1);
    io_on(rt, 0, begin, &offset);
    io_reach(&trip.done, 1);
    assert_int_equal(trip.result, -ECANCELED);
    end_world(rt, &server, peer);
}

const struct CMUnitTest direct_tests[] = {
    cmocka_unit_test(a_piece_goes_if_it_is_in_memory_and_the_socket_takes_it),
    cmocka_unit_test(what_is_not_in_memory_is_not_waited_for),
    cmocka_unit_test(a_file_that_comes_and_goes_in_memory_arrives_whole),
    cmocka_unit_test(a_file_that_gets_shorter_ends_there),
    cmocka_unit_test(after_a_shutdown_the_rest_of_a_file_is_refused_and_reading_goes_on),
    cmocka_unit_test(a_file_that_is_cancelled_in_drained_waits_for_nobody),
};
const size_t direct_test_count = sizeof direct_tests / sizeof direct_tests[0];
