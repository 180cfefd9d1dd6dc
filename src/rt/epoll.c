/* SPDX-License-Identifier: MIT */
/* The epoll engine.
 *
 * Edge-triggered. A stream is registered once, for reading and writing, when it is connected; after that
 * there is no epoll_ctl until it ends. That works because a stream remembers what it was told: an edge that
 * comes while reading is paused is kept as a bit, and reading goes on from the bit. */
#include "engine.h"
#include "epoll_read.h"
#include "file.h"
#include "listener.h"
#include "stream.h"

#include <errno.h>
#include <pawl/park.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_A_TURN = 256,
    AHEAD_BYTES = 3 * PAWL_CACHELINE, /* of a source that is next */
};

struct epoll_engine {
    struct pawl_engine engine;
    int fd;
    int wake_fd;
    bool coarse; /* this kernel has no epoll_pwait2, or somebody forbids it */
    struct epoll_event events[EVENTS_A_TURN];
};

static struct epoll_engine *of(struct pawl_engine *engine)
{
    return (struct epoll_engine *)(void *)engine;
}

/* ---- making ---- */

static void epoll_close(struct pawl_engine *engine)
{
    struct epoll_engine *self = of(engine);

    if (self->wake_fd >= 0)
        close(self->wake_fd);
    if (self->fd >= 0)
        close(self->fd);
    pawl_io_fini_(&engine->io);
    free(self);
}

static int epoll_open(struct pawl_engine **out, struct pawl_worker *worker)
{
    struct epoll_engine *self = calloc(1, sizeof *self);
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.u64 = PAWL_VERB_NOTIFY};
    int status;

    if (self == NULL)
        return -ENOMEM;
    self->engine.class = &pawl_engine_epoll_;
    self->engine.worker = worker;
    pawl_io_init_(&self->engine.io);
    self->wake_fd = -1;
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->fd >= 0)
        self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd < 0 || self->wake_fd < 0 || epoll_ctl(self->fd, EPOLL_CTL_ADD, self->wake_fd, &wake) != 0) {
        status = -errno;
        epoll_close(&self->engine);
        return status;
    }
    *out = &self->engine;
    return 0;
}

/* ---- turning ---- */

static int wait_coarse(struct epoll_engine *self, uint64_t ns)
{
    uint64_t ms = ns == UINT64_MAX ? 0 : ns / 1000000 + (ns % 1000000 != 0); /* late, never early */
    int timeout = ns == UINT64_MAX ? -1 : ms > INT32_MAX ? INT32_MAX : (int)ms;

    return epoll_wait(self->fd, self->events, EVENTS_A_TURN, timeout);
}

static int wait_fine(struct epoll_engine *self, uint64_t ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    int n = epoll_pwait2(self->fd, self->events, EVENTS_A_TURN, &timeout, NULL);

    if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
        self->coarse = true;
        return wait_coarse(self, ns);
    }
    return n;
}

static int wait_until(struct epoll_engine *self, uint64_t deadline)
{
    struct timespec ts;
    uint64_t now;

    if (deadline == 0 || deadline == UINT64_MAX)
        return epoll_wait(self->fd, self->events, EVENTS_A_TURN, deadline == 0 ? 0 : -1);
    clock_gettime(CLOCK_MONOTONIC, &ts);
    now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
    if (now >= deadline)
        return epoll_wait(self->fd, self->events, EVENTS_A_TURN, 0);
    return self->coarse ? wait_coarse(self, deadline - now) : wait_fine(self, deadline - now);
}

/* While the kernel works for one source, the memory of the next one comes: two lines of it and one behind, which with thousands
 * of others are no longer in the cache. */
static void ask_ahead(struct pawl_engine *engine, uint64_t key)
{
    const char *source = (const char *)pawl_slot_find_(engine, key);

    for (size_t at = 0; source != NULL && at < AHEAD_BYTES; at += PAWL_CACHELINE)
        pawl_prefetch_write(source + at);
}

static int epoll_turn(struct pawl_engine *engine, uint64_t deadline)
{
    struct epoll_engine *self = of(engine);
    int n;

    if (pawl_stream_flush_dirty_(engine))
        deadline = 0;
    pawl_count_(&engine->io.counts.syscalls, 1);
    n = wait_until(self, deadline);
    pawl_worker_woke_(engine->worker);
    if (deadline != 0)
        engine->worker->now = pawl_deadline(0); /* what comes now came now, not before the wait */
    if (n < 0)
        return errno == EINTR ? 0 : -errno; /* a signal handler ran: the worker looks at its inbox */
    for (int i = 0; i < n; i++) {
        const struct epoll_event *event = &self->events[i];
        struct pawl_source *source;

        /* The eventfd is never read: each write of it is an edge of its own. */
        if (event->data.u64 == PAWL_VERB_NOTIFY)
            continue;
        if (i + 1 < n)
            ask_ahead(engine, event[1].data.u64);
        source = pawl_slot_find_(engine, event->data.u64);
        if (PAWL_LIKELY(source != NULL))
            source->ready(source, event->events);
    }
    return n;
}

