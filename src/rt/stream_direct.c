/* SPDX-License-Identifier: MIT */
/* sendfile(2), on a worker.
 *
 * It would wait for two things. For the disk: so it is only called for bytes that are in memory. cachestat(2) (Linux 6.5)
 * counts the pages that are there, a read with RWF_NOWAIT says that the last of them has arrived. What is evicted in between,
 * or is the middle of a read that is under way out of order, is waited for: microseconds, for want of a flag. And for the
 * peer: there is no MSG_DONTWAIT, the socket's own O_NONBLOCK decides, which is off (socket_call.h) but for this
 * call. */
#include "stream_direct.h"

#include "quiet.h"
#include "stream.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef SYS_cachestat
enum { CACHESTAT = SYS_cachestat };
#else
enum { CACHESTAT = 451 }; /* the C library is older than the call; x86-64 and aarch64 have the same number */
#endif

/* As the kernel's headers have them. */
struct cache_range {
    uint64_t offset, bytes;
};

struct cache_counts {
    uint64_t cached, dirty, writing, evicted, recently_evicted;
};

/* 1: all of it is in memory; 0: not all; -EOPNOTSUPP: cannot be told (an older kernel; a file that is neither ours nor
 * open for writing; a file system without RWF_NOWAIT). */
static int in_memory(int fd, int64_t offset, uint64_t count)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t pages = ((uint64_t)offset + count - 1) / page - (uint64_t)offset / page + 1;
    struct cache_range range = {.offset = (uint64_t)offset, .bytes = count};
    struct cache_counts counts = {0};
    char last;
    struct iovec one = {.iov_base = &last, .iov_len = 1};
    ssize_t n;

    if (syscall(CACHESTAT, fd, &range, &counts, 0) != 0)
        return -EOPNOTSUPP;
    if (counts.cached < pages)
        return 0;
    n = preadv2(fd, &one, 1, offset + (int64_t)count - 1, RWF_NOWAIT);
    if (n < 0)
        return errno == EOPNOTSUPP ? -EOPNOTSUPP : 0;
    return n == 1 ? 1 : 0;
}

static ssize_t send_without_waiting(int socket, int fd, int64_t offset, size_t count)
{
    off_t from = (off_t)offset;
    int flags = fcntl(socket, F_GETFL);
    struct pawl_quiet quiet;
    ssize_t n;

    if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) {
        errno = EINVAL;
        return -1;
    }
    pawl_quiet_begin_(&quiet);
    do
        n = sendfile(socket, fd, &from, count);
    while (n < 0 && errno == EINTR);
    pawl_quiet_end_(&quiet, n, count);
    if ((flags & O_NONBLOCK) == 0) {
        int error = errno;

        (void)fcntl(socket, F_SETFL, flags); /* cannot fail: it took the other flags just now */
        errno = error;
    }
    return n;
}

/* What sendfile(2) says, if not how many. Errors of the file are found again, and told, by who reads it. */
static int64_t meaning(int error)
{
    switch (error) {
    case EAGAIN:
        return -EAGAIN;
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case EOVERFLOW:
    case ESPIPE:
    case EBADF:
    case EIO:
    case ENOMEM:
        return -EOPNOTSUPP;
    default:
        return -error;
    }
}

bool pawl_stream_takes_direct_(const struct pawl_stream *stream)
{
    return (stream->state & (STREAM_PLAIN | STREAM_LAYERED)) == 0;
}

int64_t pawl_stream_send_direct_(struct pawl_stream *stream, int fd, int64_t offset, uint64_t count)
{
    struct pawl_io *io = &stream->source.engine->io;
    int status;
    ssize_t n;

    if (count > PAWL_DIRECT_MOST_)
        count = PAWL_DIRECT_MOST_;
    status = in_memory(fd, offset, count);
    if (status <= 0)
        return status;
    n = send_without_waiting(stream->source.fd, fd, offset, (size_t)count);
    pawl_count_(&io->counts.syscalls, 1);
    if (n < 0)
        return meaning(errno);
    pawl_count_(&io->counts.writes, 1);
    pawl_count_(&io->counts.sent, (uint64_t)n);
    stream->sent += (uint64_t)n;
    stream->write_at = stream->source.engine->worker->now;
    return n;
}
