/* SPDX-License-Identifier: MIT */
/* Streams over descriptors that are no sockets: pipes, terminals, and what else one can wait for.
 *
 * Readiness comes from the engine, as a watch's; reading and writing are read(2) and writev(2) on a descriptor that does not
 * block. O_NONBLOCK belongs to the open file, which a terminal or a pipe may share with other programs: where the file
 * can be opened anew, the stream has an open file of its own.
 *
 * Fewer bytes than there was room for do not mean that none are left: a terminal gives line by line, a pipe may be in packet
 * mode, which its writer alone knows. So reading goes on until EAGAIN. But pipes in packet mode are rare, and a call that
 * hears EAGAIN costs a fifth of a small message. So after a short read of a pipe the next one waits for a moment when the
 * worker has nothing else to do, or for the next turn but one: if something comes before, that is the next read. */
#include "stream_plain.h"

#include "quiet.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    READ_BUDGET_BYTES = 65536,
    READ_BUDGET_CALLS = 32,
    SHORTS_TRUSTED = 16, /* in a row: a writer of packets who never stops is found out, */
    DISTRUSTED = 64,     /* and so many are not trusted then */
    NO_SIGNAL = 0x100,   /* RWF_NOSIGNAL, which an older C library does not name */
};

/* ---- the engine's part ---- */

static int plain_attach(struct pawl_engine *engine, struct pawl_stream *stream)
{
    int status;

    stream->source.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
    status = engine->class->watch(engine, &stream->source, stream->source.events);
    if (status == 0)
        stream->state |= STREAM_ATTACHED;
    return status;
}

static void plain_detach(struct pawl_engine *engine, struct pawl_stream *stream)
{
    if ((stream->state & STREAM_ATTACHED) == 0)
        return;
    stream->state &= ~(uint32_t)STREAM_ATTACHED;
    engine->class->unwatch(engine, &stream->source);
}

/* The next edge does it, unless there was one. */
static void plain_receive(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    if ((stream->state & STREAM_READABLE) != 0)
        pawl_stream_later_(stream);
}

static void nothing(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    (void)stream;
}

/* A pseudo-terminal whose other side is gone answers reads with EIO, perhaps before the engine has told of it. */
static bool hung_up(const struct pawl_stream *stream)
{
    struct pollfd look = {.fd = stream->source.fd};

    return (stream->state & STREAM_HANGUP) != 0 || (poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0);
}

/* After a short read of a pipe, until an edge says that there is more. */
enum pawl_doubt {
    NO_DOUBT,
    WAITS,    /* it is to be read again in the next turn, */
    WAITS_ON, /* or in the one after that */
    IS_ASKED, /* the read that is made now should find nothing */
};

/* Fewer bytes came than there was room for. Returns whether to read on at once. */
static bool came_short(struct pawl_stream *stream)
{
    if (stream->doubt == IS_ASKED)
        stream->distrust = DISTRUSTED;
    stream->doubt = NO_DOUBT;
    if (!stream->pipe || (stream->state & STREAM_HANGUP) != 0)
        return true;
    if (stream->distrust != 0) {
        stream->distrust--;
        return true;
    }
    if (++stream->shorts % SHORTS_TRUSTED == 0) {
        stream->doubt = IS_ASKED;
        return true;
    }
    stream->doubt = WAITS;
    pawl_stream_later_(stream);
    return false;
}

/* The queue has come to a stream that was read short. Returns whether to wait for one turn more, which is made anyway. */
static bool wait_on(struct pawl_stream *stream)
{
    bool waits = stream->doubt == WAITS && pawl_worker_has_work_(stream->source.engine->worker);

    stream->doubt = waits ? WAITS_ON : IS_ASKED;
    if (waits)
        pawl_stream_later_(stream);
    return waits;
}

/* Returns whether there may be more. */
static bool read_once(struct pawl_stream *stream, struct pawl_io *io, size_t *budget)
{
    struct pawl_chunk *chunk = pawl_read_room_(io);
    struct pawl_slice slice;
    size_t room;
    ssize_t n;
    int error;

    if (chunk == NULL) {
        stream->state |= STREAM_STARVED; /* tried again after a while */
        pawl_stream_time_start_(stream);
        return false;
    }
    slice.bytes = pawl_chunk_bytes_(chunk) + chunk->used;
    slice.chunk = chunk;
    room = PAWL_CHUNK_ROOM_ - chunk->used;
    do
        n = read(stream->source.fd, pawl_chunk_bytes_(chunk) + chunk->used, room);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        slice.count = (size_t)n;
        *budget = *budget > slice.count ? *budget - slice.count : 0;
        pawl_stream_received_(stream, &slice);
        pawl_read_done_(chunk, slice.count);
        return slice.count == room || came_short(stream);
    }
    stream->state &= ~(uint32_t)STREAM_READABLE;
    stream->doubt = NO_DOUBT;
    error = n < 0 ? errno : 0;
    if (error == 0 || (error == EIO && hung_up(stream)))
        pawl_stream_ended_(stream);
    else if (error != EAGAIN)
        pawl_stream_failed_(stream, -error);
    return false;
}

static void plain_read_on(struct pawl_engine *engine, struct pawl_stream *stream)
{
    size_t budget = READ_BUDGET_BYTES;
    unsigned calls = READ_BUDGET_CALLS;

    if (stream->doubt != NO_DOUBT && wait_on(stream))
        return;
    pawl_stream_enter_(stream);
    while ((stream->state & STREAM_READABLE) != 0 && pawl_stream_reads_(stream)) {
        if (budget == 0 || calls-- == 0) {
            pawl_stream_later_(stream); /* the others first */
            break;
        }
        if (!read_once(stream, &engine->io, &budget))
            break;
    }
    pawl_stream_leave_(stream);
}