static void epoll_notify(struct pawl_engine *engine)
{
    const uint64_t one = 1;
    int saved = errno;

    /* It cannot fail: after 2^64 - 2 notifications that nobody reads it would say EAGAIN. */
    while (write(of(engine)->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

/* ---- sources ---- */

static int epoll_watch(struct pawl_engine *engine, struct pawl_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLET,
                                .data.u64 = pawl_slot_key_(source, PAWL_VERB_READY)};

    return epoll_ctl(of(engine)->fd, EPOLL_CTL_ADD, source->fd, &event) == 0 ? 0 : -errno;
}

static void epoll_unwatch(struct pawl_engine *engine, struct pawl_source *source)
{
    struct epoll_event unused = {0};

    /* Fails when the descriptor was closed before: then it is no longer registered, or lives on elsewhere and
     * its events are dropped by their generation. */
    (void)epoll_ctl(of(engine)->fd, EPOLL_CTL_DEL, source->fd, &unused);
}

static void epoll_unwatch_stream(struct pawl_engine *engine, struct pawl_stream *stream)
{
    if ((stream->state & STREAM_ATTACHED) == 0)
        return;
    stream->state &= ~(uint32_t)STREAM_ATTACHED;
    epoll_unwatch(engine, &stream->source);
}

/* ---- streams ---- */

/* A TCP socket tells that there is room again only after it has said EAGAIN. A UNIX socket tells it with each message
 * that the peer takes out: a wake-up for nothing with every answer, so it is not asked until it has. */
static uint32_t stream_events(const struct pawl_stream *stream)
{
    const bool quiet = (stream->state & (STREAM_UNIX | STREAM_CONNECTING | STREAM_WATCHED_OUT)) ==
                       STREAM_UNIX;

    return EPOLLIN | EPOLLPRI | EPOLLRDHUP | (quiet ? 0 : (uint32_t)EPOLLOUT);
}

static int epoll_attach(struct pawl_engine *engine, struct pawl_stream *stream)
{
    int status;

    if ((stream->state & STREAM_ATTACHED) != 0)
        return 0; /* since it was connecting */
    status = epoll_watch(engine, &stream->source, stream_events(stream));
    if (status == 0)
        stream->state |= STREAM_ATTACHED;
    return status;
}

/* Reading goes on by itself with the next edge; it has to be asked for only if there was one. */
static void epoll_receive(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    if ((stream->state & STREAM_READABLE) != 0)
        pawl_stream_later_(stream);
}

/* Edges that come meanwhile are kept in STREAM_READABLE. */
static void epoll_receive_stop(struct pawl_engine *engine, struct pawl_stream *stream)
{
    (void)engine;
    (void)stream;
}

/* EPOLLOUT will come: send(2) has said EAGAIN. Of a UNIX socket from now on: who falls behind once does so again. If there
 * is room already, this tells it. */
static void epoll_send_rest(struct pawl_engine *engine, struct pawl_stream *stream)
{
    struct epoll_event event = {.data.u64 = pawl_slot_key_(&stream->source, PAWL_VERB_READY)};

    if ((stream->state & (STREAM_UNIX | STREAM_WATCHED_OUT)) != STREAM_UNIX)
        return;
    stream->state |= STREAM_WATCHED_OUT;
    event.events = stream_events(stream) | EPOLLET;
    if ((stream->state & STREAM_ATTACHED) != 0 &&
        epoll_ctl(of(engine)->fd, EPOLL_CTL_MOD, stream->source.fd, &event) != 0)
        pawl_stream_failed_(stream, -errno);
}

/* ---- listeners ---- */

static int epoll_listen(struct pawl_engine *engine, struct pawl_listener_part *part, bool shared)
{
    /* EPOLLEXCLUSIVE: a connection wakes one of the workers, not all */
    return epoll_watch(engine, &part->source, EPOLLIN | (shared ? (uint32_t)EPOLLEXCLUSIVE : 0));
}

static void epoll_listen_stop(struct pawl_engine *engine, struct pawl_listener_part *part)
{
    epoll_unwatch(engine, &part->source);
}

static void epoll_listen_again(struct pawl_engine *engine, struct pawl_listener_part *part)
{
    (void)engine;
    pawl_listener_accept_(part);
}

const struct pawl_engine_class pawl_engine_epoll_ = {
    .name = "epoll",
    .close_unwatches = true,
    .open = epoll_open,
    .close = epoll_close,
    .turn = epoll_turn,
    .notify = epoll_notify,
    .watch = epoll_watch,
    .unwatch = epoll_unwatch,
    .connecting = epoll_attach,
    .attach = epoll_attach,
    .detach = epoll_unwatch_stream,
    .read_on = pawl_epoll_read_on_,
    .receive = epoll_receive,
    .receive_stop = epoll_receive_stop,
    .send_rest = epoll_send_rest,
    .listen = epoll_listen,
    .listen_stop = epoll_listen_stop,
    .listen_again = epoll_listen_again,
    .file = pawl_file_pool_,
    .file_cancel = pawl_file_pool_cancel_,
};
