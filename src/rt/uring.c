/* SPDX-License-Identifier: MIT */
/* The io_uring engine: the ring, and its turns.
 *
 * One ring a worker, used by that worker alone (SINGLE_ISSUER), which runs the kernel's deferred work itself when it
 * asks for completions (DEFER_TASKRUN): nothing interrupts it in between. Receives and accepts are multishot, submitted
 * once. Sends are send(2) as long as the socket takes all, which it nearly always does; only the rest is submitted.
 * Needs Linux 6.1; what it needs is tried when it is opened. */
#include "uring.h"

#include "dgram.h"
#include "file.h"
#include "worker.h"

#include <errno.h>
#include <pawl/park.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { LACKING_NS = 10 * 1000 * 1000, SQPOLL_IDLE_MS = 10 };

struct io_uring_sqe *pawl_uring_sqe_(struct uring_engine *self)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);

    pawl_count_(&self->engine.io.counts.submissions, 1);
    while (PAWL_UNLIKELY(sqe == NULL)) {
        pawl_count_(&self->engine.io.counts.syscalls, 1);
        (void)io_uring_submit(&self->ring); /* fails for want of memory at worst, and is tried again */
        if ((self->ring.flags & IORING_SETUP_SQPOLL) != 0)
            (void)io_uring_sqring_wait(&self->ring); /* the kernel's thread makes room */
        sqe = io_uring_get_sqe(&self->ring);
    }
    return sqe;
}

/* ---- making ---- */

static void uring_close(struct pawl_engine *engine)
{
    struct uring_engine *self = uring_of_(engine);

    if (self->ring_ready)
        io_uring_queue_exit(&self->ring);
    pawl_uring_buffers_close_(self); /* after the ring: the kernel has let go of them */
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    pawl_io_fini_(&engine->io);
    free(self);
}

/* The ring with all that is needed, or why not: -ENOSYS for a kernel that is too old. */
static int open_ring(struct uring_engine *self)
{
    const unsigned own = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    bool polled = (self->engine.worker->rt->flags & PAWL_RT_SQPOLL) != 0;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
                 (polled ? IORING_SETUP_SQPOLL : own),
        .cq_entries = URING_COMPLETIONS,
        .sq_thread_idle = SQPOLL_IDLE_MS,
    };
    int status = io_uring_queue_init_params(URING_ENTRIES, &self->ring, &params);

    if (status != 0)
        return status == -EINVAL ? -ENOSYS : status;
    self->ring_ready = true;
    (void)io_uring_register_ring_fd(&self->ring); /* spares a look-up each call; works without */
    status = pawl_uring_buffers_open_(self);
    return status == -EINVAL ? -ENOSYS : status;
}

static int uring_open(struct pawl_engine **out, struct pawl_worker *worker)
{
    struct uring_engine *self = calloc(1, sizeof *self);
    int status;

    if (self == NULL)
        return -ENOMEM;
    self->engine.class = &pawl_engine_uring_;
    self->engine.worker = worker;
    pawl_io_init_(&self->engine.io);
    self->wake_fd = eventfd(0, EFD_CLOEXEC);
    status = self->wake_fd >= 0 ? open_ring(self) : -errno;
    if (status != 0) {
        uring_close(&self->engine);
        return status;
    }
    *out = &self->engine;
    return 0;
}

/* ---- completions ---- */

static void ready_came(struct uring_engine *self, struct pawl_source *source, const struct io_uring_cqe *cqe)
{
    if (pawl_source_is_stream_(source) && (pawl_stream_of_(source)->state & STREAM_PLAIN) == 0) {
        pawl_uring_connected_(pawl_stream_of_(source), cqe->res);
        return;
    }
    if (pawl_source_is_stream_(source) && (pawl_stream_of_(source)->state & STREAM_ATTACHED) == 0)
        return; /* it is ending, and not to be watched again */
    if (cqe->res == -ECANCELED || pawl_uring_unarmed_(source, cqe->res))
        return;
    if ((cqe->flags & IORING_CQE_F_MORE) == 0 && cqe->res >= 0)
        (void)self->engine.class->watch(&self->engine, source, source->events); /* it goes on */
    source->ready(source, cqe->res >= 0 ? (uint32_t)cqe->res : (uint32_t)EPOLLERR);
}

