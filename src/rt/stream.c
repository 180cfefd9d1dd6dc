/* SPDX-License-Identifier: MIT */
/* Streams: what they go through from connect or accept to closed(). */
#include "stream.h"

#include "listener.h"
#include "socket_call.h"
#include "stream_plain.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PUSH_BUDGET = 16 }; /* calls of drained() and what they wrote, in one turn */

static void stream_ready(struct pawl_source *source, uint32_t events);
static void stream_stop(struct pawl_source *source);

/* ---- the end ---- */

/* What the kernel has been asked for, or is to be when the turn ends, goes by the descriptor's number: that must not be
 * somebody else's by then. */
static const uint32_t in_use = STREAM_BY_FILE | STREAM_RECEIVING | STREAM_SENDING | STREAM_POLLING;

static void close_fd(struct pawl_stream *stream)
{
    if (stream->source.fd < 0)
        return;
    close(stream->source.fd);
    stream->source.fd = -1;
    pawl_listeners_resume_(stream->source.engine);
}

/* Nothing is under way any more, and nobody of ours is on the stack. */
static void finalize(struct pawl_stream *stream)
{
    struct pawl_io *io = &stream->source.engine->io;

    close_fd(stream);
    if (stream->config->closed != NULL)
        stream->config->closed(stream, stream->reason);
    if ((stream->state & STREAM_BY_FILE) != 0) {
        pawl_by_file_end_(stream);
    } else if (stream->extra != NULL) {
        pawl_uring_forget_(stream);
    }
    if ((stream->state & STREAM_LAYERED) != 0)
        pawl_layer_detach_(stream);
    pawl_outs_drop_(io, &stream->outs, stream->outs.bytes);
    pawl_slot_give_(&stream->source);
    pawl_count_(&io->counts.streams, -UINT64_C(1));
    free(stream);
}

static bool held(const struct pawl_stream *stream)
{
    return stream->inflight != 0 || stream->depth != 0 ||
           (stream->state & (STREAM_LATER | STREAM_DIRTY)) != 0;
}

void pawl_stream_landed_(struct pawl_stream *stream)
{
    if ((stream->state & STREAM_DEAD) != 0 && (stream->state & in_use) == 0)
        close_fd(stream); /* sends without a copy end when the socket has gone */
    if ((stream->state & STREAM_DEAD) != 0 && !held(stream))
        finalize(stream);
    else if ((stream->state & STREAM_MOVING) != 0 && stream->inflight == 0)
        pawl_stream_later_(stream);
}

/* Closing throws away what the socket has not sent, and tells the peer by RST. */
static void reset_at_close(const struct pawl_stream *stream)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if ((stream->state & STREAM_UNIX) == 0)
        (void)setsockopt(stream->source.fd, SOL_SOCKET, SO_LINGER, &reset,
                         sizeof reset); /* or FIN, if it fails */
}

/* From here on the kernel does nothing more for it. closed() comes later, in all cases. */
static void die(struct pawl_stream *stream, int reason)
{
    struct pawl_engine *engine = stream->source.engine;
    if ((stream->state & STREAM_DEAD) != 0)
        return;
    stream->state = (stream->state & ~(uint32_t)STREAM_MOVING) | STREAM_DEAD;
    stream->reason = reason;
    pawl_stream_time_stop_(stream);
    if (stream->zeroing != 0)
        reset_at_close(stream); /* or the kernel would go on sending from the program's memory */
    pawl_stream_class_(stream)->detach(engine, stream);
    if ((stream->state & in_use) == 0)
        close_fd(stream); /* else when all has been answered */
    pawl_stream_fail_flushes_(stream, reason == 0 ? -ECANCELED : reason);
    pawl_stream_later_(stream);
}

void pawl_stream_failed_(struct pawl_stream *stream, int reason)
{
    die(stream, reason);
}

void pawl_stream_abort(struct pawl_stream *stream, int reason)
{
    if ((stream->state & STREAM_DEAD) != 0)
        return;
    reset_at_close(stream);
    die(stream, reason);
}

static void stream_stop(struct pawl_source *source)
{
    pawl_stream_abort(pawl_stream_of_(source), -ECANCELED);
}