const struct pawl_engine_class pawl_plain_ = {
    .name = "plain",
    .attach = plain_attach,
    .detach = plain_detach,
    .read_on = plain_read_on,
    .receive = plain_receive,
    .receive_stop = nothing, /* edges that come meanwhile are kept in STREAM_READABLE */
    .send_rest = nothing,    /* EPOLLOUT will come: writev(2) has said EAGAIN */
};

static void plain_ready(struct pawl_source *source, uint32_t events)
{
    struct pawl_stream *stream = pawl_stream_of_(source);
    const uint32_t broken = EPOLLERR | EPOLLHUP;

    if ((stream->state & STREAM_DEAD) != 0)
        return;
    if ((events & (EPOLLIN | EPOLLRDHUP | broken)) != 0) {
        stream->state |= STREAM_READABLE;
        stream->doubt = NO_DOUBT;
    }
    if ((events & broken) != 0)
        stream->state |= STREAM_HANGUP;
    if ((events & EPOLLERR) != 0 && (stream->state & STREAM_ENDED) != 0) {
        pawl_stream_enter_(stream);
        pawl_stream_failed_(stream, -EPIPE); /* who reads the pipe has gone */
        pawl_stream_leave_(stream);
        return;
    }
    if ((events & (EPOLLOUT | broken)) != 0 && (stream->state & STREAM_BLOCKED) != 0) {
        pawl_stream_enter_(stream);
        pawl_stream_writable_(stream);
        pawl_stream_leave_(stream);
    }
    if ((stream->state & STREAM_READABLE) != 0 && pawl_stream_reads_(stream))
        plain_read_on(stream->source.engine, stream);
}

/* ---- writing ---- */

/* Without SIGPIPE for all of the process. The kernel has a flag for that since Linux 6.18. */
static ssize_t write_quietly(struct pawl_stream *stream, const struct iovec *iovecs, int n)
{
    struct pawl_quiet quiet;
    size_t asked = 0;
    ssize_t written;

    if (!stream->holds_signal) {
        written = pwritev2(stream->source.fd, iovecs, n, -1, NO_SIGNAL);
        if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS && errno != EPERM))
            return written;
        stream->holds_signal = true; /* an older kernel, or a device that knows no flags */
    }
    for (int i = 0; i < n; i++)
        asked += iovecs[i].iov_len;
    pawl_quiet_begin_(&quiet);
    written = writev(stream->source.fd, iovecs, n);
    pawl_quiet_end_(&quiet, written, asked);
    return written;
}

ssize_t pawl_plain_write_(struct pawl_stream *stream)
{
    struct iovec iovecs[PAWL_OUT_IOVECS_];

    if ((stream->state & STREAM_BY_FILE) != 0) {
        errno = EAGAIN; /* send_rest does it */
        return -1;
    }
    return write_quietly(stream, iovecs, pawl_outs_iovecs_(&stream->outs, iovecs, PAWL_OUT_IOVECS_));
}

/* ---- adopting ---- */

/* Whether one can wait for it; a negative errno: cannot be told. */
static int pollable(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int probe = epoll_create1(EPOLL_CLOEXEC), status = 1;

    if (probe < 0)
        return -errno;
    if (epoll_ctl(probe, EPOLL_CTL_ADD, fd, &event) != 0)
        status = errno == EPERM ? 0 : -errno;
    close(probe);
    return status;
}

/* Opening it anew gives the same pipe or terminal: not so with other devices, and the master of a pseudo-terminal. */
static bool opens_anew(int fd, mode_t mode)
{
    int number;

    return S_ISFIFO(mode) || (S_ISCHR(mode) && isatty(fd) != 0 && ioctl(fd, TIOCGPTN, &number) != 0);
}

/* The same number, another open file. */
static bool open_anew(int fd, int flags)
{
    int close_on_exec = fcntl(fd, F_GETFD) & FD_CLOEXEC, fresh, status;
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    fresh = open(path, (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fresh < 0)
        return false;
    status = dup3(fresh, fd, close_on_exec != 0 ? O_CLOEXEC : 0);
    close(fresh);
    return status >= 0;
}

static int unblock(int fd, mode_t mode, int flags)
{
    if ((flags & O_NONBLOCK) != 0 || (opens_anew(fd, mode) && open_anew(fd, flags)))
        return 0;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

int pawl_plain_state_(int fd, mode_t mode, uint32_t *state)
{
    int flags = fcntl(fd, F_GETFL), status;

    if (flags < 0)
        return -errno;
    if ((flags & O_PATH) != 0)
        return -EBADF;
    if (S_ISDIR(mode))
        return -EISDIR;
    status = pollable(fd);
    if (status < 0)
        return status;
    *state = STREAM_PLAIN | STREAM_UNIX | (status == 0 ? (uint32_t)STREAM_BY_FILE : 0);
    if ((flags & O_ACCMODE) == O_WRONLY)
        *state |= STREAM_ENDED; /* nobody sends anything, and the program knows */
    else if ((flags & O_ACCMODE) == O_RDONLY)
        *state |= STREAM_SHUTTING | STREAM_SHUT;
    return status == 0 ? 0 : unblock(fd, mode, flags);
}

int pawl_plain_begin_(struct pawl_stream *stream)
{
    struct stat stat;

    if ((stream->state & STREAM_BY_FILE) != 0)
        return pawl_by_file_begin_(stream);
    stream->pipe = fstat(stream->source.fd, &stat) == 0 && S_ISFIFO(stat.st_mode);
    stream->source.ready = plain_ready;
    return 0;
}
