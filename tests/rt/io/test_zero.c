/* SPDX-License-Identifier: MIT */
/* Large slices, which io_uring sends from where they lie: the memory is the program's again when its release() is called, and
 * not before. release() writes all over it, so what is sent later than that is seen. On both engines. */
#include "io.h"
#include "test_io.h"

#include <fcntl.h>

enum { BYTES = 3 << 20, SLICES = 3 };

static struct {
    struct pawl_chunk chunk;
    char *bytes;
    struct pawl_stream *stream;
    int reason;
    bool tried;
    PAWL_ATOMIC(uint64_t) opened, released, closed;
} load;

static void scribble(struct pawl_chunk *chunk)
{
    assert_ptr_equal(chunk, &load.chunk);
    memset(load.bytes, 0x55, BYTES);
    io_add(&load.released, 1);
}

static void opened(struct pawl_stream *stream)
{
    io_opened(stream);
    load.stream = stream;
    io_add(&load.opened, 1);
}

static void closed(struct pawl_stream *stream, int reason)
{
    load.reason = reason;
    io_closed(stream, reason);
    io_add(&load.closed, 1);
}

static const struct pawl_stream_config plain = {.opened = opened,
                                                .received = io_received_count,
                                                .closed = closed};
static const struct pawl_stream_config patient = {.opened = opened,
                                                  .received = io_received_count,
                                                  .closed = closed,
                                                  .write_ms = 200};

/* A few small bytes, and slices of the whole in pieces of several sizes. */
static void send_all(void *arg)
{
    static const size_t counts[SLICES] = {1 << 20, 40000, BYTES - (1 << 20) - 40000};
    struct pawl_slice slice = {.bytes = load.bytes, .chunk = &load.chunk};

    (void)arg;
    pawl_worker_here_()->engine->io.zero.pause = 0; /* as if none had been copied */
    assert_int_equal(pawl_stream_write(load.stream, "head", 4), 0);
    for (int i = 0; i < SLICES; i++) {
        slice.count = counts[i];
        assert_int_equal(pawl_stream_send(load.stream, &slice), 0);
        slice.bytes += counts[i];
    }
    slice = (struct pawl_slice){.chunk = &load.chunk};
    pawl_slice_release(&slice); /* the stream is its only holder now */
}

static void send_and_close(void *arg)
{
    send_all(arg);
    pawl_stream_close(load.stream);
}

static void look(void *arg)
{
    (void)arg;
    load.tried = load.stream->zeroing != 0 || load.stream->copies;
}

static void abort_it(void *arg)
{
    (void)arg;
    pawl_stream_abort(load.stream, -ECONNABORTED);
}

static int begin(struct pawl_rt **rt, struct io_server *server, const struct pawl_stream_config *config)
{
    int peer;

    memset((void *)&load, 0, sizeof load);
    load.bytes = malloc(BYTES);
    assert_non_null(load.bytes);
    io_fill(load.bytes, BYTES, 77, 0);
    pawl_chunk_init(&load.chunk, scribble);
    io_open(rt, 1);
    io_listen(server, *rt, IO_TCP, config);
    peer = io_connect(server);
    io_reach(&load.opened, 1);
    return peer;
}

static void end(struct pawl_rt *rt, struct io_server *server, int peer)
{
    close(peer);
    io_unlisten(server);
    io_close(rt);
    assert_int_equal(io_get(&load.released), 1);
    free(load.bytes);
}

/* By and by, as a slow peer does, so that the kernel has most of it for long. */
static void hear_all(int peer)
{
    static char heard[BYTES], bytes[BYTES];
    size_t got = 0, count;

    io_read(peer, heard, 4);
    assert_memory_equal(heard, "head", 4);
    for (count = 100; got < BYTES; got += count) {
        count = count * 3 < BYTES - got ? count * 3 : BYTES - got;
        usleep(1000);
        io_read(peer, heard + got, count);
    }
    io_fill(bytes, BYTES, 77, 0);
    assert_memory_equal(heard, bytes, BYTES);
}

static void a_large_slice_is_not_released_before_the_peer_has_it(void **state)
{
    struct io_server server;
    struct pawl_rt *rt;
    int peer;

    (void)state;
    peer = begin(&rt, &server, &plain);
    io_on(rt, 0, send_all, NULL);
    io_on(rt, 0, look, NULL);
    if (strcmp(io_engine, "uring") == 0)
        assert_true(load.tried); /* else the socket has a copy, perhaps of all of it */
    hear_all(peer);
    io_reach(&load.released, 1);
    end(rt, &server, peer);
}

static void closing_sends_all_of_it_and_ends_with_nothing_lost(void **state)
{
    struct io_server server;
    struct pawl_rt *rt;
    int peer;

    (void)state;
    peer = begin(&rt, &server, &plain);
    io_on(rt, 0, send_and_close, NULL);
    hear_all(peer);
    io_read_end(peer);
    io_reach(&load.closed, 1);
    assert_int_equal(load.reason, 0);
    io_reach(&load.released, 1);
    end(rt, &server, peer);
}