void pawl_stream_close(struct pawl_stream *stream)
{
    if ((stream->state & STREAM_DEAD) != 0)
        return;
    /* no more received(); leave, or the flush that empties the queue, ends it */
    stream->state |= STREAM_CLOSING;
    if ((stream->state & (STREAM_CONNECTING | STREAM_GREETING)) != 0)
        die(stream, -ECANCELED);
    else if (stream->depth == 0)
        pawl_stream_later_(stream);
}

/* ---- the beginning ---- */

struct pawl_stream *pawl_stream_new_(struct pawl_engine *engine, const struct pawl_stream_config *config,
                                     int fd, bool unix_socket, int *status)
{
    size_t bytes;
    struct pawl_stream *stream;

    if (__builtin_add_overflow(sizeof *stream, config->context_bytes, &bytes)) {
        *status = -ENOMEM;
        return NULL;
    }
    stream = calloc(1, bytes); /* malloc aligns to 16 */
    if (stream == NULL) {
        *status = -ENOMEM;
        return NULL;
    }
    stream->source.ready = stream_ready;
    stream->source.stop = stream_stop;
    stream->source.fd = fd;
    stream->config = config;
    stream->state = unix_socket ? STREAM_UNIX : 0;
    stream->later.run = pawl_stream_run_later_;
    *status = pawl_slot_take_(engine, &stream->source);
    if (*status == 0 && config->layer != NULL) {
        *status = pawl_layer_attach_(stream);
        if (*status != 0)
            pawl_slot_give_(&stream->source);
    }
    if (*status != 0) {
        free(stream);
        return NULL;
    }
    pawl_count_(&engine->io.counts.streams, 1);
    pawl_count_(&engine->io.counts.connections, 1);
    return stream;
}

/* It was never told of. */
static void forget(struct pawl_stream *stream)
{
    if ((stream->state & STREAM_LAYERED) != 0)
        pawl_layer_detach_(stream);
    pawl_count_(&stream->source.engine->io.counts.streams, -UINT64_C(1));
    pawl_slot_give_(&stream->source);
    free(stream);
}

static void no_delay(const struct pawl_stream *stream)
{
    const int on = 1;

    if ((stream->state & STREAM_UNIX) == 0 && (stream->config->flags & PAWL_STREAM_DELAY) == 0)
        (void)setsockopt(stream->source.fd, IPPROTO_TCP, TCP_NODELAY, &on,
                         sizeof on); /* slower, if it fails */
}

/* opened(), and reading begins. */
static void open_now(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;

    stream->state |= STREAM_OPENED;
    pawl_stream_time_start_(stream);
    if ((stream->state & STREAM_LAYERED) != 0)
        stream->layered->layer->start(stream->layered); /* opened() when it has greeted */
    else if (stream->config->opened != NULL)
        stream->config->opened(stream);
    if (pawl_stream_reads_(stream))
        pawl_stream_class_(stream)->receive(engine, stream);
}

