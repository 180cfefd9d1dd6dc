/* SPDX-License-Identifier: MIT */
/* Reading and writing by fibers: a stream whose continuations resume who waits.
 *
 * The stream's context is a pointer to the connection, which is in the fiber's memory. It is good until closed() has been
 * called, which pawl_conn_close() waits for. */
#include "fiber.h"
#include "fiber_wait.h"

#include "../core/sync/fail.h"
#include "slice.h"
#include "stream.h"
#include "worker.h"

#include <pawl/fiber_io.h>
#include <pawl/file.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    AHEAD_MAX = 64 << 10, /* bytes that are read ahead; then reading pauses */
    PIECE = 64 << 10,     /* bytes that are written before looking at the mark */
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_outs) <= sizeof(((struct pawl_conn *)NULL)->in), "it holds a queue");
PAWL_STATIC_ASSERT(sizeof(struct pawl_conn) <= 416, "as the header says, about");

static struct pawl_outs *in_of(struct pawl_conn *conn)
{
    return (struct pawl_outs *)(void *)conn->in;
}

static struct pawl_conn *conn_of(struct pawl_stream *stream)
{
    return *(struct pawl_conn **)pawl_stream_context(stream);
}

struct pawl_engine *pawl_fiber_engine_(const struct pawl_engine *owner, const char *function)
{
    struct pawl_engine *engine = pawl_fiber_owner_(pawl_fiber_here_(function))->engine;

    if (PAWL_UNLIKELY(owner != NULL && owner != engine))
        pawl_sync_fail(function, "the connection is another worker's");
    return engine;
}

static struct pawl_engine *engine_here(const char *function)
{
    return pawl_fiber_engine_(NULL, function);
}

/* The fiber's, which is the connection's. */
static struct pawl_engine *engine_of(const struct pawl_conn *conn, const char *function)
{
    return pawl_fiber_engine_(conn->stream != NULL ? conn->stream->source.engine : NULL, function);
}

static bool waits(const struct pawl_op *op)
{
    return op->state == PAWL_OP_PENDING;
}

/* ---- the stream's continuations ---- */

static void opened(struct pawl_stream *stream)
{
    struct pawl_conn *conn = conn_of(stream);

    if (waits(&conn->writer))
        pawl_op_complete_(&conn->writer, 0); /* who connects */
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct pawl_conn *conn = conn_of(stream);
    struct pawl_slice rest = *slice;
    size_t count = 0;

    if (waits(&conn->reader)) {
        count = slice->count < conn->count ? slice->count : conn->count;
        memcpy(conn->room, slice->bytes, count);
        rest.bytes += count;
        rest.count -= count;
    }
    if (pawl_outs_append_(&stream->source.engine->io, in_of(conn), &rest) != 0) {
        pawl_stream_abort(stream, -ENOMEM);
    } else if (in_of(conn)->bytes > AHEAD_MAX && !conn->paused) {
        conn->paused = true;
        pawl_stream_pause(stream);
    }
    if (count != 0)
        pawl_op_complete_(&conn->reader, (int64_t)count); /* resumes it here: the last thing */
}

static void ended(struct pawl_stream *stream)
{
    struct pawl_conn *conn = conn_of(stream);

    conn->ended = true;
    if (waits(&conn->reader))
        pawl_op_complete_(&conn->reader, 0);
}

static void drained(struct pawl_stream *stream)
{
    struct pawl_conn *conn = conn_of(stream);

    if (waits(&conn->writer))
        pawl_op_complete_(&conn->writer, 0);
}

static void closed(struct pawl_stream *stream, int reason)
{
    struct pawl_conn *conn = conn_of(stream);

    conn->stream = NULL;
    conn->reason = reason;
    /* later, all: the first that is resumed may be the one whose memory this is */
    if (waits(&conn->reader))
        pawl_op_complete_later_(&conn->reader, reason);
    if (waits(&conn->writer))
        pawl_op_complete_later_(&conn->writer, reason == 0 ? -EPIPE : reason);
    if (waits(&conn->closer))
        pawl_op_complete_later_(&conn->closer, reason);
}

static const struct pawl_stream_config config = {
    .opened = opened,
    .received = received,
    .ended = ended,
    .drained = drained,
    .closed = closed,
    .context_bytes = sizeof(struct pawl_conn *),
};

/* ---- waiting ---- */

void pawl_fiber_withdraw_(struct pawl_op *op)
{
    (void)op;
}

int64_t pawl_fiber_wait_until_(struct pawl_op *op, uint64_t deadline)
{
    if (deadline != PAWL_FOREVER) {
        uint64_t now = pawl_deadline(0);

        (void)pawl_op_deadline(op, deadline > now ? deadline - now : 0);
    }
    return pawl_await(op);
}

