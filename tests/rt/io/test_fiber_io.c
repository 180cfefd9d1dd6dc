/* SPDX-License-Identifier: MIT */
/* Fibers that read and write. On both engines. */
#include "io.h"
#include "test_io.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pawl/fiber_io.h>
#include <sys/un.h>

enum { CLIENTS = 20, TALK = 200000 };

static const uint64_t SOON_NS = 2000000;

static struct {
    struct pawl_rt *rt;
    struct sockaddr_storage address;
    socklen_t bytes;
    PAWL_ATOMIC(uint64_t) listening, served, answered, refused, late, cancelled;
} town;

static void join(struct pawl_fiber *fiber)
{
    assert_int_equal(pawl_fiber_join(fiber), 0);
}

static struct pawl_fiber *start(void (*fn)(void *arg), void *arg)
{
    struct pawl_fiber *fiber;

    assert_int_equal(pawl_fiber_open(&fiber, town.rt, fn, arg), 0);
    return fiber;
}

static void reset(void)
{
    memset((void *)&town, 0, sizeof town);
    io_open(&town.rt, 2);
}

/* ---- an echo server, and clients, all of them fibers ---- */

static void serve(void *arg)
{
    struct pawl_conn conn;
    char bytes[5000];
    int64_t n = 0;

    assert_int_equal(pawl_conn_adopt(&conn, (int)(intptr_t)arg), 0);
    while ((n = pawl_read(&conn, bytes, sizeof bytes)) > 0)
        if (pawl_write(&conn, bytes, (size_t)n) != n)
            break;
    assert_int_equal(n, 0);
    assert_int_equal(pawl_conn_close(&conn), 0);
    assert_int_equal(pawl_conn_close(&conn), 0); /* nothing */
    io_add(&town.served, 1);
}

static void accept_all(void *arg)
{
    struct pawl_acceptor acceptor;
    int fd;

    (void)arg;
    assert_int_equal(pawl_acceptor_open(&acceptor, (const struct sockaddr *)&town.address, town.bytes), 0);
    town.bytes = sizeof town.address;
    assert_int_equal(getsockname(acceptor.fd, (struct sockaddr *)&town.address, &town.bytes), 0);
    assert_int_equal(pawl_accept_until(&acceptor, pawl_deadline(SOON_NS)), -ETIMEDOUT);
    io_add(&town.listening, 1);
    while ((fd = pawl_accept(&acceptor)) >= 0)
        assert_int_equal(pawl_go(town.rt, serve, (void *)(intptr_t)fd), 0);
    assert_int_equal(fd, -ECANCELED);
    pawl_acceptor_close(&acceptor);
}

/* Writes more than the buffers of both sides hold while another fiber of the same worker reads. */
static void listen_to(void *arg)
{
    struct pawl_conn *conn = arg;
    static const size_t much = TALK;
    char *heard = malloc(much), *expected = malloc(much);

    assert_non_null(heard);
    assert_non_null(expected);
    assert_int_equal(pawl_read_all(conn, heard, much / 2), much / 2);
    assert_int_equal(pawl_read_all(conn, heard + much / 2, much), much - much / 2); /* and then the end */
    io_fill(expected, much, 1, 0);
    assert_memory_equal(heard, expected, much);
    free(heard);
    free(expected);
}

static void ask(void *arg)
{
    struct pawl_conn conn;
    char *bytes = malloc(TALK);
    char heard[10];

    (void)arg;
    assert_non_null(bytes);
    io_fill(bytes, TALK, 1, 0);
    assert_int_equal(pawl_conn_connect(&conn, (const struct sockaddr *)&town.address, town.bytes), 0);
    assert_int_equal(pawl_read_until(&conn, heard, sizeof heard, pawl_deadline(SOON_NS)), -ETIMEDOUT);
    assert_int_equal(pawl_write(&conn, bytes, 10), 10);
    assert_int_equal(pawl_read_all(&conn, heard, 10), 10); /* the connection has lived on */
    assert_memory_equal(heard, bytes, 10);
    for (size_t done = 0; done < TALK; done += 1000)
        assert_int_equal(pawl_write(&conn, bytes + done, 1000), 1000);
    assert_int_equal(pawl_conn_shutdown(&conn), 0);
    assert_int_equal(pawl_write(&conn, bytes, 1), -EPIPE);
    listen_to(&conn);
    assert_int_equal(pawl_read(&conn, bytes, 1), 0);
    (void)pawl_conn_close(&conn);
    free(bytes);
    io_add(&town.answered, 1);
}

