/* SPDX-License-Identifier: MIT */
/* Streams that are no sockets: pipes, terminals, files; and files sent to streams. On both engines. */
#include "io.h"
#include "test_io.h"

#include <fcntl.h>
#include <pawl/file.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

/* ---- streams that are no sockets ---- */

static struct {
    const struct pawl_stream_config *config;
    int fd, status;
    struct pawl_stream *stream;
} adoption;

static void adopt(void *arg)
{
    (void)arg;
    adoption.status = pawl_stream_adopt(&adoption.stream, adoption.config, adoption.fd);
}

static struct pawl_stream *adopt_on(struct pawl_rt *rt, uint32_t worker, int fd,
                                    const struct pawl_stream_config *config)
{
    adoption.config = config;
    adoption.fd = fd;
    io_on(rt, worker, adopt, NULL);
    assert_int_equal(adoption.status, 0);
    return adoption.stream;
}

static const struct pawl_stream_config count = {.opened = io_opened,
                                                .received = io_received_count,
                                                .ended = io_ended_close,
                                                .closed = io_closed};

static void nothing_received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    (void)stream;
    (void)slice;
    fail_msg("a descriptor that is only written to has read");
}

static char outgoing[1 << 20], expected[sizeof outgoing]; /* the worker's, and the test's */

/* More than a pipe takes. */
static void opened_writes(struct pawl_stream *stream)
{
    io_opened(stream);
    io_fill(outgoing, sizeof outgoing, 3, 0);
    assert_int_equal(pawl_stream_write(stream, outgoing, sizeof outgoing), 0);
    assert_true(pawl_stream_full(stream));
    assert_int_equal(pawl_stream_shutdown(stream), 0);
}

static const struct pawl_stream_config writing = {.opened = opened_writes,
                                                  .received = nothing_received,
                                                  .drained = io_drained,
                                                  .closed = io_closed};

/* As on a kernel that has no flag against SIGPIPE. */
static void opened_holds_the_signal(struct pawl_stream *stream)
{
    stream->holds_signal = true;
    opened_writes(stream);
}

static const struct pawl_stream_config writing_as_before = {.opened = opened_holds_the_signal,
                                                            .received = nothing_received,
                                                            .drained = io_drained,
                                                            .closed = io_closed};

static void read_fd(int fd, char *bytes, size_t count_of)
{
    for (size_t done = 0; done < count_of;) {
        ssize_t n = read(fd, bytes + done, count_of - done);

        if (n <= 0)
            fail_msg("read: %zd, errno %d, after %zu", n, errno, done);
        done += (size_t)n;
    }
}

static void a_pipe_is_read_to_its_end(void **state)
{
    static char bytes[300000];
    struct pawl_rt *rt;
    int ends[2];

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    adopt_on(rt, 0, ends[0], &count);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    io_reach(&io_counts.bytes, 1);
    assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes); /* blocks until it is read */
    io_reach(&io_counts.bytes, 1 + sizeof bytes);
    close(ends[1]);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.clean), 1);
    assert_int_equal(io_get(&io_counts.ended), 1);
    io_close(rt);
}

/* A read of a pipe in packet mode gives one packet, however many there are: fewer bytes than there is room for say nothing. */
static void a_pipe_of_packets_is_read_empty(void **state)
{
    enum { PACKETS = 9 };
    struct pawl_rt *rt;
    int ends[2];

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
    for (int i = 0; i < PACKETS; i++)
        assert_int_equal(write(ends[1], "packet", 6), 6);
    adopt_on(rt, 0, ends[0], &count);
    io_reach(&io_counts.bytes, PACKETS * 6);
    close(ends[1]);
    io_reach(&io_counts.clean, 1);
    io_close(rt);
}

static enum pawl_task_next keep_busy(struct pawl_task *task)
{
    return pawl_task_cancelled(task) != 0 ? PAWL_TASK_DONE : PAWL_TASK_AGAIN;
}

/* After a short read of a pipe the worker may do other things first: not for ever, and not only while nothing comes. Packets
 * that lie in the pipe from before come out while new ones are written. */
