/* SPDX-License-Identifier: MIT */
/* Streams: connections of TCP and UNIX sockets, driven by continuations.
 *
 * Purpose    Servers, clients and proxies with any number of connections. The runtime reads, queues, sends, watches
 *            the clock and knows what is under way; the program says what to do with the bytes. For straight-line
 *            code there are fibers, which stand on the same calls.
 * Model      A stream belongs to one worker at a time. Its continuations run there, one after the other, never inside
 *            each other, and its functions are called there. They are, in this order:
 *
 *              opened ( received | drained )* [ ended ( drained )* ] closed
 *
 *              opened     it is connected
 *              received   these bytes have come. They are lent: pawl_slice_hold() keeps them
 *              ended      the peer sends no more; writing goes on. Without this continuation: pawl_stream_close()
 *              drained    the out-queue has fallen to the low-water mark after it was above the high one
 *              closed     the last: 0 after pawl_stream_close(), or why it ended: -ECONNRESET, -ETIMEDOUT,
 *                         -ECANCELED (the runtime closes), ... A stream that could not be connected is only closed.
 *                         When it returns, the stream and its context are gone
 * Writing    What is written in a continuation is sent when it returns, with one system call for all of it; what is
 *            written elsewhere at the end of the turn. What the socket does not take waits in the out-queue.
 *            pawl_stream_write() copies, pawl_stream_send() holds a slice until it is sent; one of 32 KiB and more
 *            perhaps until the peer has it (io_uring, TCP): its bytes stay as they are until its release.
 * Pressure   Above `high` bytes in the out-queue the stream reads no more, until it is down to `low`: a peer that sends
 *            and does not read costs no memory. (PAWL_STREAM_READ_ON: the program cares itself, with pause and resume.)
 *            Writing never fails for it: pawl_stream_full() tells.
 * Fairness   A stream is read for 64 KiB or 32 continuations, and tells `drained` up to 16 times, then all others have their
 *            turn.
 * Ending     pawl_stream_close() sends what is queued and closes; pawl_stream_abort() throws it away, and the peer of a
 *            TCP stream is told by RST. Either may be called anywhere, in every continuation, and repeatedly. A stream
 *            whose peer has ended and whose pawl_stream_shutdown() is done closes itself. The runtime counts what is
 *            under way in the kernel and frees the stream when nothing is.
 * Timeouts   idle: nothing was received nor sent for so long. read: nothing was received while reading. write: what is
 *            queued has not moved. connect: not connected by then. All end the stream with -ETIMEDOUT, up to an eighth
 *            late; the peer of a TCP stream is told by FIN, or by RST if something was queued. They cost nothing per
 *            byte: the stream notes when something moved and looks at it when the time is over. What has come while the
 *            worker was busy elsewhere counts as received (with PAWL_RT_SQPOLL it may not: the kernel's thread has taken
 *            it already).
 * Handles    A pointer is good until `closed` returns, on its worker. Other threads, and who may come late, keep a
 *            `struct pawl_stream_handle`, whose generation says whether the stream is still that one.
 * Engines    epoll and io_uring: the same continuations, in the same order.
 * Progress   No function waits.
 * Memory     256 bytes a stream and its context, 16 a slot of the worker. Buffers are the worker's: an idle stream has
 *            none.
 * Cost       docs/stream.md. epoll: one receive and one send for a request and its answer; no epoll_ctl after the first.
 * Errors     Running out of descriptors or memory ends no listener: it accepts no more until a stream has ended or
 *            some time has passed, then it goes on.
 * Bytes      Only these: descriptors sent to a UNIX stream are dropped, or the sender is refused (EPERM) where it was
 *            connected or accepted here, by Linux 6.16 and later.
 */
#ifndef PAWL_STREAM_H
#define PAWL_STREAM_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/op.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

PAWL_BEGIN_DECLS

struct pawl_rt;
struct pawl_layer;
struct pawl_stream;
struct pawl_listener;

/* ---- bytes that are shared ---- */

/* Memory that slices point into: the runtime's buffers, or the program's own (a cache's item, a page of a file) with
 * this embedded. Given back when nobody holds it. */
struct pawl_chunk {
    PAWL_ATOMIC(uint32_t) holds;
    uint32_t used; /* the runtime's */
    void (*release)(
        struct pawl_chunk *chunk); /* by the thread that let go last; NULL: it is never given back */
    struct pawl_chunk *next;       /* the runtime's */
};

struct pawl_slice {
    const char *bytes;
    size_t count;
    struct pawl_chunk *chunk; /* NULL: they stay where they are until the end of the program */
};

/* One more holder of what the slice points into. Any thread that holds it, or was lent it. */
PAWL_API PAWL_INLINE void pawl_slice_hold(const struct pawl_slice *slice)
{
    if (slice->chunk != NULL)
        (void)pawl_fetch_add_relaxed(&slice->chunk->holds,
                                     1); /* relaxed: who holds it keeps it alive meanwhile */
}