static void fibers_talk_to_fibers(void **state)
{
    struct pawl_fiber *acceptor, *clients[CLIENTS];

    (void)state;
    for (int unix_socket = 0; unix_socket < 2; unix_socket++) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&town.address;

        reset();
        v4->sin_family = unix_socket ? AF_UNIX : AF_INET;
        v4->sin_addr.s_addr = unix_socket ? 0 : htonl(INADDR_LOOPBACK);
        town.bytes = unix_socket ? sizeof(sa_family_t) : sizeof *v4;
        acceptor = start(accept_all, NULL);
        io_reach(&town.listening, 1);
        for (int i = 0; i < CLIENTS; i++)
            clients[i] = start(ask, NULL);
        for (int i = 0; i < CLIENTS; i++)
            join(clients[i]);
        io_reach(&town.served, CLIENTS);
        assert_int_equal(pawl_fiber_cancel(acceptor), 0);
        join(acceptor);
        io_close(town.rt);
    }
}

/* ---- what does not go on for ever ---- */

static void connect_in_vain(void *arg)
{
    struct pawl_conn conn;

    (void)arg;
    assert_int_equal(pawl_conn_connect(&conn, (const struct sockaddr *)&town.address, town.bytes),
                     -ECONNREFUSED);
    io_add(&town.refused, 1);
}

/* A peer that never reads, nor writes. */
static void write_in_vain(void *arg)
{
    static char much[1 << 20];
    struct pawl_conn conn;
    int64_t n;

    assert_int_equal(pawl_conn_adopt(&conn, (int)(intptr_t)arg), 0);
    do
        n = pawl_write_until(&conn, much, sizeof much, pawl_deadline(SOON_NS));
    while (n > 0);
    assert_int_equal(n, -ETIMEDOUT);
    assert_int_equal(pawl_conn_close_until(&conn, pawl_deadline(SOON_NS)), -ETIMEDOUT);
    io_add(&town.late, 1);
}

static void wait_in_vain(void *arg)
{
    static char much[8 << 20];
    struct pawl_conn conn;
    char byte;

    assert_int_equal(pawl_conn_adopt(&conn, (int)(intptr_t)arg), 0);
    io_add(&town.listening, 1);
    assert_int_equal(pawl_read(&conn, &byte, 1), -ECANCELED);
    assert_int_equal(pawl_read(&conn, &byte, 1), -ECANCELED);
    assert_int_equal(pawl_write(&conn, much, sizeof much), -ECANCELED);
    assert_int_equal(pawl_pread(0, &byte, 1, 0, PAWL_FOREVER), -ECANCELED);
    (void)pawl_conn_close(&conn);
    io_add(&town.cancelled, 1);
}