/* A poll was refused for want of memory. Not again at once: it would be refused again. */
static void put_off(struct uring_engine *self)
{
    if (!self->unarmed)
        self->arm_at = self->engine.worker->now + LACKING_NS;
    self->unarmed = true;
}

static void came(struct uring_engine *self, const struct io_uring_cqe *cqe)
{
    enum pawl_verb verb = pawl_key_verb_(cqe->user_data);
    struct pawl_source *source;

    if (verb == PAWL_VERB_NOTIFY) {
        if (PAWL_UNLIKELY((cqe->flags & IORING_CQE_F_MORE) == 0)) {
            self->waking = false;
            if (cqe->res < 0)
                put_off(self); /* meanwhile the worker looks at its inbox that often */
        }
        return;
    }
    if (verb == PAWL_VERB_CANCEL)
        return;
    if (verb == PAWL_VERB_END && cqe->res >= 0)
        return;
    source = pawl_slot_find_(&self->engine, cqe->user_data);
    if (source == NULL)
        return; /* a watch that was stopped; streams and listeners stay until all has come */
    switch (verb) {
    case PAWL_VERB_RECEIVE:
        pawl_uring_received_(self, pawl_stream_of_(source), cqe);
        break;
    case PAWL_VERB_SEND:
        pawl_uring_sent_(pawl_stream_of_(source), cqe->res);
        break;
    case PAWL_VERB_ACCEPT:
        pawl_uring_accepted_((struct pawl_listener_part *)(void *)source, cqe);
        break;
    case PAWL_VERB_END:
        pawl_uring_missed_(source);
        break;
    case PAWL_VERB_PACKET:
        pawl_uring_packet_came_(self, source, cqe);
        break;
    case PAWL_VERB_ROOM:
        pawl_uring_room_came_(source);
        break;
    case PAWL_VERB_ZERO:
        pawl_uring_zero_came_(source, cqe);
        break;
    case PAWL_VERB_CHILD:
        pawl_uring_child_came_(source, cqe->res);
        break;
    case PAWL_VERB_FILE:
        pawl_uring_file_came_(source, cqe->res);
        break;
    default:
        ready_came(self, source, cqe);
        break;
    }
}

/* Whether there can be anything to fetch without waiting: spares the system call of a busy worker's turn. */
static bool anything(struct uring_engine *self)
{
    const unsigned news = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;

    /* relaxed: the kernel sets the flags; who sees one late sees it in the next turn */
    return io_uring_sq_ready(&self->ring) != 0 || (IO_URING_READ_ONCE(*self->ring.sq.kflags) & news) != 0;
}

static int fetch(struct uring_engine *self)
{
    if (!anything(self))
        return 0;
    pawl_count_(&self->engine.io.counts.syscalls, 1);
    return io_uring_submit_and_get_events(&self->ring);
}

static int enter(struct uring_engine *self, uint64_t deadline)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout;
    struct timespec ts;
    uint64_t now;

    if (deadline == 0 || io_uring_cq_ready(&self->ring) != 0)
        return fetch(self);
    if (deadline == UINT64_MAX) {
        pawl_count_(&self->engine.io.counts.syscalls, 1);
        return io_uring_submit_and_wait(&self->ring, 1);
    }
    clock_gettime(CLOCK_MONOTONIC, &ts);
    now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
    if (now >= deadline)
        return fetch(self);
    timeout.tv_sec = (long long)((deadline - now) / 1000000000);
    timeout.tv_nsec = (long long)((deadline - now) % 1000000000);
    pawl_count_(&self->engine.io.counts.syscalls, 1);
    return io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &timeout, NULL);
}

