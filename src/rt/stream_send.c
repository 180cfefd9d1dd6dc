/* SPDX-License-Identifier: MIT */
/* Streams: what is written, from the program to the kernel. */
#include "socket_call.h"
#include "stream.h"
#include "stream_plain.h"

#include <errno.h>

/* ---- into the queue ---- */

static int writable(const struct pawl_stream *stream)
{
    return (stream->state & (STREAM_SHUTTING | STREAM_CLOSING | STREAM_DEAD)) == 0 ? 0 : -EPIPE;
}

static uint32_t high_mark(const struct pawl_stream *stream)
{
    return stream->config->high == 0 ? PAWL_STREAM_HIGH_ : stream->config->high;
}

/* Something is in the queue: it is sent when the continuation returns, or when the turn ends. */
static void queued(struct pawl_stream *stream, uint64_t before, uint64_t after)
{
    struct pawl_io *io = &stream->source.engine->io;

    if (before == 0)
        stream->write_at = stream->source.engine->worker->now;
    if (after > high_mark(stream) && (stream->state & STREAM_ABOVE) == 0) {
        stream->state |= STREAM_ABOVE;
        if ((stream->config->flags & PAWL_STREAM_READ_ON) == 0 && (stream->state & STREAM_GREETING) == 0)
            stream->state |= STREAM_CHOKED; /* leave takes it back if the socket takes all */
    }
    if (stream->depth != 0 ||
        (stream->state & (STREAM_DIRTY | STREAM_BLOCKED | STREAM_CONNECTING | STREAM_MOVING)) != 0)
        return;
    stream->state |= STREAM_DIRTY;
    stream->next_dirty = io->dirty;
    io->dirty = stream;
}

/* States in which writing is another thing, or refused. */
static const uint32_t otherwise = STREAM_SHUTTING | STREAM_CLOSING | STREAM_DEAD | STREAM_LAYERED;

static PAWL_COLD int write_otherwise(struct pawl_stream *stream, const void *bytes, size_t count)
{
    uint64_t before = pawl_stream_waiting_(stream);
    int status = writable(stream);

    if (status == 0)
        status = pawl_outs_copy_(&stream->source.engine->io, pawl_stream_above_(stream), bytes, count);
    if (status == 0 && count != 0)
        queued(stream, before, before + count);
    return status;
}

static PAWL_COLD int send_otherwise(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    uint64_t before = pawl_stream_waiting_(stream);
    int status = writable(stream);

    if (status == 0)
        status = pawl_outs_append_(&stream->source.engine->io, pawl_stream_above_(stream), slice);
    if (status == 0 && slice->count != 0)
        queued(stream, before, before + slice->count);
    return status;
}

int pawl_stream_write(struct pawl_stream *stream, const void *bytes, size_t count)
{
    uint64_t before = stream->outs.bytes;
    int status;

    if (PAWL_UNLIKELY((stream->state & otherwise) != 0))
        return write_otherwise(stream, bytes, count);
    status = pawl_outs_copy_(&stream->source.engine->io, &stream->outs, bytes, count);
    if (status == 0 && count != 0)
        queued(stream, before, stream->outs.bytes);
    return status;
}

int pawl_stream_send(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    uint64_t before = stream->outs.bytes;
    int status;

    if (PAWL_UNLIKELY((stream->state & otherwise) != 0))
        return send_otherwise(stream, slice);
    status = pawl_outs_append_(&stream->source.engine->io, &stream->outs, slice);
    if (status == 0 && slice->count != 0)
        queued(stream, before, stream->outs.bytes);
    return status;
}

int pawl_stream_put_(struct pawl_stream *stream, const void *bytes, size_t count)
{
    uint64_t before = pawl_stream_waiting_(stream);
    int status = pawl_outs_copy_(&stream->source.engine->io, &stream->outs, bytes, count);

    if (status == 0 && count != 0)
        queued(stream, before, stream->outs.bytes); /* what it stands for above was counted there */
    return status;
}

size_t pawl_stream_queued(const struct pawl_stream *stream)
{
    return pawl_stream_waiting_(stream);
}

bool pawl_stream_full(const struct pawl_stream *stream)
{
    return pawl_stream_waiting_(stream) > high_mark(stream);
}

int pawl_stream_shutdown(struct pawl_stream *stream)
{
    int status = writable(stream);

    if (status != 0)
        return status;
    stream->state |= STREAM_SHUTTING;
    if (stream->depth == 0)
        pawl_stream_later_(stream);
    return 0;
}

/* ---- out of the queue ---- */

