/* SPDX-License-Identifier: MIT */
/* What the servers share that read and write themselves. */
#include "echo_peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void echo_no_delay(int fd)
{
    const int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* UNIX sockets say no */
}

int echo_listen(const struct echo_place *place)
{
    const int on = 1;
    int fd = socket(place->address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, place->address, place->bytes) != 0 || listen(fd, SOMAXCONN) != 0) {
        int status = -errno;

        close(fd);
        return status;
    }
    return fd;
}

void echo_ready(const struct echo_place *place)
{
    if (write(place->ready, "r", 1) != 1)
        _exit(1);
}

static int keep(struct echo_rest *rest, const char *bytes, unsigned count)
{
    char *room = realloc(rest->bytes, rest->count + count);

    if (room == NULL)
        return -1;
    memcpy(room + rest->count, bytes, count);
    rest->bytes = room;
    rest->count += count;
    return 1;
}

int echo_send(int fd, struct echo_rest *rest, const char *bytes, unsigned count)
{
    ssize_t n = 0;

    if (rest->count == 0) {
        n = send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n == (ssize_t)count)
            return 0;
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n < 0)
            n = 0;
    }
    return keep(rest, bytes + n, count - (unsigned)n);
}

int echo_send_rest(int fd, struct echo_rest *rest)
{
    while (rest->first < rest->count) {
        ssize_t n = send(fd, rest->bytes + rest->first, rest->count - rest->first,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN ? 1 : -1;
        rest->first += (unsigned)n;
    }
    rest->first = rest->count = 0;
    return 0;
}