static void a_fiber_need_not_wait_for_a_peer_that_does_nothing(void **state)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&town.address;
    struct pawl_fiber *fiber;
    int pair[2], other[2], deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
    memset((void *)&town, 0, sizeof town);
    assert_int_equal(pawl_rt_open(&town.rt, &(struct pawl_rt_config){.workers = 2, .engine = io_engine}), 0);
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    town.bytes = sizeof *v4;
    assert_int_equal(bind(deaf, (const struct sockaddr *)v4, town.bytes), 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *)v4, &town.bytes), 0);
    join(start(connect_in_vain, NULL)); /* it is bound, and does not listen */
    join(start(write_in_vain, (void *)(intptr_t)pair[0]));
    fiber = start(wait_in_vain, (void *)(intptr_t)other[0]);
    io_reach(&town.listening, 1);
    assert_int_equal(pawl_fiber_cancel(fiber), 0);
    join(fiber);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pawl_go(town.rt, wait_in_vain, (void *)(intptr_t)pair[0]), 0);
    io_reach(&town.listening, 2);
    assert_int_equal(pawl_rt_close(town.rt), 0); /* cancels it */
    assert_int_equal(io_get(&town.refused), 1);
    assert_int_equal(io_get(&town.late), 1);
    assert_int_equal(io_get(&town.cancelled), 2);
    close(deaf);
    close(pair[1]);
    close(other[1]);
}

/* ---- pipes and files ---- */

static void copy_out(void *arg)
{
    const int *fds = arg;
    struct pawl_conn in, out;
    char bytes[3000];
    int64_t n;

    assert_int_equal(pawl_conn_adopt(&in, fds[0]), 0);
    assert_int_equal(pawl_conn_adopt(&out, fds[1]), 0);
    while ((n = pawl_read(&in, bytes, sizeof bytes)) > 0)
        assert_int_equal(pawl_write(&out, bytes, (size_t)n), n);
    assert_int_equal(n, 0);
    assert_int_equal(pawl_conn_close(&in), 0);
    assert_int_equal(pawl_conn_close(&out), 0);
    io_add(&town.served, 1);
}

static void write_at_places(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char bytes[10];

    assert_int_equal(pawl_pwrite(fd, "world", 5, 7, PAWL_FOREVER), 5);
    assert_int_equal(pawl_pwrite(fd, "hello, ", 7, 0, pawl_deadline(60000000000)), 7);
    assert_int_equal(pawl_pread(fd, bytes, sizeof bytes, 3, PAWL_FOREVER), 9);
    assert_memory_equal(bytes, "lo, world", 9);
    assert_int_equal(pawl_pread(-1, bytes, 1, 0, PAWL_FOREVER), -EBADF);
    io_add(&town.served, 1);
}

/* A file into a pipe, a pipe into a file: as cat does. */
static void a_fiber_copies_between_files_and_pipes(void **state)
{
    static char bytes[300000], heard[sizeof bytes];
    int file, copy, ends[2], more[2];

    (void)state;
    reset();
    file = io_temporary(0, 0);
    copy = dup(file);
    io_fill(bytes, sizeof bytes, 2, 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pawl_go(town.rt, copy_out, (int[]){ends[0], file}), 0);
    assert_int_equal(write(ends[1], bytes, sizeof bytes), sizeof bytes);
    close(ends[1]);
    io_reach(&town.served, 1);
    assert_int_equal(pread(copy, heard, sizeof heard, 0), sizeof heard);
    assert_memory_equal(heard, bytes, sizeof bytes);
    assert_int_equal(lseek(copy, 0, SEEK_SET), 0);
    assert_int_equal(pipe2(more, O_CLOEXEC), 0);
    assert_int_equal(pawl_go(town.rt, copy_out, (int[]){copy, more[1]}), 0);
    memset(heard, 0, sizeof heard);
    for (size_t done = 0; done < sizeof heard;) {
        ssize_t n = read(more[0], heard + done, sizeof heard - done);

        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_memory_equal(heard, bytes, sizeof bytes);
    io_reach(&town.served, 2);
    close(more[0]);
    file = io_temporary(0, 0);
    join(start(write_at_places, (void *)(intptr_t)file));
    close(file);
    io_close(town.rt);
}

const struct CMUnitTest fiber_io_tests[] = {
    cmocka_unit_test(fibers_talk_to_fibers),
    cmocka_unit_test(a_fiber_need_not_wait_for_a_peer_that_does_nothing),
    cmocka_unit_test(a_fiber_copies_between_files_and_pipes),
};
const size_t fiber_io_test_count = sizeof fiber_io_tests / sizeof fiber_io_tests[0];
