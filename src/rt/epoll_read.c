/* SPDX-License-Identifier: MIT */
/* The epoll engine: reading a stream. */
#include "epoll_read.h"

#include "socket_call.h"
#include "stream.h"

#include <errno.h>

enum {
    READ_BUDGET_BYTES = 65536,
    READ_BUDGET_CALLS = 32,
};

/* As recv(2). *more: there may be more behind fewer bytes than asked for, as behind descriptors that a peer on a UNIX socket
 * sent with them; those are dropped. Seeing that costs 90 ns a call. */
static ssize_t receive(const struct pawl_stream *stream, char *bytes, size_t room, bool *more)
{
    struct iovec part = {.iov_base = bytes, .iov_len = room};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    *more = (stream->state & STREAM_HANGUP) != 0;
    if ((stream->state & STREAM_UNIX) == 0 || stream->bytes_only)
        return pawl_recv_now_(stream->source.fd, bytes, room);
    n = pawl_recvmsg_now_(stream->source.fd, &message);
    *more |= n > 0 && (message.msg_flags & MSG_CTRUNC) != 0;
    return n;
}

/* One read. Returns whether there may be more. */
static bool read_once(struct pawl_stream *stream, struct pawl_io *io, size_t *budget)
{
    struct pawl_chunk *chunk = pawl_read_room_(io);
    struct pawl_slice slice;
    size_t room;
    ssize_t n;
    bool more;

    if (chunk == NULL) {
        stream->state |= STREAM_STARVED; /* tried again after a while */
        pawl_stream_time_start_(stream);
        return false;
    }
    room = PAWL_CHUNK_ROOM_ - chunk->used;
    slice.bytes = pawl_chunk_bytes_(chunk) + chunk->used;
    slice.chunk = chunk;
    do {
        n = receive(stream, pawl_chunk_bytes_(chunk) + chunk->used, room, &more);
        pawl_count_(&io->counts.syscalls, 1);
    } while (n < 0 && errno == EINTR);
    if (PAWL_LIKELY(n > 0)) {
        slice.count = (size_t)n;
        *budget = *budget > slice.count ? *budget - slice.count : 0;
        /* less than there was room for: the socket is empty, and what comes next is a new edge */
        if (slice.count < room && !more)
            stream->state &= ~(uint32_t)STREAM_READABLE;
        pawl_stream_received_(stream, &slice);
        pawl_read_done_(chunk, slice.count);
        return true;
    }
    stream->state &= ~(uint32_t)STREAM_READABLE;
    if (n == 0)
        pawl_stream_ended_(stream);
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        pawl_stream_failed_(stream, -errno);
    return false;
}

void pawl_epoll_read_on_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct pawl_io *io = &engine->io;
    size_t budget = READ_BUDGET_BYTES;
    unsigned calls = READ_BUDGET_CALLS;

    pawl_stream_enter_(stream);
    while ((stream->state & STREAM_READABLE) != 0 && pawl_stream_reads_(stream)) {
        if (budget == 0 || calls-- == 0) {
            pawl_stream_later_(stream); /* the others first */
            break;
        }
        if (!read_once(stream, io, &budget))
            break;
    }
    pawl_stream_leave_(stream);
}