static void packets_are_read_by_a_worker_that_never_rests(void **state)
{
    enum { PACKETS = 9, ROUNDS = 2000 };
    struct pawl_task busy;
    struct pawl_rt *rt;
    int ends[2];

    (void)state;
    io_open(&rt, 1);
    pawl_task_init(&busy, keep_busy, 0);
    assert_int_equal(pawl_task_spawn(rt, &busy), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
    for (int i = 0; i < PACKETS; i++)
        assert_int_equal(write(ends[1], "packet", 6), 6);
    adopt_on(rt, 0, ends[0], &count);
    io_reach(&io_counts.bytes, PACKETS * 6);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        assert_int_equal(write(ends[1], "packet", 6), 6);
        if (i % 7 == 0)
            io_reach(&io_counts.bytes, (PACKETS + i) * 6);
    }
    io_reach(&io_counts.bytes, (PACKETS + ROUNDS) * 6);
    close(ends[1]);
    io_reach(&io_counts.clean, 1);
    assert_int_equal(pawl_task_cancel(&busy), 0);
    assert_int_equal(pawl_task_join(&busy), 0);
    io_close(rt);
}

static void a_pipe_takes_what_it_can_and_then_the_rest(void **state)
{
    static char heard[sizeof outgoing];
    struct pawl_rt *rt;
    int ends[2];
    char byte;

    (void)state;
    io_open(&rt, 1);
    for (uint64_t round = 1; round <= 2; round++) {
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        adopt_on(rt, 0, ends[1], round == 1 ? &writing : &writing_as_before);
        read_fd(ends[0], heard, sizeof heard);
        assert_int_equal(read(ends[0], &byte, 1), 0); /* shut, and so closed */
        io_fill(expected, sizeof expected, 3, 0);
        assert_memory_equal(heard, expected, sizeof heard);
        io_reach(&io_counts.closed, round);
        assert_int_equal(io_get(&io_counts.clean), round);
        assert_int_equal(io_get(&io_counts.drained), round);
        close(ends[0]);
    }
    io_close(rt);
}

static void write_to(void *stream)
{
    adoption.status = pawl_stream_write(stream, "x", 1);
}

static void a_pipe_that_nobody_reads_breaks_without_a_signal(void **state)
{
    static const struct pawl_stream_config idle = {.opened = io_opened,
                                                   .received = nothing_received,
                                                   .closed = io_closed};
    const struct pawl_stream_config *configs[] = {&idle, &writing, &writing_as_before};
    struct pawl_rt *rt;
    int ends[2];

    (void)state;
    io_open(&rt, 1);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        if (i > 0) /* it hears of it by writing */
            close(ends[0]);
        adopt_on(rt, 0, ends[1], configs[i]);
        if (i == 0) {
            io_reach(&io_counts.opened, 1);
            close(ends[0]);
        }
        io_reach(&io_counts.reset, i + 1);
    }
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0); /* nor is what is only read written to */
    io_on(rt, 0, write_to, adopt_on(rt, 0, ends[0], &count));
    assert_int_equal(adoption.status, -EPIPE);
    close(ends[1]);
    io_reach(&io_counts.clean, 1);
    io_close(rt);
}

/* The slave of a pseudo-terminal, line by line; others who have it open go on blocking. */
static void a_terminal_is_read_and_written(void **state)
{
    static const struct pawl_stream_config echo = {IO_ECHO};
    struct pawl_rt *rt;
    char line[8];
    int master, slave, other;

    (void)state;
    io_open(&rt, 1);
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    other = dup(slave);
    adopt_on(rt, 0, slave, &echo);
    assert_int_equal(fcntl(other, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(write(master, "one\ntwo\n", 8), 8);
    io_reach(&io_counts.bytes, 8);
    assert_int_equal(write(master, "\4", 1), 1); /* control-D: the end */
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.clean), 1);
    read_fd(master, line, 5);
    assert_memory_equal(line, "one\r\n", 5); /* the terminal's own echo comes first */
    close(other);
    close(master);
    io_close(rt);
}

