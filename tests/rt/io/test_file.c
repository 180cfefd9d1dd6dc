/* SPDX-License-Identifier: MIT */
/* Files, pipes, terminals, and files sent to streams. On both engines. */
#include "io.h"
#include "test_io.h"

#include <fcntl.h>
#include <pawl/fiber.h>
#include <pawl/file.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

/* ---- a file that goes with the test ---- */

static int temporary(void)
{
    char name[] = "/tmp/pawl-test-XXXXXX";
    int fd = mkostemp(name, O_CLOEXEC);

    assert_true(fd >= 0);
    unlink(name);
    return fd;
}

static int temporary_with(size_t count, uint64_t seed)
{
    char *bytes = malloc(count);
    int fd = temporary();

    assert_non_null(bytes);
    io_fill(bytes, count, seed, 0);
    for (size_t done = 0; done < count;) {
        ssize_t n = write(fd, bytes + done, count - done);

        assert_true(n > 0);
        done += (size_t)n;
    }
    free(bytes);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* ---- one operation at a time, in order ---- */

static struct {
    struct pawl_file_op file;
    char folder[32], bytes[64];
    struct iovec vectors[2];
    struct statx stat;
    int fd, step;
    PAWL_ATOMIC(uint64_t) finished;
} tour;

static void tour_goes_on(struct pawl_op *op, int64_t result);

static int tour_begins(int step)
{
    struct pawl_file_op *file = &tour.file;

    switch (step) {
    case 0:
        return pawl_file_open(file, AT_FDCWD, tour.folder, O_CREAT | O_EXCL | O_RDWR, 0600);
    case 1:
        return pawl_file_write(file, tour.fd, "hello, world", 12, 0);
    case 2:
        return pawl_file_writev(file, tour.fd, tour.vectors, 2, 12);
    case 3:
        return pawl_file_sync(file, tour.fd, true);
    case 4:
        return pawl_file_sync(file, tour.fd, false);
    case 5:
        return pawl_file_allocate(file, tour.fd, 0, 0, 8192);
    case 6:
        return pawl_file_stat(file, AT_FDCWD, tour.folder, 0, STATX_SIZE, &tour.stat);
    case 7:
        return pawl_file_read(file, tour.fd, tour.bytes, 5, 7);
    case 8:
        return pawl_file_readv(file, tour.fd, tour.vectors, 2, 0);
    case 9:
        return pawl_file_read(file, tour.fd, tour.bytes, sizeof tour.bytes, 8190); /* across the end */
    case 10:
        return pawl_file_read(file, tour.fd, tour.bytes, 5, PAWL_FILE_POSITION);
    case 11:
        return pawl_file_read(file, tour.fd, tour.bytes + 5, 7, PAWL_FILE_POSITION);
    case 12:
        return pawl_file_read(file, tour.fd, tour.bytes, 1, 100000); /* behind the end */
    case 13:
        return pawl_file_close(file, tour.fd);
    case 14:
        return pawl_file_read(file, tour.fd, tour.bytes, 1, 0); /* closed */
    case 15:
        return pawl_file_open(file, AT_FDCWD, "/nowhere/at/all", O_RDONLY, 0);
    default:
        return pawl_file_stat(file, AT_FDCWD, "/nowhere/at/all", 0, STATX_SIZE, &tour.stat);
    }
}

static void tour_goes_on(struct pawl_op *op, int64_t result)
{
    static const int64_t expected[] = {-1, 12, 8, 0, 0, 0, 0, 5, 8, 2, 5, 7, 0, 0, -EBADF, -ENOENT, -ENOENT};

    assert_ptr_equal(op, &tour.file.op);
    assert_false(pawl_op_pending(op));
    if (tour.step == 0) {
        assert_true(result >= 0);
        assert_int_equal(fcntl((int)result, F_GETFD), FD_CLOEXEC);
        tour.fd = (int)result;
    } else {
        if (result != expected[tour.step])
            fail_msg("step %d: %lld", tour.step, (long long)result);
    }
    if (tour.step == 6)
        assert_int_equal(tour.stat.stx_size, 8192);
    if (tour.step == 7)
        assert_memory_equal(tour.bytes, "world", 5);
    if (tour.step == 8)
        assert_memory_equal(tour.bytes + 32, "hello, w", 8);
    if (tour.step == 11)
        assert_memory_equal(tour.bytes, "hello, world", 12);
    if (++tour.step == (int)(sizeof expected / sizeof expected[0])) {
        io_add(&tour.finished, 1);
        return;
    }
    assert_int_equal(tour_begins(tour.step), 0);
    assert_int_equal(pawl_file_sync(&tour.file, 0, false), -EBUSY);
}

static void begin_tour(void *arg)
{
    (void)arg;
    pawl_file_init(&tour.file, tour_goes_on);
    tour.vectors[0] = (struct iovec){.iov_base = tour.bytes + 32, .iov_len = 4};
    tour.vectors[1] = (struct iovec){.iov_base = tour.bytes + 36, .iov_len = 4};
    assert_int_equal(pawl_file_read(&tour.file, 0, tour.bytes, 1, -2), -EINVAL);
    assert_int_equal(pawl_file_readv(&tour.file, 0, tour.vectors, 1025, 0), -EINVAL);
    assert_int_equal(pawl_file_allocate(&tour.file, 0, 0, 0, 0), -EINVAL);
    assert_false(pawl_op_pending(&tour.file.op));
    assert_int_equal(tour_begins(0), 0);
}

static void a_file_is_made_written_and_read_as_operations(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    memset(&tour, 0, sizeof tour);
    snprintf(tour.folder, sizeof tour.folder, "/tmp/pawl-test-%d", (int)getpid());
    unlink(tour.folder);
    assert_int_equal(pawl_file_sync(&tour.file, 0, false), -EPERM); /* not on a worker */
    io_on(rt, 0, begin_tour, NULL);
    io_reach(&tour.finished, 1);
    assert_int_equal(unlink(tour.folder), 0);
    io_close(rt);
}

/* ---- many at once ---- */

enum { PIECES = 64, PIECE = 8192 };

static struct piece {
    struct pawl_file_op file;
    char *bytes;
    int64_t result;
    PAWL_ATOMIC(uint64_t) done;
} pieces[PIECES];
static int pieces_fd;

static void piece_done(struct pawl_op *op, int64_t result)
{
    struct piece *piece = pawl_op_of(op, struct piece, file.op);

    piece->result = result;
    io_add(&piece->done, 1);
    io_add(&tour.finished, 1);
}

static void read_pieces(void *arg)
{
    (void)arg;
    for (int i = 0; i < PIECES; i++) {
        pawl_file_init(&pieces[i].file, piece_done);
        assert_int_equal(pawl_file_read(&pieces[i].file, pieces_fd, pieces[i].bytes, PIECE,
                                        (int64_t)i * PIECE),
                         0);
    }
}

/* Whatever is asked for at whatever moment: one completion, and then the memory is the caller's. */
static void read_and_cancel_pieces(void *arg)
{
    uint64_t *random = arg;

    read_pieces(NULL);
    for (int i = 0; i < PIECES; i++)
        switch (io_random(random) % 4) {
        case 0:
            assert_int_equal(pawl_op_cancel(&pieces[i].file.op), 0);
            assert_int_equal(pawl_op_cancel(&pieces[i].file.op), 0);
            break;
        case 1:
            (void)pawl_op_deadline(&pieces[i].file.op, 1);
            break;
        default:
            break;
        }
}

static void reset_pieces(void)
{
    pawl_store_relaxed(&tour.finished, 0); /* relaxed: nothing is under way */
    for (int i = 0; i < PIECES; i++) {
        pawl_store_relaxed(&pieces[i].done, 0); /* relaxed: as above */
        free(pieces[i].bytes);
        pieces[i].bytes = malloc(PIECE);
        assert_non_null(pieces[i].bytes);
    }
}

static void each_operation_of_many_completes_once_with_its_bytes_or_why_not(void **state)
{
    static char bytes[PIECE];
    uint64_t random = io_seed();
    struct pawl_rt *rt;

    (void)state;
    pieces_fd = temporary_with((size_t)PIECES * PIECE, 7);
    for (int round = 0; round < (io_long() ? 500 : 20); round++) {
        reset_pieces();
        if (round == 0)
            io_open(&rt, 1);
        if (round % 2 == 0)
            (void)posix_fadvise(pieces_fd, 0, 0, POSIX_FADV_DONTNEED);
        io_on(rt, 0, round == 0 ? read_pieces : read_and_cancel_pieces, &random);
        io_reach(&tour.finished, PIECES);
        for (int i = 0; i < PIECES; i++) {
            assert_int_equal(io_get(&pieces[i].done), 1);
            if (round == 0 || pieces[i].result > 0) {
                assert_int_equal(pieces[i].result, PIECE);
                io_fill(bytes, PIECE, 7, (uint64_t)i * PIECE);
                assert_memory_equal(pieces[i].bytes, bytes, PIECE);
            } else {
                assert_true(pieces[i].result == -ECANCELED || pieces[i].result == -ETIMEDOUT);
            }
        }
    }
    io_close(rt);
    for (int i = 0; i < PIECES; i++) {
        free(pieces[i].bytes);
        pieces[i].bytes = NULL;
    }
    close(pieces_fd);
}

/* A read that nothing comes for: the deadline and the cancellation end it where the kernel can be asked to. */
static struct {
    struct pawl_file_op late, cancelled, left;
    int pipe[2];
    char bytes[3];
    PAWL_ATOMIC(uint64_t) done;
} waits;

static void waits_done(struct pawl_op *op, int64_t result)
{
    (void)op;
    (void)result;
    io_add(&waits.done, 1);
}

static void begin_waits(void *arg)
{
    (void)arg;
    pawl_file_init(&waits.late, waits_done);
    pawl_file_init(&waits.cancelled, waits_done);
    pawl_file_init(&waits.left, waits_done);
    assert_int_equal(pawl_file_read(&waits.late, waits.pipe[0], &waits.bytes[0], 1, PAWL_FILE_POSITION), 0);
    assert_int_equal(pawl_file_read(&waits.cancelled, waits.pipe[0], &waits.bytes[1], 1, PAWL_FILE_POSITION),
                     0);
    assert_int_equal(pawl_file_read(&waits.left, waits.pipe[0], &waits.bytes[2], 1, PAWL_FILE_POSITION), 0);
    assert_int_equal(pawl_op_deadline(&waits.late.op, 1000000), 0);
    assert_int_equal(pawl_op_cancel(&waits.cancelled.op), 0);
}

static void a_read_that_waits_ends_when_it_is_asked_to(void **state)
{
    struct pawl_rt *rt;

    (void)state;
    if (strcmp(io_engine, "uring") != 0)
        return;                         /* a thread that is inside read(2) is not to be asked */
    pawl_store_relaxed(&waits.done, 0); /* relaxed: nothing is under way */
    assert_int_equal(pipe2(waits.pipe, O_CLOEXEC), 0);
    io_open(&rt, 1);
    io_on(rt, 0, begin_waits, NULL);
    io_reach(&waits.done, 2);
    assert_int_equal(waits.late.op.result, -ETIMEDOUT);
    assert_int_equal(waits.cancelled.op.result, -ECANCELED);
    assert_true(pawl_op_pending(&waits.left.op));
    io_close(rt);
    assert_int_equal(io_get(&waits.done), 3);
    assert_int_equal(waits.left.op.result, -ECANCELED);
    close(waits.pipe[0]);
    close(waits.pipe[1]);
}

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

static void a_pipe_takes_what_it_can_and_then_the_rest(void **state)
{
    static char heard[sizeof outgoing];
    struct pawl_rt *rt;
    int ends[2];
    char byte;

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    adopt_on(rt, 0, ends[1], &writing);
    read_fd(ends[0], heard, sizeof heard);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* shut, and so closed */
    io_fill(expected, sizeof expected, 3, 0);
    assert_memory_equal(heard, expected, sizeof heard);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.clean), 1);
    assert_int_equal(io_get(&io_counts.drained), 1);
    close(ends[0]);
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
    struct pawl_rt *rt;
    int ends[2];

    (void)state;
    io_open(&rt, 1);
    for (int written = 0; written < 2; written++) {
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        if (written) /* it hears of it by writing */
            close(ends[0]);
        adopt_on(rt, 0, ends[1], written ? &writing : &idle);
        if (!written) {
            io_reach(&io_counts.opened, 1);
            close(ends[0]);
        }
        io_reach(&io_counts.reset, (uint64_t)written + 1);
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
    fd = temporary_with(size, 5);
    adopt_on(rt, 0, fd, &count);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.bytes), size);
    assert_int_equal(io_get(&io_counts.clean), 1);
    fd = temporary();
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
    bool cancels;
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
    assert_int_equal(pawl_stream_write(stream, "head", 4), 0);
    assert_int_equal(pawl_stream_send_file(stream, &sending.send, sending.fd, -1, 1), -EINVAL);
    assert_int_equal(pawl_stream_send_file(stream, &sending.send, sending.fd, 10, sending.size), 0);
    assert_int_equal(pawl_stream_send_file(stream, &sending.send, sending.fd, 10, 1), -EBUSY);
    assert_int_equal(pawl_stream_move(stream, 0), -EBUSY);
    if (sending.cancels)
        assert_int_equal(pawl_op_cancel(&sending.send.op), 0);
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
    sending.fd = temporary_with(FILE_BYTES, 9);
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
    sending.fd = temporary_with(FILE_BYTES, 9);
    sending.size = FILE_BYTES;
    for (int way = 0; way < 3; way++) {
        io_open(&rt, 1);
        pawl_store_relaxed(&sending.done, 0); /* relaxed: nothing is under way */
        sending.cancels = way == 2;
        io_listen(&server, rt, IO_UNIX, &sends);
        fd = io_connect(&server);
        io_read(fd, bytes, 4);
        if (way == 0) {
            close(fd);
            io_reach(&io_counts.closed, 1);
            assert_true(sending.result == -EPIPE || sending.result == -ECONNRESET);
        } else if (way == 2) {
            io_reach(&sending.done, 1);
            assert_int_equal(sending.result, -ECANCELED);
        }
        io_unlisten(&server);
        assert_int_equal(pawl_rt_close(rt), 0);
        assert_int_equal(io_get(&sending.done), 1);
        assert_int_equal(io_get(&io_counts.closed), 1);
        if (way == 1)
            assert_int_equal(sending.result, -ECANCELED);
        if (way != 0)
            close(fd);
    }
    sending.cancels = false;
    close(sending.fd);
}

const struct CMUnitTest file_tests[] = {
    cmocka_unit_test(a_file_is_made_written_and_read_as_operations),
    cmocka_unit_test(each_operation_of_many_completes_once_with_its_bytes_or_why_not),
    cmocka_unit_test(a_read_that_waits_ends_when_it_is_asked_to),
    cmocka_unit_test(a_pipe_is_read_to_its_end),
    cmocka_unit_test(a_pipe_takes_what_it_can_and_then_the_rest),
    cmocka_unit_test(a_pipe_that_nobody_reads_breaks_without_a_signal),
    cmocka_unit_test(a_terminal_is_read_and_written),
    cmocka_unit_test(a_terminal_without_the_other_side_has_ended),
    cmocka_unit_test(a_regular_file_is_a_stream_too),
    cmocka_unit_test(a_pipe_moves_to_another_worker_and_a_file_does_not),
    cmocka_unit_test(a_watch_that_is_stopped_lets_go_of_its_descriptor),
    cmocka_unit_test(a_file_is_sent_to_a_stream_whole_and_in_order),
    cmocka_unit_test(a_file_that_cannot_be_sent_completes_once),
};
const size_t file_test_count = sizeof file_tests / sizeof file_tests[0];
