/* SPDX-License-Identifier: MIT */
/* Connecting, operations, watches, moving, frames. On both engines. */
#include "io.h"
#include "test_io.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/un.h>

static const struct pawl_stream_config echo = {IO_ECHO};

/* ---- connecting ---- */

static struct {
    struct io_server *server;
    struct pawl_stream *stream;
    const struct pawl_stream_config *config;
    int status;
    PAWL_ATOMIC(uint64_t) answered;
} client;

static void client_opened(struct pawl_stream *stream)
{
    io_opened(stream);
    assert_int_equal(pawl_stream_write(stream, "question", 8), 0);
}

static void client_received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    io_add(&client.answered, slice->count);
    if (io_get(&client.answered) % 8 == 0)
        pawl_stream_close(stream);
}

static const struct pawl_stream_config asking = {.opened = client_opened,
                                                 .received = client_received,
                                                 .closed = io_closed,
                                                 .connect_ms = 60000};
static const struct pawl_stream_config asking_shortly = {.opened = client_opened,
                                                         .received = client_received,
                                                         .closed = io_closed,
                                                         .connect_ms = 100};

static void connect_client(void *arg)
{
    (void)arg;
    client.status = pawl_stream_connect(&client.stream, client.config,
                                        (const struct sockaddr *)&client.server->address,
                                        client.server->address_bytes);
}

static void a_client_is_connected_or_told_why_not(void **state)
{
    struct pawl_rt *rt;
    struct io_server server;

    (void)state;
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX) {
        io_open(&rt, 2);
        io_listen(&server, rt, (enum io_kind)kind, &echo);
        client.server = &server;
        client.config = &asking;
        pawl_store_relaxed(&client.answered, 0); /* relaxed: before there is a client */
        for (uint32_t i = 0; i < 2; i++) {
            io_on(rt, i, connect_client, NULL);
            assert_int_equal(client.status, 0);
        }
        io_reach(&io_counts.closed, 4); /* both ends of both */
        assert_int_equal(io_get(&io_counts.clean), 4);
        assert_int_equal(io_get(&client.answered), 16);
        io_unlisten(&server);
        io_on(rt, 0, connect_client, NULL); /* nobody listens */
        if (kind == IO_UNIX) {
            assert_int_equal(client.status, -ECONNREFUSED);
        } else if (client.status == 0) {
            io_reach(&io_counts.closed, 5);
            assert_int_equal(io_get(&io_counts.other), 1);
        } else {
            assert_int_equal(client.status, -ECONNREFUSED);
        }
        assert_int_equal(pawl_stream_connect(&client.stream, &asking,
                                             (const struct sockaddr *)&server.address, server.address_bytes),
                         -EPERM); /* not on a worker */
        io_close(rt);
    }
}

/* A listener whose queue is full drops what asks to connect, so that it hears nothing. */
static void a_connection_that_takes_too_long_times_out(void **state)
{
    struct pawl_rt *rt;
    struct io_server deaf = {.address_bytes = sizeof(struct sockaddr_in)};
    struct sockaddr_in *address = (struct sockaddr_in *)&deaf.address;
    int listener, fds[4], more = 0;

    (void)state;
    io_open(&rt, 1);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &deaf.address_bytes), 0);
    for (; more < 4; more++) {
        fds[more] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fds[more], (const struct sockaddr *)address, sizeof *address);
    }
    client.server = &deaf;
    client.config = &asking_shortly;
    io_on(rt, 0, connect_client, NULL);
    assert_int_equal(client.status, 0);
    io_reach(&io_counts.timed_out, 1);
    assert_int_equal(io_get(&io_counts.opened), 0);
    io_on(rt, 0, connect_client, NULL); /* and one that is on its way when the runtime closes */
    while (more > 0)
        close(fds[--more]);
    close(listener);
    io_close(rt);
    assert_int_equal(io_get(&io_counts.closed), 2);
}

/* ---- operations and watches ---- */

static struct {
    struct pawl_op op[4];
    struct pawl_watch watch[4];
    int fd, pair[2];
    int64_t result[4];
    PAWL_ATOMIC(uint64_t) done, ready;
    bool inside;
} ops;

