/* SPDX-License-Identifier: MIT */
/* Operations on files. On both engines. */
#include "io.h"
#include "test_io.h"

#include <fcntl.h>
#include <pawl/file.h>
#include <sys/stat.h>

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
    pieces_fd = io_temporary((size_t)PIECES * PIECE, 7);
    reset_pieces();
    io_open(&rt, 1);
    for (int round = 0; round < (io_long() ? 500 : 20); round++) {
        reset_pieces();
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

const struct CMUnitTest file_tests[] = {
    cmocka_unit_test(a_file_is_made_written_and_read_as_operations),
    cmocka_unit_test(each_operation_of_many_completes_once_with_its_bytes_or_why_not),
    cmocka_unit_test(a_read_that_waits_ends_when_it_is_asked_to),
};
const size_t file_test_count = sizeof file_tests / sizeof file_tests[0];
