/* SPDX-License-Identifier: MIT */
/* The io_uring engine: sends without a copy.
 *
 * A large slice goes to the network card from where it lies, if card and path can gather it. Two completions: how many bytes the
 * socket has taken, as for any send; and the notification, when the peer has acknowledged them, from which on the kernel looks at
 * the memory no more. Until that the slices are held, and the stream does not close in peace: closing would leave the
 * kernel sending from memory that somebody may free.
 *
 * Loopback, bridges to other name spaces and some cards copy all the same, which costs more than a copy at once. The notification
 * says so: that stream tries no more, and the worker tries less often with others, twice as rarely each time, until one
 * was not copied. */
#include "uring.h"

#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3) /* Linux 6.2; what does not know it says -EINVAL */
#endif
#ifndef IORING_NOTIF_USAGE_ZC_COPIED
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif

enum {
    ZERO_PAUSE_MOST = 1023 /* streams that do not try after one that was copied */
};

/* One send: its slices, until the notification. Has a slot of its own, by which the completions find it. */
struct zero_send {
    struct pawl_source source;
    struct pawl_stream *stream;
    struct msghdr message;
    int n;
    struct iovec iovecs[URING_IOVECS];
    struct pawl_slice slices[URING_IOVECS];
};

static struct zero_send *zero_of(struct pawl_source *source)
{
    return (struct zero_send *)(void *)source; /* the first member */
}

/* The runtime closes: its stream does too, and the kernel lets go. */
static void zero_stop(struct pawl_source *source)
{
    (void)source;
}

/* The first pieces of the out-queue, if one of them is large. */
static bool has_large(const struct pawl_outs *outs)
{
    int n = 0;

    for (const struct pawl_out *out = outs->first; out != NULL; out = out->next)
        for (uint32_t i = out->first; i < out->end && n < URING_IOVECS; i++, n++)
            if (out->slices[i].count >= PAWL_ZERO_LEAST_)
                return true;
    return false;
}

/* Whether this stream is one that tries. */
static bool tries(struct pawl_stream *stream)
{
    struct pawl_zero *zero = &stream->source.engine->io.zero;

    if (stream->copies || (stream->state & STREAM_UNIX) != 0)
        return false;
    if (stream->gathers || zero->passed >= zero->pause) {
        zero->passed = 0;
        return true;
    }
    zero->passed++;
    stream->copies = true;
    return false;
}

/* Takes hold of the first pieces. */
static void collect(struct zero_send *send, const struct pawl_outs *outs)
{
    for (const struct pawl_out *out = outs->first; out != NULL; out = out->next)
        for (uint32_t i = out->first; i < out->end && send->n < URING_IOVECS; i++) {
            send->slices[send->n] = out->slices[i];
            pawl_slice_hold(&out->slices[i]);
            send->n++;
        }
    (void)pawl_outs_iovecs_(outs, send->iovecs, URING_IOVECS);
    send->message.msg_iov = send->iovecs;
    send->message.msg_iovlen = (size_t)send->n;
}

bool pawl_uring_send_zero_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct uring_extra *extra;
    struct zero_send *send;
    struct io_uring_sqe *sqe;

    if (!has_large(&stream->outs) || !tries(stream))
        return false;
    extra = pawl_uring_extra_(stream);
    send = extra != NULL ? calloc(1, sizeof *send) : NULL;
    if (send == NULL)
        return false;
    send->source.stop = zero_stop;
    send->source.fd = -1;
    send->stream = stream;
    if (pawl_slot_take_(engine, &send->source) != 0) {
        free(send);
        return false;
    }
    collect(send, &stream->outs);
    sqe = pawl_uring_sqe_(uring_of_(engine));
    io_uring_prep_sendmsg_zc(sqe, stream->source.fd, &send->message, MSG_NOSIGNAL);
    sqe->ioprio |= IORING_SEND_ZC_REPORT_USAGE;
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&send->source, PAWL_VERB_ZERO));
    extra->zero = &send->source;
    stream->state |= STREAM_SENDING;
    stream->inflight++;
    stream->zeroing++;
    return true;
}

/* Closing resets the connection, and what is queued goes; but not as long as somebody else has the descriptor too, as a child of
 * fork() may. This does. */
void pawl_uring_zero_cut_(struct pawl_stream *stream)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    /* fails if that other one waits for the socket: then the kernel lets go when he does */
    (void)connect(stream->source.fd, &nobody, sizeof nobody);
}

/* The kernel looks at it no more. */
static void let_go(struct zero_send *send)
{
    struct pawl_stream *stream = send->stream;

    for (int i = 0; i < send->n; i++)
        pawl_slice_release(&send->slices[i]);
    pawl_slot_give_(&send->source);
    free(send);
    stream->inflight--;
    stream->zeroing--;
}

/* Not sent, for reasons that a copy does not have: the kernel is older, or may pin no more pages (RLIMIT_MEMLOCK). */
static bool refused(int result)
{
    return result == -EINVAL || result == -EOPNOTSUPP || result == -ENOMEM || result == -ENOBUFS;
}

static void sent(struct pawl_stream *stream, int result)
{
    struct uring_extra *extra = stream->extra;

    extra->zero = NULL;
    stream->state &= ~(uint32_t)STREAM_SENDING;
    pawl_stream_writable_(stream);
    if (result > 0)
        pawl_stream_sent_(stream, (uint64_t)result);
    else if (refused(result))
        stream->copies = true;
    else if (result != -EAGAIN && result != -EINTR && result != -ECANCELED)
        pawl_stream_failed_(stream, result);
}

static void notified(struct pawl_stream *stream, bool copied)
{
    struct pawl_zero *zero = &stream->source.engine->io.zero;

    stream->write_at = stream->source.engine->worker->now; /* the peer has taken it */
    stream->copies = copied;
    stream->gathers = !copied;
    if (!copied)
        zero->pause = 0;
    else if (zero->pause < ZERO_PAUSE_MOST)
        zero->pause = 2 * zero->pause + 1;
}

void pawl_uring_zero_came_(struct pawl_source *source, const struct io_uring_cqe *cqe)
{
    struct zero_send *send = zero_of(source);
    struct pawl_stream *stream = send->stream;

    pawl_stream_enter_(stream);
    if ((cqe->flags & IORING_CQE_F_NOTIF) != 0)
        notified(stream, ((uint32_t)cqe->res & IORING_NOTIF_USAGE_ZC_COPIED) != 0);
    else
        sent(stream, cqe->res);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        let_go(send);
    pawl_stream_leave_(stream);
    pawl_stream_landed_(stream);
}