void pawl_stream_connected_(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;
    int error = 0, status;
    socklen_t bytes = sizeof error;

    if (getsockopt(stream->source.fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        error = errno;
    if (error != 0) {
        die(stream, -error);
        return;
    }
    stream->state &= ~(uint32_t)STREAM_CONNECTING;
    pawl_make_blocking_(stream->source.fd);
    no_delay(stream);
    status = engine->class->attach(engine, stream);
    if (status != 0)
        die(stream, status);
    else
        open_now(stream);
}

int pawl_stream_accepted_(struct pawl_engine *engine, const struct pawl_listener *listener, int fd)
{
    int status;
    struct pawl_stream *stream = pawl_stream_new_(engine, listener->stream, fd, listener->unix_socket,
                                                  &status);

    if (stream == NULL) {
        close(fd);
        return status;
    }
    stream->bytes_only = listener->bytes_only;
    no_delay(stream);
    status = engine->class->attach(engine, stream);
    if (status != 0) {
        forget(stream);
        close(fd);
        return status;
    }
    pawl_stream_enter_(stream);
    open_now(stream);
    pawl_stream_leave_(stream);
    return 0;
}

/* What a descriptor is, as bits of the state. 0 or a negative errno. */
static int kind_of(int fd, uint32_t *state)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    struct stat stat;

    if (fstat(fd, &stat) != 0)
        return -errno;
    if (!S_ISSOCK(stat.st_mode))
        return pawl_plain_state_(fd, stat.st_mode, state);
    if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        return -errno;
    *state = address.ss_family == AF_UNIX ? STREAM_UNIX : 0;
    pawl_make_blocking_(fd);
    return 0;
}

int pawl_stream_adopt(struct pawl_stream **out, const struct pawl_stream_config *config, int fd)
{
    struct pawl_worker *worker = pawl_worker_here_();
    struct pawl_stream *stream;
    uint32_t state = 0;
    int status;

    if (worker == NULL)
        return -EPERM;
    if (worker->engine->io.stopping)
        return -EPIPE;
    status = kind_of(fd, &state);
    if (status != 0)
        return status;
    stream = pawl_stream_new_(worker->engine, config, fd, (state & STREAM_UNIX) != 0, &status);
    if (stream == NULL)
        return status;
    stream->state |= state;
    no_delay(stream);
    if ((state & STREAM_PLAIN) != 0)
        status = pawl_plain_begin_(stream);
    if (status == 0)
        status = pawl_stream_class_(stream)->attach(worker->engine, stream);
    if (status != 0) {
        forget(stream);
        return status;
    }
    pawl_stream_later_(stream);
    *out = stream;
    return 0;
}

int pawl_stream_connect(struct pawl_stream **out, const struct pawl_stream_config *config,
                        const struct sockaddr *address, socklen_t address_bytes)
{
    struct pawl_worker *worker = pawl_worker_here_();
    struct pawl_stream *stream;
    int fd, status;

    if (worker == NULL)
        return -EPERM;
    if (worker->engine->io.stopping)
        return -EPIPE;
    fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    stream = pawl_stream_new_(worker->engine, config, fd, address->sa_family == AF_UNIX, &status);
    if (stream == NULL) {
        close(fd);
        return status;
    }
    stream->bytes_only = address->sa_family == AF_UNIX && pawl_refuse_descriptors_(fd);
    status = connect(fd, address, address_bytes) == 0 ? 0 : -errno;
    stream->state |= STREAM_CONNECTING;
    if (status == 0 || status == -EINPROGRESS || status == -EINTR)
        status = worker->engine->class->connecting(worker->engine, stream);
    if (status != 0) {
        forget(stream);
        close(fd);
        return status;
    }
    pawl_stream_time_start_(stream);
    *out = stream;
    return 0;
}

/* ---- continuations ---- */

/* The queue was sent, or shut or closed was asked for. */
static void settle(struct pawl_stream *stream)
{
    const uint32_t both_ends = STREAM_ENDED | STREAM_SHUT;
    uint32_t low = stream->config->high == 0 ? PAWL_STREAM_LOW_ : stream->config->low;

    if ((stream->state & STREAM_ABOVE) != 0 && pawl_stream_waiting_(stream) <= low) {
        stream->state &= ~(uint32_t)(STREAM_ABOVE | STREAM_CHOKED);
        if (stream->config->drained != NULL && (stream->state & (STREAM_CLOSING | STREAM_DEAD)) == 0)
            stream->config->drained(stream); /* a stream that broke while it sent is only closed */
    }
    if (pawl_stream_waiting_(stream) != 0 || (stream->state & STREAM_DEAD) != 0)
        return;
    if ((stream->state & STREAM_LAYERED) != 0 && (stream->state & (STREAM_CLOSING | STREAM_SHUTTING)) != 0 &&
        !stream->layered->finished)
        return; /* it has not said goodbye */
    if ((stream->state & STREAM_SHUT) == 0 &&
        ((stream->state & (STREAM_CLOSING | STREAM_SHUTTING)) == STREAM_SHUTTING ||
         ((stream->state & STREAM_CLOSING) != 0 && stream->zeroing != 0))) {
        stream->state |= STREAM_SHUT;
        (void)shutdown(stream->source.fd, SHUT_WR); /* fails if the peer is gone: reading tells */
    }
    if (((stream->state & STREAM_CLOSING) != 0 || (stream->state & both_ends) == both_ends) &&
        stream->zeroing == 0) /* else when the kernel has let go of the program's memory */
        die(stream, 0);
}

/* Sends and settles, until nothing changes: drained() may write again. A peer that reads as fast as it writes could go on for
 * ever: then the others first. */
static void push_out(struct pawl_stream *stream)
{
    unsigned rounds = PUSH_BUDGET;
    uint64_t before;
    bool again;

    do {
        if ((stream->state & STREAM_LAYERED) != 0)
            pawl_layer_encode_(stream);
        pawl_stream_flush_(stream);
        before = pawl_stream_waiting_(stream);
        settle(stream);
        again = (pawl_stream_waiting_(stream) > before ||
                 (stream->outs.bytes == 0 && pawl_layer_more_(stream))) &&
                (stream->state & (STREAM_BLOCKED | STREAM_DEAD)) == 0;
    } while (again && --rounds > 0);
    if (again)
        pawl_stream_later_(stream);
}

void pawl_stream_leave_(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;
    bool stopped = !pawl_stream_reads_(stream);

    if (stream->depth == 1 && (stream->state & (STREAM_DEAD | STREAM_OPENED)) == STREAM_OPENED) {
        if (stream->outs.bytes != 0 || (stream->state & (STREAM_ABOVE | STREAM_CLOSING | STREAM_SHUTTING |
                                                         STREAM_SHUT | STREAM_LAYERED)) != 0)
            push_out(stream);
        if ((stream->state & STREAM_CHOKED) != 0)
            pawl_stream_class_(stream)->receive_stop(engine, stream); /* the socket did not take it */
        else if (stopped)
            pawl_stream_receive_(stream); /* it was choked, and is no more */
    }
    stream->depth--;
}

void pawl_stream_received_(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct pawl_io *io = &stream->source.engine->io;

    pawl_count_(&io->counts.reads, 1);
    pawl_count_(&io->counts.received, slice->count);
    stream->read_at = stream->source.engine->worker->now;
    if (PAWL_UNLIKELY((stream->state & STREAM_LAYERED) != 0))
        stream->layered->layer->received(stream->layered, slice);
    else
        stream->config->received(stream, slice);
}

void pawl_stream_ended_(struct pawl_stream *stream)
{
    if ((stream->state & STREAM_LAYERED) != 0)
        stream->layered->layer->ended(stream->layered);
    else
        pawl_stream_end_(stream);
}

void pawl_stream_end_(struct pawl_stream *stream)
{
    stream->state |= STREAM_ENDED;
    if (stream->config->ended != NULL)
        stream->config->ended(stream);
    else
        stream->state |= STREAM_CLOSING;
}

void pawl_stream_writable_(struct pawl_stream *stream)
{
    stream->state &= ~(uint32_t)STREAM_BLOCKED; /* leave sends */
}

void pawl_stream_sent_(struct pawl_stream *stream, uint64_t count)
{
    struct pawl_io *io = &stream->source.engine->io;

    pawl_count_(&io->counts.writes, 1);
    pawl_count_(&io->counts.sent, count);
    stream->sent += count;
    stream->write_at = stream->source.engine->worker->now;
    pawl_outs_drop_(io, &stream->outs, count);
    pawl_stream_flushed_(stream);
}

/* ---- readiness: epoll ---- */

static void stream_ready(struct pawl_source *source, uint32_t events)
{
    struct pawl_stream *stream = pawl_stream_of_(source);
    const uint32_t broken = EPOLLERR | EPOLLHUP;

    if (PAWL_UNLIKELY((stream->state & STREAM_DEAD) != 0))
        return; /* ended by an event of the same turn */
    if ((events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | broken)) != 0)
        stream->state |= STREAM_READABLE;
    if ((events & (EPOLLPRI | EPOLLRDHUP | broken)) != 0)
        stream->state |= STREAM_HANGUP;
    if ((stream->state & STREAM_CONNECTING) != 0) {
        if ((events & (EPOLLOUT | broken)) == 0)
            return;
        pawl_stream_enter_(stream);
        pawl_stream_connected_(stream);
        pawl_stream_leave_(stream);
    }
    if ((events & (EPOLLOUT | broken)) != 0 && (stream->state & STREAM_BLOCKED) != 0) {
        pawl_stream_enter_(stream);
        pawl_stream_writable_(stream);
        pawl_stream_leave_(stream);
    }
    if ((stream->state & STREAM_READABLE) != 0 && pawl_stream_reads_(stream))
        pawl_stream_class_(stream)->read_on(stream->source.engine, stream);
}

