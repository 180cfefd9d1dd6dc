/* SPDX-License-Identifier: MIT */
/* A file to a stream.
 *
 * A large piece that is in memory goes from there to the socket (stream_direct.c). Others are read into chunks, which are sent
 * as slices: the bytes are copied once in the program's address space, and pass a layer (TLS) as others do. The
 * next piece has its turn when the out-queue is empty, so that what is in memory is bounded whatever the file and the peer.
 * A socket that is full is waited for by way of the out-queue, with a small piece in it.
 * While it lasts it counts as a submission of the stream, which therefore stays. */
#include "file.h"
#include "stream.h"
#include "stream_direct.h"
#include "worker.h"

#include <errno.h>

enum { PLUG_BYTES = 4096 }; /* the piece that waits for a socket which is full */

static struct pawl_send_file *send_of(struct pawl_op *op)
{
    return pawl_op_of(op, struct pawl_send_file, op);
}

static void finish(struct pawl_send_file *send, int64_t result)
{
    struct pawl_stream *stream = send->stream;

    if (send->chunk != NULL)
        pawl_chunk_let_go_(send->chunk);
    stream->state &= ~(uint32_t)STREAM_FILING;
    pawl_op_complete_(&send->op, result); /* done() may begin the next, or have freed it */
    stream->inflight--;
    pawl_stream_landed_(stream);
}

static bool told_to_end(const struct pawl_send_file *send)
{
    return (send->op.flags & (PAWL_OP_CANCELLED_ | PAWL_OP_LATE_)) != 0;
}

/* Bytes that were sent count, unless something ended it. */
static void end(struct pawl_send_file *send, int64_t status)
{
    if (told_to_end(send))
        status = pawl_op_verdict_(&send->op, -ECANCELED);
    finish(send, status < 0 ? status : (int64_t)send->sent);
}

/* The stream's own reason, if it has ended with one. */
static int what_ended(const struct pawl_stream *stream, int status)
{
    return (stream->state & STREAM_DEAD) != 0 && stream->reason != 0 ? stream->reason : status;
}

/* Begins to read the next piece. 0 or a negative errno. */
static int next_piece(struct pawl_send_file *send)
{
    size_t most = send->full ? (size_t)PLUG_BYTES : (size_t)PAWL_CHUNK_ROOM_;
    size_t count = send->left < most ? (size_t)send->left : most;

    send->full = false;
    if (send->chunk == NULL)
        send->chunk = pawl_chunk_take_(&send->stream->source.engine->io);
    if (send->chunk == NULL)
        return -ENOMEM;
    return pawl_file_read(&send->read, send->fd, pawl_chunk_bytes_(send->chunk), count, send->offset);
}

static void advance(struct pawl_send_file *send, size_t count)
{
    send->sent += count;
    send->offset += (int64_t)count;
    send->left -= count;
}

static bool goes_direct(const struct pawl_send_file *send)
{
    return send->direct && send->left >= PAWL_DIRECT_LEAST_ && pawl_stream_takes_direct_(send->stream);
}

/* From the page cache to the socket: true, or it is to be copied. false with a negative *status: the connection broke. */
static bool direct_piece(struct pawl_send_file *send, int *status)
{
    /* in these the out-queue waits, or refuses, as it does for all that is written */
    const uint32_t not_now = STREAM_BLOCKED | STREAM_CONNECTING | STREAM_MOVING | STREAM_SHUTTING |
                             STREAM_CLOSING | STREAM_DEAD;
    struct pawl_stream *stream = send->stream;
    int64_t n;

    *status = 0;
    if (!goes_direct(send) || pawl_stream_waiting_(stream) != 0 || (stream->state & not_now) != 0)
        return false;
    pawl_stream_enter_(stream);
    n = pawl_stream_send_direct_(stream, send->fd, send->offset, send->left);
    if (n < 0 && n != -EAGAIN && n != -EOPNOTSUPP) {
        *status = (int)n;
        pawl_stream_failed_(stream, (int)n);
    }
    pawl_stream_leave_(stream);
    if (n > 0)
        advance(send, (size_t)n);
    else if (n == -EAGAIN)
        send->full = true;
    else if (n == -EOPNOTSUPP)
        send->direct = false;
    return n > 0;
}