static void bind_stream(struct pawl_conn *conn)
{
    *(struct pawl_conn **)pawl_stream_context(conn->stream) = conn; /* before its first continuation */
}

/* ---- coming ---- */

int pawl_conn_adopt(struct pawl_conn *conn, int fd)
{
    int status;

    (void)engine_here(__func__);
    *conn = (struct pawl_conn){0}; /* its operations are idle */
    status = pawl_stream_adopt(&conn->stream, &config, fd);
    if (status == 0)
        bind_stream(conn);
    return status;
}

int pawl_conn_connect_until(struct pawl_conn *conn, const struct sockaddr *address, socklen_t address_bytes,
                            uint64_t deadline)
{
    struct pawl_engine *engine = engine_here(__func__);
    int status;

    *conn = (struct pawl_conn){0}; /* its operations are idle */
    if (pawl_fiber_cancelled() != 0)
        return -ECANCELED;
    status = pawl_stream_connect(&conn->stream, &config, address, address_bytes);
    if (status != 0)
        return status;
    bind_stream(conn);
    (void)pawl_op_begin_(&conn->writer, engine, conn, pawl_fiber_withdraw_);
    status = (int)pawl_fiber_wait_until_(&conn->writer, deadline);
    if (status != 0) {
        if (conn->stream != NULL)
            pawl_stream_abort(conn->stream, status);
        (void)pawl_conn_close(conn);
    }
    return status;
}

int pawl_conn_connect(struct pawl_conn *conn, const struct sockaddr *address, socklen_t address_bytes)
{
    return pawl_conn_connect_until(conn, address, address_bytes, PAWL_FOREVER);
}

/* ---- reading ---- */

/* From what was read ahead. */
static size_t take(struct pawl_conn *conn, struct pawl_io *io, char *bytes, size_t count)
{
    struct pawl_outs *in = in_of(conn);
    size_t done = 0;

    while (done < count && in->bytes != 0) {
        const struct pawl_slice *slice = &in->first->slices[in->first->first];
        size_t n = slice->count < count - done ? slice->count : count - done;

        memcpy(bytes + done, slice->bytes, n);
        pawl_outs_drop_(io, in, n);
        done += n;
    }
    if (conn->paused && in->bytes <= AHEAD_MAX / 2 && conn->stream != NULL) {
        conn->paused = false;
        pawl_stream_resume(conn->stream);
    }
    return done;
}

int64_t pawl_read_until(struct pawl_conn *conn, void *bytes, size_t count, uint64_t deadline)
{
    struct pawl_engine *engine = engine_of(conn, __func__);
    int status;

    if (pawl_fiber_cancelled() != 0)
        return -ECANCELED;
    if (count == 0 || in_of(conn)->bytes != 0)
        return (int64_t)take(conn, &engine->io, bytes, count);
    if (conn->ended || conn->stream == NULL)
        return conn->ended ? 0 : conn->reason;
    status = pawl_op_begin_(&conn->reader, engine, conn, pawl_fiber_withdraw_);
    if (status != 0)
        return status;
    conn->room = bytes;
    conn->count = count;
    return pawl_fiber_wait_until_(&conn->reader, deadline);
}

int64_t pawl_read(struct pawl_conn *conn, void *bytes, size_t count)
{
    return pawl_read_until(conn, bytes, count, PAWL_FOREVER);
}