/* The master hears that the slave has gone. */
static void a_terminal_without_the_other_side_has_ended(void **state)
{
    struct pawl_rt *rt;
    int master, slave;

    (void)state;
    io_open(&rt, 1);
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    adopt_on(rt, 0, master, &count);
    assert_int_equal(write(slave, "hello", 5), 5);
    io_reach(&io_counts.bytes, 5);
    close(slave);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.clean), 1);
    io_close(rt);
}

static void a_regular_file_is_a_stream_too(void **state)
{
    static char heard[sizeof outgoing];
    const size_t size = 300000;
    struct pawl_rt *rt;
    int fd, copy;

    (void)state;
    io_open(&rt, 1);
    fd = io_temporary(size, 5);
    adopt_on(rt, 0, fd, &count);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.bytes), size);
    assert_int_equal(io_get(&io_counts.clean), 1);
    fd = io_temporary(0, 0);
    copy = dup(fd);
    adopt_on(rt, 0, fd, &writing);
    io_reach(&io_counts.opened, 2);
    while (lseek(copy, 0, SEEK_END) < (off_t)sizeof outgoing) /* it still reads, as it is open for both */
        ;
    assert_int_equal(pread(copy, heard, sizeof heard, 0), sizeof heard);
    io_fill(expected, sizeof expected, 3, 0);
    assert_memory_equal(heard, expected, sizeof heard);
    io_reach(&io_counts.closed, 2);
    assert_int_equal(io_get(&io_counts.clean), 2);
    close(copy);
    adopt_on(rt, 0, open("/dev/null", O_WRONLY | O_CLOEXEC), &writing); /* nor can one wait for that */
    io_reach(&io_counts.clean, 3);
    adoption.fd = open("/", O_RDONLY | O_CLOEXEC);
    io_on(rt, 0, adopt, NULL);
    assert_int_equal(adoption.status, -EISDIR);
    close(adoption.fd);
    adopt_on(rt, 0, open("/dev/zero", O_RDONLY | O_CLOEXEC), &count); /* has no end but that of the runtime */
    io_reach(&io_counts.opened, 4);
    io_close(rt);
    assert_int_equal(io_get(&io_counts.cancelled), 1);
}

static void move_away(void *stream)
{
    adoption.status = pawl_stream_move(stream, 1);
}

