/* SPDX-License-Identifier: MIT */
/* The io_uring engine: streams and listeners.
 *
 * A stream's submissions are counted in `inflight` from the submission to the completion without F_MORE, and the
 * stream is freed when there is none. The order of completions is any: a receive's may come after the cancel's,
 * the send's after both. */
#include "uring.h"

#include "dgram.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- extra ---- */

struct uring_extra *pawl_uring_extra_(struct pawl_stream *stream)
{
    if (stream->extra == NULL)
        stream->extra = calloc(1, sizeof(struct uring_extra));
    return stream->extra;
}

void pawl_uring_forget_(struct pawl_stream *stream)
{
    struct uring_extra *extra = stream->extra;

    pawl_outs_drop_(&stream->source.engine->io, &extra->kept, extra->kept.bytes);
    free(extra);
    stream->extra = NULL;
}

/* The submission of that key, which belongs to the source. */
static void cancel_key(struct pawl_source *source, uint64_t key)
{
    struct io_uring_sqe *sqe = pawl_uring_sqe_(uring_of_(source->engine));

    io_uring_prep_cancel64(sqe, key, 0);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(source, PAWL_VERB_END));
}

static void cancel(struct pawl_source *source, enum pawl_verb verb)
{
    cancel_key(source, pawl_slot_key_(source, verb));
}

static void cancel_send(struct pawl_stream *stream)
{
    const struct uring_extra *extra = stream->extra;

    if (extra->zero != NULL)
        cancel_key(&stream->source, pawl_slot_key_(extra->zero, PAWL_VERB_ZERO));
    else
        cancel(&stream->source, PAWL_VERB_SEND);
}

/* Either it has completed, and its completion comes, or is there already: then the state says so here, or the next
 * cancellation finds nothing as well. Or it was between two places just then, on its way to be tried again, and would
 * wait on: the descriptor is not closed as long as it does. So once more. */
void pawl_uring_missed_(struct pawl_source *source)
{
    if (pawl_source_is_stream_(source)) {
        struct pawl_stream *stream = pawl_stream_of_(source);

        if ((stream->state & (STREAM_RECEIVING | STREAM_STOPPING)) == (STREAM_RECEIVING | STREAM_STOPPING))
            cancel(source, PAWL_VERB_RECEIVE);
        if ((stream->state & (STREAM_DEAD | STREAM_MOVING)) != 0 && (stream->state & STREAM_SENDING) != 0)
            cancel_send(stream);
        if ((stream->state & (STREAM_DEAD | STREAM_POLLING)) == (STREAM_DEAD | STREAM_POLLING))
            cancel(source, PAWL_VERB_READY);
    } else if (pawl_source_is_dgram_(source)) {
        pawl_uring_packets_missed_(pawl_dgram_of_(source));
    } else {
        const struct pawl_listener_part *part = (const struct pawl_listener_part *)(const void *)source;

        if ((part->state & PART_ARMED) != 0 && (part->state & (PART_ON | PART_STARVED)) != PART_ON)
            cancel(source, PAWL_VERB_ACCEPT);
    }
}

/* ---- receiving ---- */

static void arm_receive(struct pawl_stream *stream)
{
    struct io_uring_sqe *sqe;

    if ((stream->state & STREAM_RECEIVING) != 0)
        return;
    sqe = pawl_uring_sqe_(uring_of_(stream->source.engine));
    io_uring_prep_recv_multishot(sqe, stream->source.fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_GROUP;
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&stream->source, PAWL_VERB_RECEIVE));
    stream->state |= STREAM_RECEIVING;
    stream->inflight++;
}

static bool keeps_any(const struct pawl_stream *stream)
{
    const struct uring_extra *extra = stream->extra;

    return (extra != NULL && extra->kept.bytes != 0) || (stream->state & STREAM_LATE_END) != 0;
}

/* The end, or the error, that stands behind all bytes. */
static void end_came(struct pawl_stream *stream, int result)
{
    if (result == 0)
        pawl_stream_ended_(stream);
    else
        pawl_stream_failed_(stream, result);
}

/* What came while reading was paused, for as long as the program reads. Between enter and leave. */
static void deliver(struct pawl_stream *stream)
{
    struct uring_extra *extra = stream->extra;
    struct pawl_io *io = &stream->source.engine->io;

    while (extra != NULL && extra->kept.bytes != 0 && pawl_stream_reads_(stream)) {
        struct pawl_slice slice = extra->kept.first->slices[extra->kept.first->first];

        pawl_slice_hold(&slice);
        pawl_outs_drop_(io, &extra->kept, slice.count);
        pawl_stream_received_(stream, &slice);
        pawl_slice_release(&slice);
    }
    if ((stream->state & STREAM_LATE_END) != 0 && pawl_stream_reads_(stream)) {
        stream->state &= ~(uint32_t)STREAM_LATE_END;
        end_came(stream, stream->reason);
    }
}