/* The next piece. The stream may have ended meanwhile: whoever sends is told, but a runtime that closes would refuse the
 * read before that, and with another error. */
static void go_on(struct pawl_send_file *send)
{
    int status;
    bool went;

    if (send->left == 0 || told_to_end(send)) {
        end(send, 0);
        return;
    }
    if ((send->stream->state & STREAM_DEAD) != 0) {
        end(send, what_ended(send->stream, -EPIPE));
        return;
    }
    went = direct_piece(send, &status);
    if (status == 0 && !told_to_end(send)) { /* it may be told in drained(), while nothing is under way */
        status = went ? pawl_stream_flush(send->stream, &send->flush) /* the others have their turn */
                      : next_piece(send);
        if (status == 0)
            return;
    }
    end(send, status);
}

static void flushed(struct pawl_op *op, int64_t result)
{
    struct pawl_send_file *send = pawl_op_of(op, struct pawl_send_file, flush);

    if (result < 0)
        end(send, result);
    else
        go_on(send);
}

/* A piece is there: sent, now. 0 or a negative errno. */
static int send_piece(struct pawl_send_file *send, size_t count)
{
    struct pawl_stream *stream = send->stream;
    struct pawl_slice slice = {.bytes = pawl_chunk_bytes_(send->chunk), .count = count, .chunk = send->chunk};
    int status;

    pawl_stream_enter_(stream);
    status = pawl_stream_send(stream, &slice);
    pawl_stream_leave_(stream);
    pawl_chunk_let_go_(send->chunk);
    send->chunk = NULL;
    if (status != 0)
        return what_ended(stream, status);
    advance(send, count);
    return 0;
}

static void read_came(struct pawl_op *op, int64_t result)
{
    struct pawl_send_file *send = pawl_op_of(op, struct pawl_send_file, read.op);
    struct pawl_stream *stream = send->stream;
    int status;

    if (result <= 0) {
        end(send, result);
        return;
    }
    status = send_piece(send, (size_t)result);
    if (status == 0 && pawl_stream_waiting_(stream) != 0 && !told_to_end(send))
        status = pawl_stream_flush(stream, &send->flush);
    else if (status == 0) {
        go_on(send);
        return;
    }
    if (status != 0)
        end(send, status);
}

/* Only asks: the answer of what is under way ends it. */
static void withdraw(struct pawl_op *op)
{
    struct pawl_send_file *send = send_of(op);

    (void)pawl_op_cancel(&send->read.op); /* idle: it is the other */
    (void)pawl_op_cancel(&send->flush);
}

int pawl_stream_send_file(struct pawl_stream *stream, struct pawl_send_file *send, int fd, int64_t offset,
                          uint64_t count)
{
    int status;

    if (offset < 0)
        return -EINVAL;
    if ((stream->state & (STREAM_SHUTTING | STREAM_CLOSING | STREAM_DEAD)) != 0)
        return -EPIPE;
    if ((stream->state & (STREAM_FILING | STREAM_MOVING)) != 0)
        return -EBUSY;
    status = pawl_op_begin_(&send->op, stream->source.engine, send, withdraw);
    if (status != 0)
        return status;
    send->op.flags |= PAWL_OP_ASKS_;
    pawl_file_init(&send->read, read_came);
    pawl_op_init(&send->flush, flushed);
    send->stream = stream;
    send->chunk = NULL;
    send->fd = fd;
    send->offset = offset;
    send->left = count;
    send->sent = 0;
    send->direct = true;
    send->full = false;
    /* behind what is queued; a piece that is copied is read meanwhile */
    status = goes_direct(send) ? pawl_stream_flush(stream, &send->flush) : next_piece(send);
    if (status != 0) {
        if (send->chunk != NULL)
            pawl_chunk_let_go_(send->chunk);
        send->op.state = PAWL_OP_IDLE;
        return status;
    }
    stream->state |= STREAM_FILING;
    stream->inflight++;
    return 0;
}
