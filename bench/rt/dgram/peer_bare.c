/* SPDX-License-Identifier: MIT */
/* A bare loop with one call for many datagrams, written for nothing else: the floor. */
#include "dgram_peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 32, LONGEST = 2048 };

int dgram_bound(const struct echo_place *place)
{
    int fd = socket(place->address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && bind(fd, place->address, place->bytes) != 0) {
        close(fd);
        fd = -1;
    }
    return fd < 0 ? -errno : fd;
}

static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static struct sockaddr_in names[BATCH];
static char bytes[BATCH][LONGEST];

/* Whether there may be more. */
static int serve(int fd)
{
    int n;

    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){bytes[i], LONGEST};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &names[i],
                                              .msg_namelen = sizeof names[i],
                                              .msg_iov = &vectors[i],
                                              .msg_iovlen = 1};
    }
    n = recvmmsg(fd, messages, BATCH, 0, NULL);
    for (int i = 0; i < n; i++)
        vectors[i].iov_len = messages[i].msg_len;
    if (n > 0)
        (void)sendmmsg(fd, messages, (unsigned)n, 0);
    return n == BATCH;
}

int dgram_bare(const struct echo_place *place)
{
    int fd = dgram_bound(place), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};

    if (fd < 0)
        return fd;
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        return -errno;
    echo_ready(place);
    for (;;)
        if (epoll_wait(epoll, &event, 1, -1) > 0)
            while (serve(fd))
                ;
}