void pawl_uring_read_on_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    if (keeps_any(stream)) {
        pawl_stream_enter_(stream);
        deliver(stream);
        pawl_stream_leave_(stream);
    }
    if (pawl_stream_reads_(stream) && !keeps_any(stream))
        arm_receive(stream);
}

void pawl_uring_receive_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    if (keeps_any(stream))
        pawl_stream_later_(stream); /* in order: what is kept comes first, in a turn of its own */
    else
        arm_receive(stream); /* nothing if a cancellation is under way: its completion arms it again */
}

void pawl_uring_receive_stop_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    if ((stream->state & (STREAM_RECEIVING | STREAM_STOPPING)) != STREAM_RECEIVING)
        return;
    stream->state |= STREAM_STOPPING;
    cancel(&stream->source, PAWL_VERB_RECEIVE);
}

/* Reading is paused, but this has come: it is kept for later. */
static void keep(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct uring_extra *extra = pawl_uring_extra_(stream);

    pawl_uring_receive_stop_(stream->source.engine, stream); /* the kernel's buffers are for the rest */
    if (extra == NULL || pawl_outs_append_(&stream->source.engine->io, &extra->kept, slice) != 0)
        pawl_stream_failed_(stream, -ENOMEM);
}

static void bytes_came(struct uring_engine *self, struct pawl_stream *stream, uint32_t id, size_t count)
{
    struct pawl_chunk *chunk = self->chunk[id];
    struct pawl_slice slice = {.bytes = pawl_chunk_bytes_(chunk), .count = count, .chunk = chunk};

    if (PAWL_LIKELY(pawl_stream_reads_(stream) && !keeps_any(stream)))
        pawl_stream_received_(stream, &slice);
    else if ((stream->state & (STREAM_DEAD | STREAM_CLOSING)) == 0)
        keep(stream, &slice);
    pawl_uring_buffer_back_(self, id);
}

/* No more bytes, or an error. */
static void nothing_came(const struct uring_engine *self, struct pawl_stream *stream, int result)
{
    if (result == -ENOBUFS && self->lacking == URING_BUFFERS && pawl_stream_reads_(stream)) {
        stream->state |= STREAM_STARVED; /* no memory at all: not before some time has passed */
        pawl_stream_time_start_(stream);
        return;
    }
    if (result == -ENOBUFS || result == -ECANCELED || result == -EINTR || result == -EAGAIN)
        return; /* armed again if the program reads */
    if (pawl_stream_reads_(stream) && !keeps_any(stream)) {
        end_came(stream, result);
    } else if ((stream->state & (STREAM_DEAD | STREAM_ENDED)) == 0) {
        stream->state |= STREAM_LATE_END;
        stream->reason = result;
        if ((stream->state & STREAM_CLOSING) != 0 && result != 0)
            pawl_stream_failed_(stream, result);
    }
}

void pawl_uring_received_(struct uring_engine *self, struct pawl_stream *stream,
                          const struct io_uring_cqe *cqe)
{
    pawl_stream_enter_(stream);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        stream->inflight--;
        stream->state &= ~(uint32_t)(STREAM_RECEIVING | STREAM_STOPPING);
    }
    if (cqe->res > 0)
        bytes_came(self, stream, cqe->flags >> IORING_CQE_BUFFER_SHIFT, (size_t)cqe->res);
    else
        nothing_came(self, stream, cqe->res);
    pawl_stream_leave_(stream);
    if ((stream->state & (STREAM_RECEIVING | STREAM_STARVED)) == 0 && pawl_stream_reads_(stream))
        pawl_stream_later_(
            stream); /* read_on: it ended for want of buffers, or was resumed while it was cancelled */
    pawl_stream_landed_(stream);
}

/* ---- sending ---- */

void pawl_uring_send_rest_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct uring_extra *extra = pawl_uring_extra_(stream);
    struct io_uring_sqe *sqe;

    if (extra == NULL) {
        pawl_stream_failed_(stream, -ENOMEM);
        return;
    }
    sqe = pawl_uring_sqe_(uring_of_(engine));
    memset(&extra->message, 0, sizeof extra->message);
    extra->message.msg_iov = extra->iovecs;
    extra->message.msg_iovlen = (size_t)pawl_outs_iovecs_(&stream->outs, extra->iovecs, URING_IOVECS);
    io_uring_prep_sendmsg(sqe, stream->source.fd, &extra->message, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&stream->source, PAWL_VERB_SEND));
    stream->state |= STREAM_SENDING;
    stream->inflight++;
}