static void op_done(struct pawl_op *op, int64_t result)
{
    assert_false(ops.inside); /* never inside what began it, or cancelled it */
    assert_false(pawl_op_pending(op));
    ops.result[op - ops.op] = result;
    io_add(&ops.done, 1);
}

static void begin_ops(void *arg)
{
    (void)arg;
    ops.inside = true;
    for (unsigned i = 0; i < 4; i++) {
        memset(&ops.watch[i], 0, sizeof ops.watch[i]);
        pawl_op_init(&ops.op[i], op_done);
        /* descriptors of their own: epoll has each once */
        assert_int_equal(pawl_watch_once(&ops.watch[i], &ops.op[i], i == 0 ? ops.fd : dup(ops.fd), EPOLLIN),
                         0);
        assert_int_equal(pawl_watch_once(&ops.watch[i], &ops.op[i], ops.fd, EPOLLIN), -EBUSY);
        assert_true(pawl_op_pending(&ops.op[i]));
    }
    assert_int_equal(pawl_op_cancel(&ops.op[1]), 0);
    assert_int_equal(pawl_op_cancel(&ops.op[1]), 0); /* it is ending: done() is still to come */
    assert_int_equal(pawl_op_deadline(&ops.op[1], 1), -EALREADY);
    assert_int_equal(pawl_op_deadline(&ops.op[2], 20000000), 0);
    assert_int_equal(pawl_op_deadline(&ops.op[3], UINT64_MAX), 0);
    ops.inside = false;
}

static void end_ops(void *arg)
{
    (void)arg;
    assert_int_equal(pawl_op_cancel(&ops.op[0]), -EALREADY);
    for (unsigned i = 1; i < 4; i++)
        close(*(int *)arg + (int)i);
}

static void an_operation_completes_exactly_once(void **state)
{
    const uint64_t one = 1;
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    memset(&ops, 0, sizeof ops);
    ops.fd = eventfd(0, EFD_CLOEXEC);
    io_on(rt, 0, begin_ops, NULL);
    io_reach(&ops.done, 2);
    assert_int_equal(ops.result[1], -ECANCELED);
    assert_int_equal(ops.result[2], -ETIMEDOUT);
    assert_int_equal(write(ops.fd, &one, sizeof one), sizeof one);
    io_reach(&ops.done, 4);
    assert_int_equal(ops.result[0], EPOLLIN);
    assert_int_equal(ops.result[3], EPOLLIN);
    io_on(rt, 0, end_ops, &ops.fd);
    assert_int_equal(io_get(&ops.done), 4);
    close(ops.fd);
    io_close(rt);
}

static void what_waits_is_cancelled_when_the_runtime_closes(void **state)
{
    struct pawl_rt *rt;
    int fd;

    (void)state;
    io_open(&rt, 1);
    memset(&ops, 0, sizeof ops);
    fd = ops.fd = eventfd(0, EFD_CLOEXEC);
    io_on(rt, 0, begin_ops, NULL);
    io_reach(&ops.done, 2);
    assert_int_equal(pawl_rt_close(rt), 0);
    assert_int_equal(io_get(&ops.done), 4);
    assert_int_equal(ops.result[0], -ECANCELED);
    assert_int_equal(ops.result[3], -ECANCELED);
    for (int i = 0; i < 4; i++)
        close(fd + i);
    io_open(&rt, 1);
    io_close(rt);
}

static struct pawl_task waiting;

static enum pawl_task_next wait_for_it(struct pawl_task *task)
{
    if (io_get(&ops.ready) == 0) {
        pawl_op_init(&ops.op[0], NULL);
        pawl_op_wakes(&ops.op[0], task);
        assert_int_equal(pawl_watch_once(&ops.watch[0], &ops.op[0], ops.fd, EPOLLIN), 0);
        io_add(&ops.ready, 1);
        return PAWL_TASK_WAIT;
    }
    assert_false(pawl_op_pending(&ops.op[0]));
    assert_int_equal(ops.op[0].result, EPOLLIN);
    return PAWL_TASK_DONE;
}