static ssize_t send_some(struct pawl_stream *stream)
{
    struct iovec iovecs[PAWL_OUT_IOVECS_];
    struct msghdr message = {.msg_iov = iovecs};
    int n;

    if (PAWL_UNLIKELY((stream->state & STREAM_PLAIN) != 0))
        return pawl_plain_write_(stream);
    n = pawl_outs_iovecs_(&stream->outs, iovecs, PAWL_OUT_IOVECS_);
    if (n == 1)
        return pawl_send_now_(stream->source.fd, iovecs[0].iov_base, iovecs[0].iov_len);
    message.msg_iovlen = (size_t)n;
    return pawl_sendmsg_now_(stream->source.fd, &message);
}

/* Unless it has ended just now, for want of memory to wait in: a timer would outlive it. */
static void watch_writing(struct pawl_stream *stream)
{
    if (stream->config->write_ms != 0 && (stream->state & STREAM_DEAD) == 0)
        pawl_stream_time_start_(stream);
}

/* Large slices, by an engine that sends them from where they lie. */
static PAWL_COLD bool sends_zero(struct pawl_stream *stream)
{
    const struct pawl_engine_class *class = pawl_stream_class_(stream);

    if (class->send_zero == NULL || !class->send_zero(stream->source.engine, stream))
        return false;
    stream->state |= STREAM_BLOCKED;
    watch_writing(stream);
    return true;
}

void pawl_stream_flush_(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;
    const uint32_t not_now = STREAM_BLOCKED | STREAM_CONNECTING | STREAM_DEAD | STREAM_MOVING;

    while (stream->outs.bytes != 0 && (stream->state & not_now) == 0) {
        ssize_t n;

        if (PAWL_UNLIKELY(stream->outs.bytes >= PAWL_ZERO_LEAST_) && sends_zero(stream))
            return;
        n = send_some(stream);

        pawl_count_(&engine->io.counts.syscalls, 1);
        if (PAWL_LIKELY(n >= 0)) {
            pawl_stream_sent_(stream, (uint64_t)n);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            stream->state |= STREAM_BLOCKED;
            pawl_stream_class_(stream)->send_rest(engine, stream);
            watch_writing(stream);
        } else if (errno != EINTR) {
            pawl_stream_failed_(stream, -errno);
        }
    }
}

bool pawl_stream_flush_dirty_(struct pawl_engine *engine)
{
    struct pawl_stream *stream;

    if (PAWL_LIKELY(engine->io.dirty == NULL))
        return false;
    while ((stream = engine->io.dirty) != NULL) {
        engine->io.dirty = stream->next_dirty;
        pawl_stream_run_dirty_(stream);
    }
    return true;
}

/* ---- operations that wait until all is sent ---- */

/* An operation of these keeps what it waits for in `result`. */

static void withdraw_flush(struct pawl_op *op)
{
    struct pawl_stream *stream = op->target;
    struct pawl_op **place = &stream->flushes;

    while (*place != op)
        place = &(*place)->next;
    *place = op->next;
}

int pawl_stream_flush(struct pawl_stream *stream, struct pawl_op *op)
{
    struct pawl_op **place = &stream->flushes;
    int status;

    if ((stream->state & STREAM_DEAD) != 0)
        return -EPIPE;
    if ((stream->state & STREAM_MOVING) != 0)
        return -EBUSY; /* the operation would stay behind */
    status = pawl_op_begin_(op, stream->source.engine, stream, withdraw_flush);
    if (status != 0)
        return status;
    stream->state |= STREAM_FLUSHED;
    if (pawl_stream_waiting_(stream) == 0) {
        pawl_op_complete_later_(op, 0);
        return 0;
    }
    op->result = (int64_t)(stream->sent + stream->outs.bytes);
    while (*place != NULL)
        place = &(*place)->next;
    *place = op;
    if ((stream->state & STREAM_LAYERED) != 0)
        pawl_layer_flush_(stream, op);
    return 0;
}

void pawl_stream_flushed_(struct pawl_stream *stream)
{
    struct pawl_op *op;

    while ((op = stream->flushes) != NULL && (op->flags & PAWL_FLUSH_ABOVE_) == 0 &&
           (uint64_t)op->result <= stream->sent) {
        stream->flushes = op->next;
        pawl_op_complete_later_(op, 0);
    }
}

void pawl_stream_fail_flushes_(struct pawl_stream *stream, int reason)
{
    struct pawl_op *op;

    while ((op = stream->flushes) != NULL) {
        stream->flushes = op->next;
        pawl_op_complete_later_(op, reason);
    }
}