/* The eventfd is polled as long as the engine lives; it is never read, each write of it is an edge. */
static void arm_wake(struct uring_engine *self)
{
    struct io_uring_sqe *sqe = pawl_uring_sqe_(self);

    io_uring_prep_poll_multishot(sqe, self->wake_fd, EPOLLIN | EPOLLET);
    io_uring_sqe_set_data64(sqe, PAWL_VERB_NOTIFY);
    self->waking = true;
}

bool pawl_uring_unarmed_(struct pawl_source *source, int result)
{
    struct uring_engine *self = uring_of_(source->engine);

    if (PAWL_LIKELY(result != -ENOMEM && result != -EAGAIN && result != -EINTR))
        return false;
    source->unarmed = true;
    put_off(self);
    return true;
}

/* Whoever waits for a descriptor must not wait for ever because the kernel had no memory for it once. */
static PAWL_COLD void arm_again(struct uring_engine *self)
{
    const struct pawl_slots *table = &self->engine.io.slots;

    self->unarmed = false;
    for (uint32_t i = 0; i < table->count; i++) {
        struct pawl_source *source = table->slots[i].source;

        if (source == NULL || !source->unarmed)
            continue;
        source->unarmed = false;
        if (!pawl_source_is_stream_(source) || (pawl_stream_of_(source)->state & STREAM_PLAIN) != 0)
            (void)self->engine.class->watch(&self->engine, source, source->events);
        else if ((pawl_stream_of_(source)->state & STREAM_DEAD) == 0)
            (void)pawl_uring_connecting_(&self->engine, pawl_stream_of_(source));
    }
}

/* ---- what comes next ---- */

/* Who has received the completion at that place of the queue, if it is bytes of a stream. */
static struct pawl_stream *receiver(struct uring_engine *self, const struct io_uring_cqe *cqe)
{
    if (cqe->res <= 0 || pawl_key_verb_(cqe->user_data) != PAWL_VERB_RECEIVE)
        return NULL;
    return (struct pawl_stream *)(void *)pawl_slot_find_(&self->engine, cqe->user_data);
}

/* What a stream has that a request touches: lines that thousands of others have pushed out of the cache. */
static void ask_for_stream(struct uring_engine *self, const struct io_uring_cqe *cqe)
{
    const char *stream = (const char *)receiver(self, cqe);

    for (size_t at = 0; stream != NULL && at < URING_TOUCHED; at += PAWL_CACHELINE)
        pawl_prefetch_write(stream + at);
}

static void ask_ahead(struct uring_engine *self, const struct io_uring_cqe *cqe, unsigned step)
{
    struct pawl_stream *stream = receiver(self, cqe);

    if (stream == NULL || stream->config->ahead == NULL || (stream->state & STREAM_LAYERED) != 0)
        return;
    stream->config->ahead(stream, pawl_chunk_bytes_(self->chunk[cqe->flags >> IORING_CQE_BUFFER_SHIFT]),
                          (size_t)cqe->res, step);
}

/* While the kernel works for the completion at `head` the memory comes that the next three will need: first what they have
 * themselves, then what the program knows of. `ready`: how many there are from `head` on, one other at least. `asked`: of
 * those before it the program was told. Returns what it is then. */
static unsigned look_ahead(struct uring_engine *self, unsigned head, unsigned ready, unsigned asked)
{
    const struct io_uring_cqe *cqes = self->ring.cq.cqes;
    const unsigned mask = *self->ring.cq.kring_mask, next = head + 1;

    ask_ahead(self, &cqes[next & mask], (int)(asked - next) > 0 ? 1 : 0);
    if (ready == 2)
        return next + 1;
    ask_ahead(self, &cqes[(next + 1) & mask], 0);
    if (ready > 3)
        ask_for_stream(self, &cqes[(next + 2) & mask]);
    return next + 2;
}