void pawl_uring_send_stop_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    if ((stream->state & STREAM_SENDING) != 0)
        cancel_send(stream);
}

void pawl_uring_sent_(struct pawl_stream *stream, int result)
{
    pawl_stream_enter_(stream);
    stream->inflight--;
    stream->state &= ~(uint32_t)STREAM_SENDING;
    pawl_stream_writable_(stream);
    if (result > 0)
        pawl_stream_sent_(stream, (uint64_t)result);
    else if (result != -EAGAIN && result != -EINTR && result != -ECANCELED)
        pawl_stream_failed_(stream, result);
    pawl_stream_leave_(stream);
    pawl_stream_landed_(stream);
}

/* ---- connecting, coming, going ---- */

int pawl_uring_connecting_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct io_uring_sqe *sqe = pawl_uring_sqe_(uring_of_(engine));

    io_uring_prep_poll_add(sqe, stream->source.fd, EPOLLOUT);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&stream->source, PAWL_VERB_READY));
    stream->state |= STREAM_POLLING;
    stream->inflight++;
    return 0;
}

void pawl_uring_connected_(struct pawl_stream *stream, int result)
{
    pawl_stream_enter_(stream);
    stream->inflight--;
    stream->state &= ~(uint32_t)STREAM_POLLING;
    if ((stream->state & STREAM_DEAD) == 0) {
        if (result >= 0)
            pawl_stream_connected_(stream);
        else if (!pawl_uring_unarmed_(&stream->source, result))
            pawl_stream_failed_(stream, result);
    }
    pawl_stream_leave_(stream);
    pawl_stream_landed_(stream);
}

int pawl_uring_attach_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    (void)stream;
    return 0; /* a receive is armed when it opens */
}

void pawl_uring_detach_(struct pawl_engine *engine, struct pawl_stream *stream)
{
    if (stream->zeroing != 0)
        pawl_uring_zero_cut_(stream);
    pawl_uring_receive_stop_(engine, stream);
    pawl_uring_send_stop_(engine, stream);
    if ((stream->state & STREAM_POLLING) != 0)
        cancel(&stream->source, PAWL_VERB_READY);
}

/* ---- listeners ---- */

static void arm_accept(struct pawl_listener_part *part)
{
    struct io_uring_sqe *sqe = pawl_uring_sqe_(uring_of_(part->source.engine));

    io_uring_prep_multishot_accept(sqe, part->source.fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(&part->source, PAWL_VERB_ACCEPT));
    part->state |= PART_ARMED;
    part->inflight++;
}

void pawl_uring_accepted_(struct pawl_listener_part *part, const struct io_uring_cqe *cqe)
{
    bool more = (cqe->flags & IORING_CQE_F_MORE) != 0, go_on = true;

    if (!more) {
        part->inflight--;
        part->state &= ~(uint32_t)PART_ARMED;
    }
    if ((part->state & PART_ON) == 0) {
        if (cqe->res >= 0)
            close(cqe->res);
    } else {
        go_on = pawl_listener_accepted_(part, cqe->res);
    }
    if (more && !go_on)
        cancel(&part->source, PAWL_VERB_ACCEPT); /* no more for a while */
    else if (!more && (part->state & (PART_ON | PART_STARVED | PART_ARMED)) == PART_ON)
        arm_accept(part);
    pawl_listener_landed_(part);
}

int pawl_uring_listen_(struct pawl_engine *engine, struct pawl_listener_part *part, bool shared)
{
    int flags;

    (void)shared;
    if (part->listener->given) { /* as with epoll */
        part->source.events = EPOLLIN | EPOLLEXCLUSIVE;
        return engine->class->watch(engine, &part->source, part->source.events);
    }
    /* io_uring would answer -EAGAIN instead of waiting */
    flags = fcntl(part->source.fd, F_GETFL);
    if (flags < 0 || fcntl(part->source.fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return -errno;
    arm_accept(part);
    return 0;
}

void pawl_uring_listen_stop_(struct pawl_engine *engine, struct pawl_listener_part *part)
{
    if (part->listener->given)
        engine->class->unwatch(engine, &part->source);
    else if ((part->state & PART_ARMED) != 0)
        cancel(&part->source, PAWL_VERB_ACCEPT);
}

void pawl_uring_listen_again_(struct pawl_engine *engine, struct pawl_listener_part *part)
{
    (void)engine;
    if (part->listener->given)
        pawl_listener_accept_(part);
    else if ((part->state & PART_ARMED) == 0)
        arm_accept(part); /* else the cancellation's completion does */
}