static void an_operation_wakes_the_task_that_waits_for_it(void **state)
{
    const uint64_t one = 1;
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 2);
    memset(&ops, 0, sizeof ops);
    ops.fd = eventfd(0, EFD_CLOEXEC);
    pawl_task_init(&waiting, wait_for_it, 0);
    assert_int_equal(pawl_task_spawn(rt, &waiting), 0);
    io_reach(&ops.ready, 1);
    assert_int_equal(write(ops.fd, &one, sizeof one), sizeof one);
    assert_int_equal(pawl_task_join(&waiting), 0);
    close(ops.fd);
    io_close(rt);
}

static void watch_ready(struct pawl_watch *watch, uint32_t events)
{
    (void)watch;
    assert_true((events & EPOLLIN) != 0);
    io_add(&ops.ready, 1);
}

static void start_watch(void *arg)
{
    (void)arg;
    memset(&ops.watch[0], 0, sizeof ops.watch[0]);
    ops.watch[0].ready = watch_ready;
    assert_int_equal(pawl_watch_start(&ops.watch[0], ops.fd, EPOLLIN), 0);
    assert_int_equal(pawl_watch_start(&ops.watch[0], ops.fd, EPOLLIN), -EBUSY);
    assert_int_equal(pawl_watch_once(&ops.watch[0], &ops.op[0], ops.fd, EPOLLIN), -EBUSY);
    assert_int_equal(pawl_watch_start(&ops.watch[1], -1, EPOLLIN), -EBADF);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void stop_watch(void *arg)
{
    const uint64_t one = 1;

    (void)arg;
    assert_int_equal(write(ops.fd, &one, sizeof one),
                     sizeof one); /* an event is on its way, and is dropped */
    pawl_watch_stop(&ops.watch[0]);
    pawl_watch_stop(&ops.watch[0]);
}

static void a_watch_tells_each_time_and_nothing_after_its_stop(void **state)
{
    const uint64_t one = 1;
    struct pawl_rt *rt;

    (void)state;
    io_open(&rt, 1);
    memset(&ops, 0, sizeof ops);
    ops.fd = eventfd(0, EFD_CLOEXEC);
    io_on(rt, 0, start_watch, NULL);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(write(ops.fd, &one, sizeof one), sizeof one);
        io_reach(&ops.ready, i);
    }
    io_on(rt, 0, stop_watch, NULL);
    assert_int_equal(write(ops.fd, &one, sizeof one), sizeof one);
    for (int i = 0; i < 5; i++)
        io_on(rt, 0, nothing, NULL);
    assert_int_equal(io_get(&ops.ready), 5);
    /* the same descriptor again, ready from the start, and left to the end of the runtime */
    io_on(rt, 0, start_watch, NULL);
    io_reach(&ops.ready, 6);
    assert_int_equal(pawl_rt_close(rt), 0);
    close(ops.fd);
    io_open(&rt, 1);
    io_close(rt);
}

static void stop_watch_of_closed(void *arg)
{
    (void)arg;
    pawl_watch_stop(&ops.watch[0]);
}

/* The descriptor lives on elsewhere, the number is another file's: what happens to the former is not told to the
 * latter. */
static void an_event_of_the_former_owner_of_a_descriptor_is_dropped(void **state)
{
    const uint64_t one = 1;
    struct pawl_rt *rt;
    int former, number;

    (void)state;
    io_open(&rt, 1);
    memset(&ops, 0, sizeof ops);
    number = ops.fd = eventfd(0, EFD_CLOEXEC);
    former = dup(ops.fd);
    io_on(rt, 0, start_watch, NULL);
    close(ops.fd); /* against the rules: before the stop */
    io_on(rt, 0, stop_watch_of_closed, NULL);
    ops.fd = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(ops.fd, number);
    io_on(rt, 0, start_watch, NULL);
    assert_int_equal(write(former, &one, sizeof one), sizeof one);
    for (int i = 0; i < 5; i++)
        io_on(rt, 0, nothing, NULL);
    assert_int_equal(io_get(&ops.ready), 0);
    assert_int_equal(write(ops.fd, &one, sizeof one), sizeof one);
    io_reach(&ops.ready, 1);
    io_on(rt, 0, stop_watch, NULL);
    close(former);
    close(ops.fd);
    io_close(rt);
}