static int uring_turn(struct pawl_engine *engine, uint64_t deadline)
{
    struct uring_engine *self = uring_of_(engine);
    unsigned head, n = 0, asked = *self->ring.cq.khead;
    uint64_t again;
    int status;

    if (pawl_stream_flush_dirty_(engine))
        deadline = 0;
    pawl_uring_buffers_flush_(self);
    if (PAWL_UNLIKELY(self->unarmed) && engine->worker->now >= self->arm_at)
        arm_again(self);
    if (PAWL_UNLIKELY(!self->waking) && !self->unarmed)
        arm_wake(self);
    again = engine->worker->now + LACKING_NS;
    if (PAWL_UNLIKELY(self->lacking != 0 || self->unarmed) && deadline > again)
        deadline = again; /* looks for memory again, if nothing else happens */
    status = enter(self, deadline);
    pawl_worker_woke_(engine->worker);
    if (deadline != 0)
        engine->worker->now = pawl_deadline(0); /* what comes now came now, not before the wait */
    if (status < 0 && status != -ETIME && status != -EINTR && status != -EAGAIN && status != -EBUSY)
        return status;
    while (n < URING_BATCH) {
        struct io_uring_cqe cqe;
        unsigned ready;

        head = *self->ring.cq.khead;
        ready = io_uring_smp_load_acquire(self->ring.cq.ktail) - head; /* acquire: the kernel's completions */
        if (ready == 0)
            break;
        if (ready > 1)
            asked = look_ahead(self, head, ready, asked);
        cqe = self->ring.cq.cqes[head & *self->ring.cq.kring_mask];
        io_uring_cq_advance(&self->ring, 1);
        came(self, &cqe);
        n++;
    }
    return (int)n;
}

static void uring_notify(struct pawl_engine *engine)
{
    const uint64_t one = 1;
    int saved = errno;

    while (write(uring_of_(engine)->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

/* ---- watches ---- */

static int uring_watch(struct pawl_engine *engine, struct pawl_source *source, uint32_t events)
{
    struct io_uring_sqe *sqe = pawl_uring_sqe_(uring_of_(engine));

    io_uring_prep_poll_multishot(sqe, source->fd, events | EPOLLET);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(source, PAWL_VERB_READY));
    return 0;
}

static void uring_unwatch(struct pawl_engine *engine, struct pawl_source *source)
{
    struct io_uring_sqe *sqe;

    if (source->child) {
        pawl_uring_unwatch_child_(uring_of_(engine), source);
        return;
    }
    if (source->unarmed) { /* nothing to take back */
        source->unarmed = false;
        return;
    }
    sqe = pawl_uring_sqe_(uring_of_(engine));
    /* Not a poll_remove: that is refused, and the poll stays with the descriptor, while an event of it is under way. */
    io_uring_prep_cancel64(sqe, pawl_slot_key_(source, PAWL_VERB_READY), 0);
    io_uring_sqe_set_data64(sqe, PAWL_VERB_CANCEL);
}

const struct pawl_engine_class pawl_engine_uring_ = {
    .name = "uring",
    .open = uring_open,
    .close = uring_close,
    .turn = uring_turn,
    .notify = uring_notify,
    .watch = uring_watch,
    .unwatch = uring_unwatch,
    .watch_child = pawl_uring_watch_child_,
    .connecting = pawl_uring_connecting_,
    .attach = pawl_uring_attach_,
    .detach = pawl_uring_detach_,
    .read_on = pawl_uring_read_on_,
    .receive = pawl_uring_receive_,
    .receive_stop = pawl_uring_receive_stop_,
    .send_rest = pawl_uring_send_rest_,
    .send_zero = pawl_uring_send_zero_,
    .send_stop = pawl_uring_send_stop_,
    .listen = pawl_uring_listen_,
    .listen_stop = pawl_uring_listen_stop_,
    .listen_again = pawl_uring_listen_again_,
    .file = pawl_uring_file_,
    .file_cancel = pawl_uring_file_cancel_,
    .packets = pawl_uring_packets_,
    .packets_stop = pawl_uring_packets_stop_,
    .packets_room = pawl_uring_packets_room_,
};
