/* SPDX-License-Identifier: MIT */
/* Layers: the part of a stream that stands between them and the rest. */
#include <pawl/layer.h>

#include "stream.h"

#include <errno.h>

enum { GIVE_MOST = 32 << 10 };

/* ---- how long it lives ---- */

int pawl_layer_attach_(struct pawl_stream *stream)
{
    const struct pawl_layer *layer = stream->config->layer;
    struct pawl_layered *layered = layer->attach(layer);

    if (layered == NULL)
        return -ENOMEM;
    layered->layer = layer;
    layered->stream = stream;
    stream->layered = layered;
    stream->state |= STREAM_LAYERED | STREAM_GREETING;
    if ((stream->state & STREAM_PAUSED) != 0) {
        stream->state &= ~(uint32_t)STREAM_PAUSED;
        layered->pause_after = true;
    }
    return 0;
}

void pawl_layer_detach_(struct pawl_stream *stream)
{
    struct pawl_outs *above = pawl_stream_above_(stream);

    pawl_outs_drop_(&stream->source.engine->io, above, above->bytes);
    stream->state &= ~(uint32_t)(STREAM_LAYERED | STREAM_GREETING);
    stream->layered->layer->detach(stream->layered);
    stream->layered = NULL;
}

struct pawl_layered *pawl_layer_of(const struct pawl_stream *stream,
                                   struct pawl_layered *(*attach)(const struct pawl_layer *layer))
{
    struct pawl_layered *layered = stream->layered;

    return layered != NULL && layered->layer->attach == attach ? layered : NULL;
}

/* ---- down ---- */

/* Operations that waited for bytes above wait for bytes of the out-queue, when those are in it. */
static void lower_flushes(struct pawl_stream *stream)
{
    for (struct pawl_op *op = stream->flushes; op != NULL; op = op->next) {
        if ((op->flags & PAWL_FLUSH_ABOVE_) == 0)
            continue;
        if ((uint64_t)op->result > stream->layered->taken)
            break;
        op->flags &= ~(uint32_t)PAWL_FLUSH_ABOVE_;
        op->result = (int64_t)(stream->sent + stream->outs.bytes);
    }
}

void pawl_layer_flush_(struct pawl_stream *stream, struct pawl_op *op)
{
    uint64_t above = pawl_stream_above_(stream)->bytes;

    if (above == 0)
        return;
    op->flags |= PAWL_FLUSH_ABOVE_;
    op->result = (int64_t)(stream->layered->taken + above);
}

bool pawl_layer_more_(const struct pawl_stream *stream)
{
    if ((stream->state & (STREAM_LAYERED | STREAM_GREETING)) != STREAM_LAYERED)
        return false;
    return pawl_stream_above_(stream)->bytes != 0 ||
           ((stream->state & (STREAM_SHUTTING | STREAM_CLOSING)) != 0 && !stream->layered->finished);
}

void pawl_layer_encode_(struct pawl_stream *stream)
{
    struct pawl_layered *layered = stream->layered;
    const struct pawl_outs *above = pawl_stream_above_(stream);

    if ((stream->state & (STREAM_GREETING | STREAM_DEAD)) != 0)
        return;
    if (above->bytes != 0 && !pawl_layer_ahead(layered)) {
        layered->layer->encode(layered);
        lower_flushes(stream);
    }
    if (above->bytes == 0 && (stream->state & (STREAM_SHUTTING | STREAM_CLOSING)) != 0 &&
        !layered->finished && (stream->state & STREAM_DEAD) == 0) {
        layered->finished = true;
        layered->layer->finish(layered);
    }
}

int pawl_layer_peek(const struct pawl_layered *layered, struct iovec *pieces, int n)
{
    return pawl_outs_iovecs_(pawl_stream_above_(layered->stream), pieces, n);
}

void pawl_layer_take(struct pawl_layered *layered, uint64_t count)
{
    pawl_outs_drop_(&layered->stream->source.engine->io, pawl_stream_above_(layered->stream), count);
    layered->taken += count;
}

bool pawl_layer_ahead(const struct pawl_layered *layered)
{
    return layered->stream->outs.bytes >= PAWL_LAYER_AHEAD;
}

int pawl_layer_put(struct pawl_layered *layered, const void *bytes, size_t count)
{
    struct pawl_stream *stream = layered->stream;

    if ((stream->state & (STREAM_DEAD | STREAM_SHUT)) != 0)
        return -EPIPE;
    return pawl_stream_put_(stream, bytes, count);
}

void pawl_layer_fail(struct pawl_layered *layered, int reason)
{
    struct pawl_stream *stream = layered->stream;

    pawl_stream_flush_(stream);
    pawl_stream_failed_(stream, reason);
}

/* ---- up ---- */

void pawl_layer_opened(struct pawl_layered *layered)
{
    struct pawl_stream *stream = layered->stream;

    if ((stream->state & (STREAM_GREETING | STREAM_DEAD)) != STREAM_GREETING)
        return;
    stream->state &= ~(uint32_t)STREAM_GREETING;
    if ((stream->state & STREAM_ABOVE) != 0 && (stream->config->flags & PAWL_STREAM_READ_ON) == 0)
        stream->state |= STREAM_CHOKED; /* leave takes it back if the socket takes all */
    if (layered->pause_after)
        pawl_stream_pause(stream);
    if (stream->config->opened != NULL)
        stream->config->opened(stream);
}

bool pawl_layer_reads(const struct pawl_layered *layered)
{
    return pawl_stream_reads_(layered->stream);
}

char *pawl_layer_room(struct pawl_layered *layered, size_t least, size_t *count)
{
    struct pawl_chunk *chunk;

    if (least > GIVE_MOST)
        return NULL;
    chunk = pawl_give_room_(&layered->stream->source.engine->io, (uint32_t)least);
    if (chunk == NULL)
        return NULL;
    *count = PAWL_CHUNK_ROOM_ - chunk->used;
    return pawl_chunk_bytes_(chunk) + chunk->used;
}

void pawl_layer_give(struct pawl_layered *layered, size_t count)
{
    struct pawl_stream *stream = layered->stream;
    struct pawl_chunk *chunk = stream->source.engine->io.giving;
    const struct pawl_slice slice = {.bytes = pawl_chunk_bytes_(chunk) + chunk->used,
                                     .count = count,
                                     .chunk = chunk};

    stream->config->received(stream, &slice);
    pawl_read_done_(chunk, count);
}

void pawl_layer_end(struct pawl_layered *layered)
{
    struct pawl_stream *stream = layered->stream;

    if ((stream->state & (STREAM_ENDED | STREAM_DEAD)) == 0)
        pawl_stream_end_(stream);
}