/* ---- the next turn ---- */

void pawl_stream_receive_(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;

    if (!pawl_stream_reads_(stream))
        return;
    if ((stream->state & STREAM_LAYERED) != 0)
        pawl_stream_later_(stream); /* what the layer keeps comes first, then read_on */
    else
        pawl_stream_class_(stream)->receive(engine, stream);
}

void pawl_stream_later_(struct pawl_stream *stream)
{
    if ((stream->state & STREAM_LATER) != 0)
        return;
    stream->state |= STREAM_LATER;
    pawl_worker_later_(stream->source.engine->worker, &stream->later);
}

void pawl_stream_run_later_(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_stream *stream = pawl_mpsc_of(message, struct pawl_stream, later);

    (void)worker;
    stream->state &= ~(uint32_t)STREAM_LATER;
    if ((stream->state & (STREAM_DEAD | STREAM_FLUSHED)) == (STREAM_DEAD | STREAM_FLUSHED)) {
        stream->state &= ~(uint32_t)STREAM_FLUSHED;
        pawl_stream_later_(stream); /* behind the done() of its operations, which may lie in its context */
        return;
    }
    if ((stream->state & STREAM_DEAD) != 0) {
        if (!held(stream))
            finalize(stream);
        return;
    }
    if ((stream->state & STREAM_MOVING) != 0) {
        pawl_stream_move_on_(stream);
        return;
    }
    pawl_stream_enter_(stream);
    if ((stream->state & (STREAM_OPENED | STREAM_CONNECTING)) == 0)
        open_now(stream);
    else if ((stream->state & (STREAM_LAYERED | STREAM_OPENED)) == (STREAM_LAYERED | STREAM_OPENED))
        stream->layered->layer->resumed(stream->layered);
    pawl_stream_leave_(stream);
    if (pawl_stream_reads_(stream))
        pawl_stream_class_(stream)->read_on(stream->source.engine, stream);
}

