/* SPDX-License-Identifier: MIT */
/* What a read stops at though there is more: an urgent byte, descriptors. On both engines. */
#include "io.h"
#include "test_io.h"

#include <errno.h>
#include <sys/un.h>

static struct pawl_stream *stops;

static void stops_opened(struct pawl_stream *stream)
{
    stops = stream;
    pawl_stream_pause(stream);
    io_opened(stream);
}

static const struct pawl_stream_config counting = {.opened = stops_opened,
                                                   .received = io_received_count,
                                                   .ended = io_ended_close,
                                                   .closed = io_closed};

static void stops_resume(void *arg)
{
    (void)arg;
    pawl_stream_resume(stops);
}

/* Two bytes with a descriptor; where the kernel lets the receiver refuse it, without. Returns whether it went. */
static bool send_descriptor(int fd)
{
    char control_bytes[CMSG_SPACE(sizeof(int))] __attribute__((aligned(sizeof(struct cmsghdr)))) = {0};
    struct iovec part = {(char[]){'a', 'b'}, 2};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control_bytes,
                             .msg_controllen = sizeof control_bytes};
    struct cmsghdr *control = CMSG_FIRSTHDR(&message);
    ssize_t n;

    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(control), &fd, sizeof fd);
    n = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (n == 2)
        return true;
    assert_int_equal(errno, EPERM);
    io_write(fd, "ab", 2);
    return false;
}

/* Four bytes that count, and what recv(2) stops at between them. */
static void send_around(int fd, bool urgent)
{
    if (urgent) {
        io_write(fd, "ab", 2);
        assert_int_equal(send(fd, "!", 1, MSG_OOB), 1);
    } else {
        (void)send_descriptor(fd);
    }
    io_write(fd, "cd", 2);
}

static void bytes_behind_what_a_read_stops_at_are_read_too(void **state)
{
    struct pawl_rt *rt;
    struct io_server server;

    (void)state;
    for (int kind = IO_TCP; kind <= IO_UNIX; kind += IO_UNIX) {
        int fd;

        io_open(&rt, 1);
        io_listen(&server, rt, (enum io_kind)kind, &counting);
        fd = io_connect(&server);
        io_reach(&io_counts.opened, 1);
        send_around(fd, kind == IO_TCP);
        usleep(2000); /* the worker has heard of all of it */
        io_on(rt, 0, stops_resume, NULL);
        io_reach(&io_counts.bytes, 4);
        close(fd);
        io_reach(&io_counts.closed, 1);
        io_unlisten(&server);
        io_close(rt);
    }
}

static void adopt_counting(void *arg)
{
    const int *fd = (const int *)arg;
    struct pawl_stream *stream;

    assert_int_equal(pawl_stream_adopt(&stream, &counting, *fd), 0);
}

/* It could have been sent some before it was adopted: they are dropped, not refused. */
static void bytes_behind_a_descriptor_are_read_of_an_adopted_socket_too(void **state)
{
    struct pawl_rt *rt;
    int pair[2];

    (void)state;
    io_open(&rt, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    io_on(rt, 0, adopt_counting, &pair[0]);
    io_reach(&io_counts.opened, 1);
    assert_true(send_descriptor(pair[1]));
    io_write(pair[1], "cd", 2);
    usleep(2000);
    io_on(rt, 0, stops_resume, NULL);
    io_reach(&io_counts.bytes, 4);
    close(pair[1]);
    io_reach(&io_counts.closed, 1);
    io_close(rt);
}

static struct sockaddr_un at;
static socklen_t at_bytes;

/* At a name of the kernel's. */
static int listen_at_any_name(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at = (struct sockaddr_un){.sun_family = AF_UNIX};
    at_bytes = sizeof at;
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at.sun_family), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &at_bytes), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void connect_counting(void *arg)
{
    struct pawl_stream *stream;

    (void)arg;
    assert_int_equal(pawl_stream_connect(&stream, &counting, (const struct sockaddr *)&at, at_bytes), 0);
}

static void expect_four_bytes(struct pawl_rt *rt, int fd)
{
    io_write(fd, "cd", 2);
    usleep(2000);
    io_on(rt, 0, stops_resume, NULL);
    io_reach(&io_counts.bytes, 4);
    close(fd);
    io_reach(&io_counts.closed, 1);
}

static void bytes_behind_a_descriptor_are_read_of_a_connected_socket_too(void **state)
{
    struct pawl_rt *rt;
    int listener, fd;

    (void)state;
    io_open(&rt, 1);
    listener = listen_at_any_name();
    io_on(rt, 0, connect_counting, NULL);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    io_reach(&io_counts.opened, 1);
    (void)send_descriptor(fd);
    expect_four_bytes(rt, fd);
    close(listener);
    io_close(rt);
}

/* It could have been given with connections inside, to which descriptors were sent: they are dropped, not refused. */
static void bytes_behind_a_descriptor_are_read_of_a_given_listener_too(void **state)
{
    struct pawl_listener_config config = {.flags = PAWL_LISTENER_GIVEN, .stream = &counting};
    struct pawl_listener *listener;
    struct pawl_rt *rt;
    int fd;

    (void)state;
    io_open(&rt, 1);
    config.fd = listen_at_any_name();
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, at_bytes), 0);
    assert_true(send_descriptor(fd));
    assert_int_equal(pawl_listener_open(&listener, rt, &config), 0);
    io_reach(&io_counts.opened, 1);
    expect_four_bytes(rt, fd);
    pawl_listener_close(listener);
    close(config.fd);
    io_close(rt);
}

const struct CMUnitTest stops_tests[] = {
    cmocka_unit_test(bytes_behind_what_a_read_stops_at_are_read_too),
    cmocka_unit_test(bytes_behind_a_descriptor_are_read_of_an_adopted_socket_too),
    cmocka_unit_test(bytes_behind_a_descriptor_are_read_of_a_connected_socket_too),
    cmocka_unit_test(bytes_behind_a_descriptor_are_read_of_a_given_listener_too),
};
const size_t stops_test_count = sizeof stops_tests / sizeof stops_tests[0];