/* Nobody reads: abort, reset, timeout and the end of the runtime make the kernel let go. */
static void what_ends_the_stream_gives_the_memory_back(void **state)
{
    enum { ABORT, RESET, TIMEOUT, RUNTIME };
    static const int reasons[] = {-ECONNABORTED, -ECONNRESET, -ETIMEDOUT, -ECANCELED};
    struct io_server server;
    struct pawl_rt *rt;
    int peer;

    (void)state;
    for (int way = ABORT; way <= RUNTIME; way++) {
        peer = begin(&rt, &server, way == TIMEOUT ? &patient : &plain);
        io_on(rt, 0, way == TIMEOUT ? send_and_close : send_all, NULL);
        if (way == ABORT)
            io_on(rt, 0, abort_it, NULL);
        if (way == RESET) {
            io_reset(peer);
            peer = -1;
        }
        if (way != RUNTIME) {
            io_reach(&load.closed, 1);
            io_reach(&load.released, 1);
        }
        io_unlisten(&server);
        assert_int_equal(pawl_rt_close(rt), 0); /* the peer is still there */
        if (way == TIMEOUT && load.reason == 0 && strcmp(io_engine, "uring") != 0)
            load.reason = -ETIMEDOUT; /* the socket has taken a copy of all of it */
        if (load.reason == -EPIPE)
            load.reason = -ECONNRESET; /* who sent was told of it before the reader */
        assert_int_equal(load.reason, reasons[way]);
        assert_int_equal(io_get(&load.released), 1);
        close(peer);
        free(load.bytes);
    }
}

/* As a child of fork() has, which knows nothing of it. */
static void take_copy(void *arg)
{
    *(int *)arg = fcntl(pawl_stream_fd(load.stream), F_DUPFD_CLOEXEC, 0);
}

static void abort_gives_the_memory_back_though_another_has_the_connection_too(void **state)
{
    struct io_server server;
    struct pawl_rt *rt;
    int peer, copy = -1;

    (void)state;
    peer = begin(&rt, &server, &plain);
    io_on(rt, 0, take_copy, &copy);
    assert_true(copy >= 0);
    io_on(rt, 0, send_all, NULL);
    io_on(rt, 0, abort_it, NULL);
    io_reach(&load.closed, 1);
    io_reach(&load.released, 1);
    assert_int_equal(load.reason, -ECONNABORTED);
    close(copy);
    end(rt, &server, peer);
}

/* ---- where all is copied nevertheless, as over loopback ---- */

static void opened_sends(struct pawl_stream *stream)
{
    struct pawl_slice slice = {.bytes = load.bytes, .count = 100000, .chunk = &load.chunk};

    io_opened(stream);
    assert_int_equal(pawl_stream_send(stream, &slice), 0);
    pawl_stream_shutdown(stream);
}

static void look_at_pause(void *arg)
{
    *(uint32_t *)arg = pawl_worker_here_()->engine->io.zero.pause;
}

static void few_streams_try_what_the_kernel_copies_nevertheless(void **state)
{
    static const struct pawl_stream_config many = {.opened = opened_sends,
                                                   .received = io_received_count,
                                                   .closed = io_closed};
    static char bytes[100000], heard[100000];
    const struct pawl_slice slice = {.chunk = &load.chunk};
    struct io_server server;
    uint32_t pause = 0;
    struct pawl_rt *rt;
    int peer;

    (void)state;
    peer = begin(&rt, &server, &plain);
    close(peer);
    io_unlisten(&server);
    io_fill(bytes, sizeof bytes, 77, 0);
    io_listen(&server, rt, IO_TCP, &many);
    for (int i = 0; i < 60; i++) {
        peer = io_connect(&server);
        io_read(peer, heard, sizeof heard);
        assert_memory_equal(heard, bytes, sizeof bytes);
        io_read_end(peer);
        close(peer);
        io_streams(rt, 0);
    }
    io_on(rt, 0, look_at_pause, &pause);
    if (strcmp(io_engine, "uring") != 0)
        assert_int_equal(pause, 0);
    else if (pause == 0)
        print_message("this kernel sends nothing without a copy, or over loopback too\n");
    else
        assert_true(pause >= 31); /* the next after as many others */
    pawl_slice_release(&slice);
    io_unlisten(&server);
    io_close(rt);
    assert_int_equal(io_get(&load.released), 1);
    free(load.bytes);
}

const struct CMUnitTest zero_tests[] = {
    cmocka_unit_test(a_large_slice_is_not_released_before_the_peer_has_it),
    cmocka_unit_test(closing_sends_all_of_it_and_ends_with_nothing_lost),
    cmocka_unit_test(what_ends_the_stream_gives_the_memory_back),
    cmocka_unit_test(abort_gives_the_memory_back_though_another_has_the_connection_too),
    cmocka_unit_test(few_streams_try_what_the_kernel_copies_nevertheless),
};
const size_t zero_test_count = sizeof zero_tests / sizeof zero_tests[0];
