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

/* One read. Returns whether there may be more. */
static bool read_once(struct pawl_stream *stream, struct pawl_io *io, size_t *budget)
{
    struct pawl_chunk *chunk = pawl_read_room_(io);
    struct pawl_slice slice;
    size_t room;
    ssize_t n;

    if (chunk == NULL) {
        stream->state |= STREAM_STARVED; /* tried again after a while */
        pawl_stream_time_start_(stream);
        return false;
    }
    room = PAWL_CHUNK_ROOM_ - chunk->used;
    slice.bytes = pawl_chunk_bytes_(chunk) + chunk->used;
    slice.chunk = chunk;
    do {
        n = pawl_recv_now_(stream->source.fd, pawl_chunk_bytes_(chunk) + chunk->used, room);
        pawl_count_(&io->counts.syscalls, 1);
    } while (n < 0 && errno == EINTR);
    if (PAWL_LIKELY(n > 0)) {
        slice.count = (size_t)n;
        *budget = *budget > slice.count ? *budget - slice.count : 0;
        /* less than there was room for: the socket is empty, and what comes next is a new edge. Only a FIN that
         * came before may stand behind it. */
        if (slice.count < room && (stream->state & STREAM_HANGUP) == 0)
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