/* One holder less. Any thread. */
PAWL_API void pawl_slice_release(const struct pawl_slice *slice) PAWL_NONNULL;

/* A chunk of the program's, held once by the caller. */
PAWL_API PAWL_INLINE void pawl_chunk_init(struct pawl_chunk *chunk, void (*release)(struct pawl_chunk *chunk))
{
    pawl_store_relaxed(&chunk->holds, 1); /* relaxed: nobody has it yet */
    chunk->used = 0;
    chunk->release = release;
    chunk->next = NULL;
}

/* ---- what a kind of stream does ---- */

enum pawl_stream_flags {
    PAWL_STREAM_READ_ON = 1, /* reading goes on above the high-water mark */
    PAWL_STREAM_DELAY = 2,   /* TCP: Nagle's algorithm stays on. What is sent is coalesced here already */
};

struct pawl_stream_config {
    /* Continuations. Each may be NULL, but for received. */
    void (*opened)(struct pawl_stream *stream);
    void (*received)(struct pawl_stream *stream, const struct pawl_slice *slice);
    void (*ended)(struct pawl_stream *stream);
    void (*drained)(struct pawl_stream *stream);
    void (*closed)(struct pawl_stream *stream, int reason);
    void *arg;            /* the program's: pawl_stream_get_config(stream)->arg */
    size_t context_bytes; /* of the program's memory behind the stream, zeroed when it opens */
    uint32_t high, low;   /* marks of the out-queue in bytes; 0, 0: 256 KiB and 64 KiB */
    uint32_t idle_ms, read_ms, write_ms, connect_ms; /* 0: no limit */
    uint32_t flags;                                  /* of enum pawl_stream_flags */
    /* What stands between the socket and the continuations, as TLS does (<pawl/tls.h>); NULL: nothing. `opened` then
     * comes when it has greeted, and the calls for reading and writing are the same. */
    const struct pawl_layer *layer;
    /* A hint: these bytes are here and will be received in this turn, when others' were. To ask for the memory that they will need,
     * in two steps: 0, and, when somebody else's have been received since, 1. It changes nothing, and may not come at all:
     * io_uring knows what is next, epoll does not. Not under a layer. NULL: nothing is asked for. */
    void (*ahead)(struct pawl_stream *stream, const char *bytes, size_t count, unsigned step);
};

/* ---- where streams come from ---- */

enum pawl_listener_flags {
    PAWL_LISTENER_SHARED = 1, /* one socket for all workers. Without: each has its own, and the kernel spreads
                                 connections by their addresses (SO_REUSEPORT). UNIX sockets are always shared */
    PAWL_LISTENER_GIVEN = 2,  /* the socket in `fd` listens already, as systemd passes them; it is shared */
};

struct pawl_listener_config {
    const struct sockaddr
        *address; /* of AF_INET, AF_INET6 or AF_UNIX; port 0: any. With GIVEN: not looked at */
    socklen_t address_bytes;
    int backlog;                             /* 0: what the kernel allows */
    uint32_t flags;                          /* of enum pawl_listener_flags */
    const struct pawl_stream_config *stream; /* lives as long as the listener and its streams */
    void (*closed)(struct pawl_listener *listener,
                   void *arg); /* the last worker has let go of it; may be NULL */
    void *arg;
    int fd; /* with GIVEN: it is copied, and stays the caller's; it becomes non-blocking */
};

/* Listens on all workers. Returns 0, or what socket, bind and listen say, or -ENOMEM, -EINVAL (GIVEN: no stream socket that
 * listens), -EPIPE (the runtime closes), -ECHILD. Any thread. */
PAWL_API int pawl_listener_open(struct pawl_listener **listener, struct pawl_rt *rt,
                                const struct pawl_listener_config *config) PAWL_NONNULL;

/* Accepts no more; streams live on. It is gone when this returns, for the caller. Any thread, once. A runtime that is
 * closed closes its listeners, for which this is not called then. */
PAWL_API void pawl_listener_close(struct pawl_listener *listener) PAWL_NONNULL;

/* Where it listens, with the port that was chosen. Returns 0, -EINVAL (too little room). Any thread. */
PAWL_API int pawl_listener_address(const struct pawl_listener *listener, struct sockaddr *address,
                                   socklen_t *address_bytes) PAWL_NONNULL;

/* Connects. `opened` or `closed` will be called in a later turn. Returns 0, or -EMFILE, -ENOMEM, -EAFNOSUPPORT, -EPERM
 * (not on a worker), -EPIPE (the runtime closes), and what connect(2) says at once (UNIX sockets: -EAGAIN when the
 * listener's queue is full, -ENOENT, -ECONNREFUSED). On a worker. */