static void a_pipe_moves_to_another_worker_and_a_file_does_not(void **state)
{
    struct pawl_rt *rt;
    struct pawl_stream *stream;
    int ends[2];

    (void)state;
    io_open(&rt, 2);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    stream = adopt_on(rt, 0, ends[0], &count);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    io_reach(&io_counts.bytes, 3);
    io_on(rt, 0, move_away, stream);
    assert_int_equal(adoption.status, 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    io_reach(&io_counts.bytes, 6);
    close(ends[1]);
    io_reach(&io_counts.closed, 1);
    stream = adopt_on(rt, 0, open("/dev/zero", O_RDONLY | O_CLOEXEC), &count);
    io_reach(&io_counts.opened, 2);
    io_on(rt, 0, move_away, stream);
    assert_int_equal(adoption.status, -EBUSY);
    io_close(rt);
}

/* An event that is on its way when the watch is stopped must not keep the descriptor open behind its close. */
static struct {
    struct pawl_watch watch;
    int pipe[2];
} stopped;

static void never_ready(struct pawl_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
    fail_msg("a stopped watch is called");
}

static void start_watch(void *arg)
{
    (void)arg;
    memset(&stopped.watch, 0, sizeof stopped.watch);
    stopped.watch.ready = never_ready;
    assert_int_equal(pawl_watch_start(&stopped.watch, stopped.pipe[0], EPOLLIN), 0);
}

static void make_ready_and_stop(void *arg)
{
    (void)arg;
    assert_int_equal(write(stopped.pipe[1], "x", 1), 1);
    pawl_watch_stop(&stopped.watch);
    close(stopped.pipe[0]);
}

static void a_watch_that_is_stopped_lets_go_of_its_descriptor(void **state)
{
    struct pollfd peer = {0};
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(pipe2(stopped.pipe, O_CLOEXEC), 0);
    io_on(rt, 0, start_watch, NULL);
    io_on(rt, 0, make_ready_and_stop, NULL);
    peer.fd = stopped.pipe[1];
    assert_int_equal(poll(&peer, 1, 60000), 1);
    assert_int_equal(peer.revents & POLLERR, POLLERR); /* nobody has the other end any more */
    close(stopped.pipe[1]);
    io_close(rt);
}

/* ---- a file to a stream ---- */

static struct {
    struct pawl_send_file send;
    struct pawl_stream *stream;
    int fd;
    int64_t result;
    uint64_t size;
    bool cancels, waits; /* at once; until the runtime closes */
    PAWL_ATOMIC(uint64_t) done;
} sending;

static void sending_done(struct pawl_op *op, int64_t result)
{
    assert_ptr_equal(op, &sending.send.op);
    sending.result = result;
    if (result >= 0)
        pawl_stream_close(sending.stream);
    io_add(&sending.done, 1);
}

static void opened_sends(struct pawl_stream *stream)
{
    io_opened(stream);
    sending.stream = stream;
    pawl_op_init(&sending.send.op, sending_done);
    if (!sending.waits)
        assert_int_equal(pawl_stream_write(stream, "head", 4), 0);
    assert_int_equal(pawl_stream_send_file(stream, &sending.send, sending.fd, -1, 1), -EINVAL);
    assert_int_equal(pawl_stream_send_file(stream, &sending.send, sending.fd, 10, sending.size), 0);
    assert_int_equal(pawl_stream_send_file(stream, &sending.send, sending.fd, 10, 1), -EBUSY);
    assert_int_equal(pawl_stream_move(stream, 0), -EBUSY);
    if (sending.cancels)
        assert_int_equal(pawl_op_cancel(&sending.send.op), 0);
    while (sending.waits && !pawl_rt_closing_(pawl_worker_here_()->rt))
        usleep(1000);
}

static void sending_closed(struct pawl_stream *stream, int reason)
{
    assert_false(pawl_op_pending(&sending.send.op)); /* it has completed before */
    io_closed(stream, reason);
}

static const struct pawl_stream_config sends = {.opened = opened_sends,
                                                .received = io_received_count,
                                                .closed = sending_closed,
                                                .high = 100000,
                                                .low = 1000};

enum { FILE_BYTES = 3000000 };

static void a_file_is_sent_to_a_stream_whole_and_in_order(void **state)
{
    static char heard[FILE_BYTES], bytes[FILE_BYTES];
    struct pawl_rt *rt;
    struct io_server server;
    int fd;

    (void)state;
    sending.fd = io_temporary(FILE_BYTES, 9);
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX) {
        io_open(&rt, 1);
        pawl_store_relaxed(&sending.done, 0);                 /* relaxed: nothing is under way */
        sending.size = kind == IO_TCP ? 1000000 : FILE_BYTES; /* more than there is */
        io_listen(&server, rt, (enum io_kind)kind, &sends);
        fd = io_connect(&server);
        io_read(fd, heard, 4);
        assert_memory_equal(heard, "head", 4);
        io_fill(bytes, FILE_BYTES, 9, 10);
        io_read(fd, heard, kind == IO_TCP ? 1000000 : FILE_BYTES - 10);
        io_read_end(fd);
        assert_memory_equal(heard, bytes, kind == IO_TCP ? 1000000 : FILE_BYTES - 10);
        assert_int_equal(io_get(&sending.done), 1);
        assert_int_equal(sending.result, kind == IO_TCP ? 1000000 : FILE_BYTES - 10);
        close(fd);
        io_unlisten(&server);
        io_close(rt);
    }
    close(sending.fd);
}

