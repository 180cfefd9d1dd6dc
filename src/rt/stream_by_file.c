/* SPDX-License-Identifier: MIT */
/* Streams over descriptors that one cannot wait for: regular files (standard input that was redirected), /dev/null.
 *
 * Reading and writing are operations on files (file.c) at the file's own position, which count as submissions of the
 * stream: it, and its descriptor, stay until they have ended. One at a time: both use the position, and io_uring
 * takes no lock for it, so that a read that ends late would put it back before what was written meanwhile. */
#include "file.h"
#include "stream.h"
#include "stream_plain.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

static const uint64_t AGAIN_NS = UINT64_C(10000000); /* when the pool was full */

enum { VECTORS = 16 };

struct by_file {
    struct pawl_stream *stream;
    struct pawl_file_op read, write;
    struct pawl_chunk *chunk; /* that is read into */
    int64_t got;              /* read while the program did not; GOT_NOTHING */
    struct pawl_timer again;
    bool wants_write;
    struct iovec vectors[VECTORS];
};

#define GOT_NOTHING INT64_MIN

static struct by_file *of(const struct pawl_stream *stream)
{
    return stream->extra;
}

static void by_file_send_rest(struct pawl_engine *engine, struct pawl_stream *stream);

/* ---- reading ---- */

/* What was read, to the program, which reads. Between enter and leave. */
static void give(struct by_file *self, int64_t result)
{
    struct pawl_stream *stream = self->stream;
    struct pawl_slice slice = {.chunk = self->chunk};

    self->chunk = NULL;
    if (result > 0) {
        slice.bytes = pawl_chunk_bytes_(slice.chunk);
        slice.count = (size_t)result;
        pawl_stream_received_(stream, &slice);
    } else if (result == 0) {
        pawl_stream_ended_(stream);
    } else if (result != -ECANCELED) {
        pawl_stream_failed_(stream, (int)result);
    }
    if (slice.chunk != NULL)
        pawl_chunk_let_go_(slice.chunk);
}

static void read_came(struct pawl_op *op, int64_t result)
{
    struct by_file *self = pawl_op_of(op, struct by_file, read.op);
    struct pawl_stream *stream = self->stream;

    pawl_stream_enter_(stream);
    stream->inflight--;
    if (self->wants_write && (stream->state & STREAM_DEAD) == 0)
        by_file_send_rest(stream->source.engine, stream);
    if (pawl_stream_reads_(stream))
        give(self, result);
    else
        self->got = result;
    pawl_stream_leave_(stream);
    if (pawl_stream_reads_(stream))
        pawl_stream_later_(stream);
    pawl_stream_landed_(stream);
}

static void try_again(struct by_file *self)
{
    if (!pawl_timer_armed(&self->again))
        pawl_timer_after(&self->again, AGAIN_NS);
}

static void read_more(struct by_file *self)
{
    struct pawl_stream *stream = self->stream;

    if (pawl_op_pending(&self->read.op) || pawl_op_pending(&self->write.op))
        return; /* the end of either calls again */
    if (self->chunk == NULL)
        self->chunk = pawl_chunk_take_(&stream->source.engine->io);
    if (self->chunk == NULL || pawl_file_read(&self->read, stream->source.fd, pawl_chunk_bytes_(self->chunk),
                                              PAWL_CHUNK_ROOM_, PAWL_FILE_POSITION) != 0)
        try_again(self);
    else
        stream->inflight++;
}

static void by_file_read_on(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct by_file *self = of(stream);
    int64_t got = self->got;

    (void)engine;
    if (got != GOT_NOTHING) {
        self->got = GOT_NOTHING;
        pawl_stream_enter_(stream);
        give(self, got);
        pawl_stream_leave_(stream);
    }
    if (pawl_stream_reads_(stream))
        read_more(self);
}

static void by_file_receive(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    pawl_stream_later_(stream); /* read_on */
}

static void by_file_receive_stop(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine; /* what is being read is kept */
    (void)stream;
}

/* ---- writing ---- */

static void write_came(struct pawl_op *op, int64_t result)
{
    struct by_file *self = pawl_op_of(op, struct by_file, write.op);
    struct pawl_stream *stream = self->stream;

    pawl_stream_enter_(stream);
    stream->inflight--;
    if ((stream->state & STREAM_DEAD) == 0) {
        pawl_stream_writable_(stream);
        if (result > 0)
            pawl_stream_sent_(stream, (uint64_t)result);
        else if (result != -EINTR && result != -ECANCELED)
            pawl_stream_failed_(stream, result == 0 ? -EIO : (int)result);
    }
    pawl_stream_leave_(stream);
    if (pawl_stream_reads_(stream))
        pawl_stream_later_(stream); /* read_on */
    pawl_stream_landed_(stream);
}

static void by_file_send_rest(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct by_file *self = of(stream);
    int n = pawl_outs_iovecs_(&stream->outs, self->vectors, VECTORS);

    (void)engine;
    self->wants_write = true;
    if (pawl_op_pending(&self->read.op))
        return; /* its end calls again */
    self->wants_write = pawl_file_writev(&self->write, stream->source.fd, self->vectors, n,
                                         PAWL_FILE_POSITION) != 0;
    if (self->wants_write)
        try_again(self);
    else
        stream->inflight++;
}

static void again_now(struct pawl_timer *timer)
{
    struct by_file *self = pawl_timer_of(timer, struct by_file, again);
    struct pawl_stream *stream = self->stream;

    if (self->wants_write && !pawl_op_pending(&self->write.op))
        by_file_send_rest(stream->source.engine, stream);
    if (pawl_stream_reads_(stream))
        read_more(self);
}

/* ---- coming and going ---- */

static int by_file_attach(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    (void)stream;
    return 0;
}

static void by_file_detach(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct by_file *self = of(stream);

    (void)engine;
    (void)pawl_op_cancel(&self->read.op); /* idle: there is none */
    (void)pawl_op_cancel(&self->write.op);
    (void)pawl_timer_cancel(&self->again);
}

const struct pawl_engine_class pawl_by_file_ = {
    .name = "by file",
    .attach = by_file_attach,
    .detach = by_file_detach,
    .read_on = by_file_read_on,
    .receive = by_file_receive,
    .receive_stop = by_file_receive_stop,
    .send_rest = by_file_send_rest,
};

int pawl_by_file_begin_(struct pawl_stream *stream)
{
    struct by_file *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -ENOMEM;
    self->stream = stream;
    self->got = GOT_NOTHING;
    pawl_file_init(&self->read, read_came);
    pawl_file_init(&self->write, write_came);
    pawl_timer_init(&self->again, again_now);
    stream->extra = self;
    return 0;
}

void pawl_by_file_end_(struct pawl_stream *stream)
{
    struct by_file *self = of(stream);

    if (self->chunk != NULL)
        pawl_chunk_let_go_(self->chunk);
    free(self);
    stream->extra = NULL;
}
