/* SPDX-License-Identifier: MIT */
/* A bare epoll loop, written for nothing else: the floor. Edge-triggered, registered once, a short read means drained. */
#include "bare_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct connection {
    int fd;
    struct echo_rest rest;
};

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

        if (c == NULL)
            _exit(1);
        echo_no_delay(fd);
        c->fd = fd;
        event.data.ptr = c;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            _exit(1);
    }
}

static void serve(void *connection, uint32_t events)
{
    struct connection *c = connection;
    static char buffer[ECHO_BUFFER];
    ssize_t n = 1;

    if ((events & EPOLLOUT) != 0 && c->rest.count != 0 && echo_send_rest(c->fd, &c->rest) < 0)
        n = 0;
    while (n > 0 && (events & EPOLLIN) != 0) {
        n = recv(c->fd, buffer, sizeof buffer, 0);
        if (n <= 0 || echo_send(c->fd, &c->rest, buffer, (unsigned)n) < 0)
            break;
        if (n < (ssize_t)sizeof buffer && (events & (EPOLLRDHUP | EPOLLHUP)) == 0)
            return;
    }
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    close(c->fd);
    free(c->rest.bytes);
    free(c);
}

int echo_bare(const struct echo_place *place)
{
    return echo_bare_loop(place, accept_all, serve);
}