/* A peer that goes, a runtime that closes, a cancellation: one completion, before closed(). */
static void a_file_that_cannot_be_sent_completes_once(void **state)
{
    struct pawl_rt *rt;
    struct io_server server;
    char bytes[4];
    int fd = -1;

    (void)state;
    sending.fd = io_temporary(FILE_BYTES, 9);
    sending.size = FILE_BYTES;
    for (int way = 0; way < 4; way++) {
        io_open(&rt, 1);
        pawl_store_relaxed(&sending.done, 0); /* relaxed: nothing is under way */
        sending.cancels = way == 2;
        sending.waits = way == 3; /* all is told to end before the turn in which it could go on */
        io_listen(&server, rt, IO_UNIX, &sends);
        fd = io_connect(&server);
        io_reach(&io_counts.opened, 1);
        if (way != 3)
            io_read(fd, bytes, 4);
        if (way == 0) {
            close(fd);
            io_reach(&io_counts.closed, 1);
            assert_true(sending.result == -EPIPE || sending.result == -ECONNRESET);
        } else if (way == 2) {
            io_reach(&sending.done, 1);
            assert_int_equal(sending.result, -ECANCELED);
        }
        if (way != 3)
            io_unlisten(&server);
        assert_int_equal(pawl_rt_close(rt), 0);
        assert_int_equal(io_get(&sending.done), 1);
        assert_int_equal(io_get(&io_counts.closed), 1);
        if (way == 1 || way == 3)
            assert_int_equal(sending.result, -ECANCELED);
        if (way != 0)
            close(fd);
    }
    sending.waits = false;
    close(sending.fd);
}

/* ---- an operation in the stream's own context ---- */

static PAWL_ATOMIC(uint64_t) flushes_done;

static void flush_done(struct pawl_op *op, int64_t result)
{
    (void)op;
    assert_int_equal(result, -EINTR);
    io_add(&flushes_done, 1);
}

/* What ends it was queued before what completes the operation. */
static void close_flush_abort(struct pawl_stream *stream)
{
    struct pawl_op *op = pawl_stream_context(stream);

    io_opened(stream);
    pawl_op_init(op, flush_done);
    assert_int_equal(pawl_stream_write(stream, "x", 1), 0);
    pawl_stream_close(stream);
    pawl_stream_later_(stream);
    assert_int_equal(pawl_stream_flush(stream, op), 0);
    pawl_stream_abort(stream, -EINTR);
}

static void closed_after_flush(struct pawl_stream *stream, int reason)
{
    assert_false(pawl_op_pending(pawl_stream_context(stream)));
    assert_int_equal(io_get(&flushes_done), 1);
    io_closed(stream, reason);
}

static void an_operation_of_a_stream_completes_before_closed(void **state)
{
    static const struct pawl_stream_config config = {.opened = close_flush_abort,
                                                     .received = io_received_count,
                                                     .closed = closed_after_flush,
                                                     .context_bytes = sizeof(struct pawl_op)};
    struct pawl_rt *rt;
    int pair[2];

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    adopt_on(rt, 0, pair[0], &config);
    io_reach(&io_counts.closed, 1);
    close(pair[1]);
    io_close(rt);
}

const struct CMUnitTest plain_tests[] = {
    cmocka_unit_test(a_pipe_is_read_to_its_end),
    cmocka_unit_test(a_pipe_of_packets_is_read_empty),
    cmocka_unit_test(packets_are_read_by_a_worker_that_never_rests),
    cmocka_unit_test(a_pipe_takes_what_it_can_and_then_the_rest),
    cmocka_unit_test(a_pipe_that_nobody_reads_breaks_without_a_signal),
    cmocka_unit_test(a_terminal_is_read_and_written),
    cmocka_unit_test(a_terminal_without_the_other_side_has_ended),
    cmocka_unit_test(a_regular_file_is_a_stream_too),
    cmocka_unit_test(a_pipe_moves_to_another_worker_and_a_file_does_not),
    cmocka_unit_test(a_watch_that_is_stopped_lets_go_of_its_descriptor),
    cmocka_unit_test(a_file_is_sent_to_a_stream_whole_and_in_order),
    cmocka_unit_test(a_file_that_cannot_be_sent_completes_once),
    cmocka_unit_test(an_operation_of_a_stream_completes_before_closed),
};
const size_t plain_test_count = sizeof plain_tests / sizeof plain_tests[0];