PAWL_API int pawl_stream_connect(struct pawl_stream **stream, const struct pawl_stream_config *config,
                                 const struct sockaddr *address, socklen_t address_bytes) PAWL_NONNULL;

/* Takes over a descriptor: 0, and `opened` will be called in a later turn; or -ENOMEM, -EPERM (not on a worker), -EPIPE
 * (the runtime closes), -EBADF, -EISDIR, ..., and the descriptor is still the caller's. On a worker.
 * A connected socket, one end of a pipe, a terminal, or whatever else can be read and written: regular files too, by the
 * calls of <pawl/file.h> at the file's own position, one at a time; these do not move to other workers. What is only open for
 * writing never calls `ended`, and breaks with -EPIPE when nobody reads it any more; what is only open for reading
 * refuses to be written to, with -EPIPE. Pipes and terminals become non-blocking in an open file of their own,
 * where the kernel lets them be opened again; else for all who share them. A socket becomes blocking for all who do. */
PAWL_API int pawl_stream_adopt(struct pawl_stream **stream, const struct pawl_stream_config *config, int fd)
    PAWL_NONNULL;

/* ---- on its worker ---- */

PAWL_API void *pawl_stream_context(struct pawl_stream *stream) PAWL_NONNULL; /* aligned to 16 */
PAWL_API const struct pawl_stream_config *pawl_stream_get_config(const struct pawl_stream *stream)
    PAWL_NONNULL;
PAWL_API int pawl_stream_fd(const struct pawl_stream *stream) PAWL_NONNULL; /* for getsockopt and the like */

/* From now on these continuations and limits, as when a protocol changes. context_bytes keeps its old value. If they have a
 * layer and the stream has none, it begins (STARTTLS): `opened` is called again when it has greeted; what is
 * queued goes before it. A layer that is there stays. */
PAWL_API void pawl_stream_become(struct pawl_stream *stream, const struct pawl_stream_config *config)
    PAWL_NONNULL;

/* Copies the bytes into the out-queue. Returns 0, -EPIPE (pawl_stream_shutdown or close was called, or it has ended),
 * -ENOMEM: nothing was queued. */
PAWL_API int pawl_stream_write(struct pawl_stream *stream, const void *bytes, size_t count) PAWL_NONNULL;

/* Queues a slice and holds it until it is sent. Returns as above. */
PAWL_API int pawl_stream_send(struct pawl_stream *stream, const struct pawl_slice *slice) PAWL_NONNULL;

PAWL_API size_t pawl_stream_queued(const struct pawl_stream *stream)
    PAWL_NONNULL;                                                              /* bytes in the out-queue */
PAWL_API bool pawl_stream_full(const struct pawl_stream *stream) PAWL_NONNULL; /* more than `high` */

/* The operation completes with 0 when all that is queued now has been given to the kernel. Returns 0, -EPIPE (it has
 * ended), -EBUSY (the operation is under way, or the stream moves). */
PAWL_API int pawl_stream_flush(struct pawl_stream *stream, struct pawl_op *op) PAWL_NONNULL;

/* No more `received` or `ended` until pawl_stream_resume(). Not counted. */
PAWL_API void pawl_stream_pause(struct pawl_stream *stream) PAWL_NONNULL;
PAWL_API void pawl_stream_resume(struct pawl_stream *stream) PAWL_NONNULL;

/* Sends what is queued, then tells the peer that no more will come; reading goes on. Returns 0, -EPIPE. */
PAWL_API int pawl_stream_shutdown(struct pawl_stream *stream) PAWL_NONNULL;

/* Sends what is queued, then closes. Receives no more. */
PAWL_API void pawl_stream_close(struct pawl_stream *stream) PAWL_NONNULL;

/* Closes at once, with RST if it is TCP. `reason` is what closed() will be told: 0 or a negative errno. */
PAWL_API void pawl_stream_abort(struct pawl_stream *stream, int reason) PAWL_NONNULL;

/* ---- moving, and other threads ---- */

/* To another worker of the runtime, in a later turn; its continuations run there from then on. With it goes what is
 * queued and how it was paused. It gets a new handle. What the kernel sends from the program's memory is waited for.
 * Returns 0, -EINVAL (no such worker), -EBUSY (not connected, it ends, or moves already, or an operation waits for it). */
PAWL_API int pawl_stream_move(struct pawl_stream *stream, uint32_t worker) PAWL_NONNULL;

/* A name that outlives the stream. */
struct pawl_stream_handle {
    uint64_t key;
    uint32_t worker;
};

PAWL_API struct pawl_stream_handle pawl_stream_get_handle(const struct pawl_stream *stream) PAWL_NONNULL;

/* The stream of that name; NULL: it has ended or moved, or belongs to another worker than this one. On a worker. */
PAWL_API struct pawl_stream *pawl_stream_find(struct pawl_stream_handle handle);

PAWL_END_DECLS
#endif