int64_t pawl_read_all_until(struct pawl_conn *conn, void *bytes, size_t count, uint64_t deadline)
{
    size_t done = 0;

    while (done < count) {
        int64_t n = pawl_read_until(conn, (char *)bytes + done, count - done, deadline);

        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

int64_t pawl_read_all(struct pawl_conn *conn, void *bytes, size_t count)
{
    return pawl_read_all_until(conn, bytes, count, PAWL_FOREVER);
}

/* ---- writing ---- */

/* Until the out-queue is low. */
static int wait_for_room(struct pawl_conn *conn, struct pawl_engine *engine, uint64_t deadline)
{
    int status = pawl_op_begin_(&conn->writer, engine, conn, pawl_fiber_withdraw_);

    return status != 0 ? status : (int)pawl_fiber_wait_until_(&conn->writer, deadline);
}

int64_t pawl_write_until(struct pawl_conn *conn, const void *bytes, size_t count, uint64_t deadline)
{
    struct pawl_engine *engine = engine_of(conn, __func__);
    size_t done = 0;
    int status = pawl_fiber_cancelled();

    while (status == 0 && done < count) {
        size_t n = count - done < PIECE ? count - done : PIECE;

        if (conn->stream == NULL)
            status = conn->reason == 0 ? -EPIPE : conn->reason;
        else
            status = pawl_stream_write(conn->stream, (const char *)bytes + done, n);
        done += n;
        if (status == 0 && pawl_stream_full(conn->stream))
            status = wait_for_room(conn, engine, deadline);
    }
    return status != 0 ? status : (int64_t)count;
}

int64_t pawl_write(struct pawl_conn *conn, const void *bytes, size_t count)
{
    return pawl_write_until(conn, bytes, count, PAWL_FOREVER);
}

/* ---- going ---- */

int pawl_conn_shutdown(struct pawl_conn *conn)
{
    (void)engine_of(conn, __func__);
    return conn->stream == NULL ? -EPIPE : pawl_stream_shutdown(conn->stream);
}

/* Only asks: closed() completes it. */
static void withdraw_closer(struct pawl_op *op)
{
    struct pawl_conn *conn = op->target;

    if (conn->stream != NULL)
        pawl_stream_abort(conn->stream,
                          pawl_op_verdict_(op, -ECANCELED) == -ETIMEDOUT ? -ETIMEDOUT : -ECANCELED);
}

int pawl_conn_close_until(struct pawl_conn *conn, uint64_t deadline)
{
    struct pawl_engine *engine = engine_of(conn, __func__);

    if (conn->stream != NULL) {
        pawl_stream_close(conn->stream);
        (void)pawl_op_begin_(&conn->closer, engine, conn, withdraw_closer);
        conn->closer.flags |= PAWL_OP_ASKS_;
        (void)pawl_fiber_wait_until_(&conn->closer, deadline);
    }
    pawl_outs_drop_(&engine->io, in_of(conn), in_of(conn)->bytes);
    return conn->reason;
}

int pawl_conn_close(struct pawl_conn *conn)
{
    return pawl_conn_close_until(conn, PAWL_FOREVER);
}

/* ---- who listens ---- */

int pawl_acceptor_open(struct pawl_acceptor *acceptor, const struct sockaddr *address,
                       socklen_t address_bytes)
{
    const int on = 1;
    int status = 0;

    (void)engine_here(__func__);
    *acceptor = (struct pawl_acceptor){0};
    acceptor->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (acceptor->fd < 0)
        return -errno;
    if ((address->sa_family != AF_UNIX &&
         setsockopt(acceptor->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) ||
        bind(acceptor->fd, address, address_bytes) != 0 || listen(acceptor->fd, SOMAXCONN) != 0)
        status = -errno;
    if (status != 0)
        close(acceptor->fd);
    return status;
}

int pawl_accept_until(struct pawl_acceptor *acceptor, uint64_t deadline)
{
    (void)engine_here(__func__);
    while (pawl_fiber_cancelled() == 0) {
        int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC), status;

        if (fd >= 0)
            return fd;
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN)
            return -errno;
        status = pawl_watch_once(&acceptor->watch, &acceptor->op, acceptor->fd, EPOLLIN);
        if (status == 0)
            status = (int)pawl_fiber_wait_until_(&acceptor->op, deadline);
        if (status < 0)
            return status;
    }
    return -ECANCELED;
}

int pawl_accept(struct pawl_acceptor *acceptor)
{
    return pawl_accept_until(acceptor, PAWL_FOREVER);
}

void pawl_acceptor_close(struct pawl_acceptor *acceptor)
{
    close(acceptor->fd);
    acceptor->fd = -1;
}

/* ---- files ---- */

static int64_t transfer(int status, struct pawl_file_op *file, uint64_t deadline)
{
    return status != 0 ? status : pawl_fiber_wait_until_(&file->op, deadline);
}

int64_t pawl_pread(int fd, void *bytes, size_t count, int64_t offset, uint64_t deadline)
{
    struct pawl_file_op file;

    (void)engine_here(__func__);
    if (pawl_fiber_cancelled() != 0)
        return -ECANCELED;
    pawl_file_init(&file, NULL);
    return transfer(pawl_file_read(&file, fd, bytes, count, offset), &file, deadline);
}

int64_t pawl_pwrite(int fd, const void *bytes, size_t count, int64_t offset, uint64_t deadline)
{
    struct pawl_file_op file;

    (void)engine_here(__func__);
    if (pawl_fiber_cancelled() != 0)
        return -ECANCELED;
    pawl_file_init(&file, NULL);
    return transfer(pawl_file_write(&file, fd, bytes, count, offset), &file, deadline);
}
