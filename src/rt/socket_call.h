/* SPDX-License-Identifier: MIT */
/* recv, send and sendmsg, without glibc around them: there they are points of cancellation, which costs two atomic
 * operations a call as soon as a program has threads. A worker is never cancelled. */
#ifndef PAWL_RT_SOCKET_CALL_H
#define PAWL_RT_SOCKET_CALL_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* All: as many bytes as went at once, or -1 with errno. */

static inline ssize_t pawl_recv_now_(int fd, void *bytes, size_t count)
{
    return syscall(SYS_recvfrom, fd, bytes, count, MSG_DONTWAIT, NULL, NULL);
}

static inline ssize_t pawl_recvmsg_now_(int fd, struct msghdr *message)
{
    return syscall(SYS_recvmsg, fd, message, MSG_DONTWAIT);
}

static inline ssize_t pawl_send_now_(int fd, const void *bytes, size_t count)
{
    return syscall(SYS_sendto, fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static inline ssize_t pawl_sendmsg_now_(int fd, const struct msghdr *message)
{
    return syscall(SYS_sendmsg, fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* How many datagrams came, or went, or -1 with errno. */

static inline int pawl_recvmmsg_now_(int fd, struct mmsghdr *messages, unsigned n)
{
    return (int)syscall(SYS_recvmmsg, fd, messages, n, MSG_DONTWAIT, NULL);
}

static inline int pawl_sendmmsg_now_(int fd, struct mmsghdr *messages, unsigned n)
{
    return (int)syscall(SYS_sendmmsg, fd, messages, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* since Linux 6.16; the same number wherever we build */
#endif

/* A UNIX socket before it listens or connects: no descriptors can be sent to it, nor to what it accepts. Whether the kernel
 * can say so: then a short read has taken all, as recv(2) stops behind descriptors alone. */
static inline bool pawl_refuse_descriptors_(int fd)
{
    const int off = 0;

    return setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) == 0;
}

/* Every call of ours says itself that it does not wait. io_uring would answer -EAGAIN instead of waiting, if the descriptor
 * said so. */
static inline void pawl_make_blocking_(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

#endif
