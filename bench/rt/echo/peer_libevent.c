/* SPDX-License-Identifier: MIT */
/* libevent twice: events alone, with reads and writes of our own; and its bufferevents. */
#include "echo_peers.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

static struct event_base *base;

struct connection {
    struct event *readable, *writable;
    struct echo_rest rest;
};

static void end(int fd, struct connection *c)
{
    event_free(c->readable);
    event_free(c->writable);
    free(c->rest.bytes);
    free(c);
    close(fd);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;
    int status = echo_send_rest(fd, &c->rest);

    (void)what;
    if (status < 0)
        end(fd, c);
    else if (status > 0)
        event_add(c->writable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    static char buffer[ECHO_BUFFER];
    struct connection *c = arg;
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    int status = n > 0 ? echo_send(fd, &c->rest, buffer, (unsigned)n) : n < 0 && errno == EAGAIN ? 0 : -1;

    (void)what;
    if (status < 0)
        end(fd, c);
    else if (status > 0)
        event_add(c->writable, NULL);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
    int fd;

    (void)what;
    (void)arg;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);

        if (c == NULL)
            _exit(1);
        echo_no_delay(fd);
        c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
        c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
        event_add(c->readable, NULL);
    }
}

static void buffer_read(struct bufferevent *b, void *arg)
{
    (void)arg;
    bufferevent_write_buffer(b, bufferevent_get_input(b));
}

static void buffer_event(struct bufferevent *b, short what, void *arg)
{
    (void)what;
    (void)arg;
    bufferevent_free(b);
}

static void on_accept_buffer(evutil_socket_t listener, short what, void *arg)
{
    int fd;

    (void)what;
    (void)arg;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct bufferevent *b = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

        if (b == NULL)
            _exit(1);
        echo_no_delay(fd);
        bufferevent_setcb(b, buffer_read, NULL, buffer_event, NULL);
        bufferevent_enable(b, EV_READ | EV_WRITE);
    }
}

static int serve(const struct echo_place *place, event_callback_fn on_connection)
{
    int listener = echo_listen(place);

    if (listener < 0)
        return listener;
    base = event_base_new();
    if (base == NULL)
        return -ENOMEM;
    event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_connection, NULL), NULL);
    echo_ready(place);
    event_base_dispatch(base);
    return -EIO;
}

int echo_libevent(const struct echo_place *place)
{
    return serve(place, on_accept);
}

int echo_libevent_buffer(const struct echo_place *place)
{
    return serve(place, on_accept_buffer);
}
