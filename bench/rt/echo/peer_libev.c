/* SPDX-License-Identifier: MIT */
#include "echo_peers.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <unistd.h>

struct connection {
    ev_io readable, writable;
    struct echo_rest rest;
};

static void end(struct ev_loop *loop, struct connection *c)
{
    ev_io_stop(loop, &c->readable);
    ev_io_stop(loop, &c->writable);
    close(c->readable.fd);
    free(c->rest.bytes);
    free(c);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int what)
{
    struct connection *c = io->data;
    int status = echo_send_rest(io->fd, &c->rest);

    (void)what;
    if (status < 0)
        end(loop, c);
    else if (status == 0)
        ev_io_stop(loop, io);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int what)
{
    static char buffer[ECHO_BUFFER];
    struct connection *c = io->data;
    ssize_t n = recv(io->fd, buffer, sizeof buffer, 0);
    int status = n > 0 ? echo_send(io->fd, &c->rest, buffer, (unsigned)n) : n < 0 && errno == EAGAIN ? 0 : -1;

    (void)what;
    if (status < 0)
        end(loop, c);
    else if (status > 0)
        ev_io_start(loop, &c->writable);
}

static void on_accept(struct ev_loop *loop, ev_io *io, int what)
{
    int fd;

    (void)what;
    while ((fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);

        if (c == NULL)
            _exit(1);
        echo_no_delay(fd);
        ev_io_init(&c->readable, on_readable, fd, EV_READ);
        ev_io_init(&c->writable, on_writable, fd, EV_WRITE);
        c->readable.data = c->writable.data = c;
        ev_io_start(loop, &c->readable);
    }
}

int echo_libev(const struct echo_place *place)
{
    static ev_io accepting;
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    int listener = echo_listen(place);

    if (listener < 0)
        return listener;
    ev_io_init(&accepting, on_accept, listener, EV_READ);
    ev_io_start(loop, &accepting);
    echo_ready(place);
    ev_run(loop, 0);
    return -EIO;
}