static void adopt_and_flush(void *arg)
{
    static char much[4 << 20];
    struct pawl_stream *stream;

    (void)arg;
    ops.inside = true;
    assert_int_equal(pawl_stream_adopt(&stream, &echo, ops.pair[0]), 0);
    for (unsigned i = 0; i < 3; i++)
        pawl_op_init(&ops.op[i], op_done);
    assert_int_equal(pawl_stream_flush(stream, &ops.op[0]), 0); /* nothing to wait for */
    assert_int_equal(pawl_stream_write(stream, much, sizeof much), 0);
    assert_int_equal(pawl_stream_flush(stream, &ops.op[1]), 0);
    assert_int_equal(pawl_stream_flush(stream, &ops.op[2]), 0);
    assert_int_equal(pawl_op_cancel(&ops.op[2]), 0);
    ops.inside = false;
}

static void a_flush_completes_when_all_is_sent(void **state)
{
    static char bytes[4 << 20];
    struct pawl_rt *rt;

    (void)state;
    for (int round = 0; round < 2; round++) {
        io_open(&rt, 1);
        memset(&ops, 0, sizeof ops);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ops.pair), 0);
        io_on(rt, 0, adopt_and_flush, NULL);
        io_reach(&ops.done, 2);
        assert_int_equal(ops.result[0], 0);
        assert_int_equal(ops.result[2], -ECANCELED);
        if (round == 0) {
            io_read(ops.pair[1], bytes, sizeof bytes);
            io_reach(&ops.done, 3);
            assert_int_equal(ops.result[1], 0);
            close(ops.pair[1]);
        } else {
            close(ops.pair[1]); /* the peer goes instead of reading */
            io_reach(&ops.done, 3);
            assert_true(ops.result[1] == -EPIPE || ops.result[1] == -ECONNRESET);
        }
        io_reach(&io_counts.closed, 1);
        io_close(rt);
    }
}

/* ---- other workers ---- */

static void received_move(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    uint32_t here = pawl_worker_here_()->index;
    struct pawl_stream_handle handle = pawl_stream_get_handle(stream);

    assert_ptr_equal(pawl_stream_find(handle), stream);
    handle.key += UINT64_C(1) << 32; /* another generation */
    assert_null(pawl_stream_find(handle));
    io_received_echo(stream, slice);
    *(uint64_t *)pawl_stream_context(stream) += slice->count;
    assert_int_equal(*(uint64_t *)pawl_stream_context(stream), io_get(&io_counts.bytes));
    assert_int_equal(pawl_stream_move(stream, 99), -EINVAL);
    assert_int_equal(pawl_stream_move(stream, here), 0); /* it is there */
    assert_int_equal(pawl_stream_move(stream, 1 - here), 0);
    assert_int_equal(pawl_stream_move(stream, here), -EBUSY);
    io_add(&ops.ready, 1);
}

static void a_stream_that_moves_loses_nothing(void **state)
{
    static const struct pawl_stream_config config = {.opened = io_opened,
                                                     .received = received_move,
                                                     .ended = io_ended_close,
                                                     .closed = io_closed,
                                                     .context_bytes = sizeof(uint64_t),
                                                     .idle_ms = 60000};
    static char bytes[300000], back[300000];
    struct pawl_rt *rt;
    struct io_server server;
    int fd;

    (void)state;
    io_open(&rt, 2);
    memset(&ops, 0, sizeof ops);
    io_listen(&server, rt, IO_TCP, &config);
    fd = io_connect(&server);
    io_fill(bytes, sizeof bytes, io_seed(), 0);
    for (size_t done = 0, part; done < 2000; done += part) { /* to and fro */
        part = 100;
        io_write(fd, bytes + done, part);
        io_read(fd, back + done, part);
    }
    io_write(fd, bytes + 2000, sizeof bytes - 2000); /* and while more is coming */
    io_read(fd, back + 2000, sizeof back - 2000);
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_true(io_get(&ops.ready) >= 20);
    close(fd);
    io_reach(&io_counts.closed, 1);
    assert_int_equal(io_get(&io_counts.opened), 1);
    io_unlisten(&server);
    io_close(rt);
}

/* ---- frames ---- */