void pawl_stream_run_dirty_(struct pawl_stream *stream)
{
    stream->state &= ~(uint32_t)STREAM_DIRTY;
    pawl_stream_enter_(stream);
    pawl_stream_leave_(stream);
    pawl_stream_landed_(stream); /* it may have waited for this alone */
}

/* ---- what programs call ---- */

bool pawl_source_is_stream_(const struct pawl_source *source)
{
    return source->stop == stream_stop;
}

void *pawl_stream_context(struct pawl_stream *stream)
{
    return stream + 1;
}

const struct pawl_stream_config *pawl_stream_get_config(const struct pawl_stream *stream)
{
    return stream->config;
}

int pawl_stream_fd(const struct pawl_stream *stream)
{
    return stream->source.fd;
}

void pawl_stream_become(struct pawl_stream *stream, const struct pawl_stream_config *config)
{
    const uint32_t open = STREAM_OPENED | STREAM_DEAD;

    stream->config = config;
    if ((stream->state & open) == STREAM_OPENED)
        pawl_stream_time_start_(stream);
    if (config->layer == NULL || (stream->state & (STREAM_LAYERED | STREAM_DEAD | STREAM_CLOSING)) != 0)
        return;
    if (pawl_layer_attach_(stream) != 0)
        pawl_stream_abort(stream, -ENOMEM);
    else if ((stream->state & (STREAM_OPENED | STREAM_MOVING)) == STREAM_OPENED)
        stream->layered->layer->start(stream->layered); /* else where it opens, or arrives */
}

void pawl_stream_pause(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;
    bool reads = pawl_stream_reads_(stream);

    if ((stream->state & STREAM_GREETING) != 0) {
        stream->layered->pause_after = true;
        return;
    }
    stream->state |= STREAM_PAUSED;
    if (reads)
        pawl_stream_class_(stream)->receive_stop(engine, stream);
}

void pawl_stream_resume(struct pawl_stream *stream)
{
    struct pawl_engine *engine = stream->source.engine;

    if ((stream->state & STREAM_GREETING) != 0)
        stream->layered->pause_after = false;
    if ((stream->state & STREAM_PAUSED) == 0)
        return;
    stream->state &= ~(uint32_t)STREAM_PAUSED;
    if (!pawl_stream_reads_(stream))
        return;
    stream->read_at = engine->worker->now;
    if (stream->config->read_ms != 0)
        pawl_stream_time_start_(stream);
    pawl_stream_receive_(stream);
}
