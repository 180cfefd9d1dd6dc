/* SPDX-License-Identifier: MIT */
/* Streams: to another worker, and by name. */
#include "stream.h"

#include <errno.h>

/* On the worker that it has come to. */
static void arrive(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_stream *stream = pawl_mpsc_of(message, struct pawl_stream, later);
    struct pawl_engine *engine = worker->engine;
    int status = pawl_slot_take_(engine, &stream->source);

    if (status != 0) {
        /* no memory for a slot: the same message again, in the next turn, until there is */
        pawl_worker_later_(worker, &stream->later);
        return;
    }
    stream->later.run = pawl_stream_run_later_;
    stream->state &= ~(uint32_t)STREAM_MOVING;
    pawl_count_(&engine->io.counts.streams, 1);
    pawl_rt_release_(worker->rt);
    if (engine->io.stopping)
        status = -ECANCELED;
    else
        status = pawl_stream_class_(stream)->attach(engine, stream);
    if (status != 0) {
        pawl_stream_abort(stream, status);
        return;
    }
    pawl_stream_time_start_(stream);
    pawl_stream_enter_(stream);
    if ((stream->state & STREAM_GREETING) != 0)
        stream->layered->layer->start(stream->layered); /* it was given one while it moved */
    pawl_stream_receive_(stream);
    pawl_stream_leave_(stream);
}

void pawl_stream_move_on_(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;
    const uint32_t of_the_old_place = STREAM_BLOCKED | STREAM_READABLE | STREAM_RECEIVING | STREAM_STOPPING;

    if (stream->inflight != 0 || (stream->state & STREAM_DIRTY) != 0)
        return; /* who holds it calls again */
    if ((stream->state & STREAM_FLUSHED) != 0) {
        stream->state &= ~(uint32_t)STREAM_FLUSHED;
        pawl_stream_later_(stream); /* behind the done() of its operations, which may lie in its context */
        return;
    }
    pawl_stream_time_stop_(stream);
    pawl_stream_class_(stream)->detach(engine, stream);
    pawl_slot_give_(&stream->source);
    pawl_count_(&engine->io.counts.streams, -UINT64_C(1));
    stream->state &= ~of_the_old_place; /* the new engine says what is true there */
    stream->later.run = arrive;
    /* until it has arrived. Cannot fail: on a worker, in its process */
    (void)pawl_rt_hold_(engine->worker->rt);
    pawl_worker_send_(&engine->worker->rt->worker[stream->target], &stream->later);
}

int pawl_stream_move(struct pawl_stream *stream, uint32_t target)
{
    struct pawl_engine *engine = stream->source.engine;
    const struct pawl_engine_class *class = pawl_stream_class_(stream);
    bool reads = pawl_stream_reads_(stream);

    if (target >= engine->worker->rt->workers)
        return -EINVAL;
    if ((stream->state & STREAM_OPENED) == 0 ||
        (stream->state & (STREAM_CLOSING | STREAM_DEAD | STREAM_MOVING | STREAM_GREETING | STREAM_FILING |
                          STREAM_BY_FILE)) != 0 ||
        stream->flushes != NULL || engine->io.stopping)
        return -EBUSY;
    if (target == engine->worker->index)
        return 0;
    stream->state |= STREAM_MOVING;
    stream->target = target;
    if (reads)
        class->receive_stop(engine, stream);
    if (class->send_stop != NULL)
        class->send_stop(engine, stream);
    pawl_stream_later_(stream);
    return 0;
}

struct pawl_stream_handle pawl_stream_get_handle(const struct pawl_stream *stream)
{
    return (struct pawl_stream_handle){.key = pawl_slot_key_(&stream->source, PAWL_VERB_READY),
                                       .worker = stream->source.engine->worker->index};
}

struct pawl_stream *pawl_stream_find(struct pawl_stream_handle handle)
{
    struct pawl_worker *worker = pawl_worker_here_();
    struct pawl_source *source;

    if (worker == NULL || worker->index != handle.worker)
        return NULL;
    source = pawl_slot_find_(worker->engine, handle.key);
    return source != NULL && pawl_source_is_stream_(source) ? pawl_stream_of_(source) : NULL;
}