/* The same bytes in slices of every size: the same pieces. */
static void pieces_do_not_depend_on_where_slices_end(void **state)
{
    static const char text[] = "\nfirst\nsecond line\n\n0123456789abcdef\nrest";
    static const char *const expected[] = {"\n", "first\n", "second line\n", "\n"};

    (void)state;
    for (size_t part = 1; part <= sizeof text - 1; part++) {
        struct pawl_frame frame = {.most = 16};
        struct pawl_slice piece;
        unsigned lines = 0, bodies = 0;

        for (size_t done = 0; done < sizeof text - 1; done += part) {
            size_t count = sizeof text - 1 - done < part ? sizeof text - 1 - done : part;
            char *copy = malloc(count); /* so that what is read behind it is noticed */
            struct pawl_slice slice = {.bytes = copy, .count = count};

            assert_non_null(copy);
            memcpy(copy, text + done, count);
            pawl_frame_feed(&frame, &slice);
            while (lines < 4 && pawl_frame_until(&frame, '\n', &piece) == 0) {
                assert_int_equal(piece.count, strlen(expected[lines]));
                assert_memory_equal(piece.bytes, expected[lines], piece.count);
                lines++;
            }
            while (lines == 4 && bodies == 0 && pawl_frame_exactly(&frame, 16, &piece) == 0) {
                assert_memory_equal(piece.bytes, "0123456789abcdef", 16);
                bodies++;
            }
            while (bodies == 1 && lines < 5 && pawl_frame_until(&frame, '\n', &piece) == 0)
                lines++;
            assert_int_equal(pawl_frame_keep(&frame), 0);
            free(copy);
        }
        assert_int_equal(lines, 5);
        assert_int_equal(bodies, 1);
        assert_int_equal(frame.kept_count, 4);
        assert_int_equal(pawl_frame_exactly(&frame, 17, &piece), -EMSGSIZE);
        assert_int_equal(pawl_frame_exactly(&frame, 4, &piece), 0);
        assert_memory_equal(piece.bytes, "rest", 4);
        assert_int_equal(pawl_frame_until(&frame, 't', &piece), -EAGAIN); /* it was taken */
        pawl_frame_free(&frame);
    }
}

static void a_piece_that_is_too_long_is_an_error(void **state)
{
    struct pawl_frame frame = {.most = 8};
    struct pawl_slice piece, eight = {.bytes = "01234567", .count = 8},
                             nine = {.bytes = "01234567\n", .count = 9};

    (void)state;
    pawl_frame_feed(&frame, &nine);
    assert_int_equal(pawl_frame_until(&frame, '\n', &piece), -EMSGSIZE);
    assert_int_equal(pawl_frame_exactly(&frame, 9, &piece), -EMSGSIZE);
    pawl_frame_feed(&frame, &eight);
    assert_int_equal(pawl_frame_until(&frame, '\n', &piece), -EAGAIN);
    assert_int_equal(pawl_frame_keep(&frame), 0);
    pawl_frame_feed(&frame, &eight);
    assert_int_equal(pawl_frame_until(&frame, '\n', &piece), -EMSGSIZE);
    assert_int_equal(pawl_frame_keep(&frame), -EMSGSIZE);
    pawl_frame_free(&frame);
}

const struct CMUnitTest more_tests[] = {
    cmocka_unit_test(a_client_is_connected_or_told_why_not),
    cmocka_unit_test(a_connection_that_takes_too_long_times_out),
    cmocka_unit_test(an_operation_completes_exactly_once),
    cmocka_unit_test(an_operation_wakes_the_task_that_waits_for_it),
    cmocka_unit_test(what_waits_is_cancelled_when_the_runtime_closes),
    cmocka_unit_test(a_watch_tells_each_time_and_nothing_after_its_stop),
    cmocka_unit_test(an_event_of_the_former_owner_of_a_descriptor_is_dropped),
    cmocka_unit_test(a_flush_completes_when_all_is_sent),
    cmocka_unit_test(a_stream_that_moves_loses_nothing),
    cmocka_unit_test(pieces_do_not_depend_on_where_slices_end),
    cmocka_unit_test(a_piece_that_is_too_long_is_an_error),
};
const size_t more_test_count = sizeof more_tests / sizeof more_tests[0];
