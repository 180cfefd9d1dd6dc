/* SPDX-License-Identifier: MIT */
/* Reading and writing in straight lines: connections, pipes, terminals and files, for fibers.
 *
 * Purpose    Protocols that are easier to say as "read this, then write that" than as continuations. The calls suspend the
 *            fiber (<pawl/fiber.h>), never its worker.
 * Model      A `struct pawl_conn` lies in the fiber's memory, usually on its stack, and is connected, or made of a
 *            descriptor: a socket, one end of a pipe, a terminal, a regular file. It stands on a stream
 *            (<pawl/stream.h>): what comes is read ahead (up to 64 KiB), what is written is collected until the fiber waits
 *            for something, and writing waits when more is queued than the stream's high mark.
 *            A `struct pawl_acceptor` is a listening socket. Each connection is a descriptor, to be given to a fiber
 *            of its own, on whatever worker: pawl_go(rt, serve, (void *)(intptr_t)fd).
 *            One fiber reads and one writes at a time, both on the worker where the connection was made. Who closes is
 *            the last. pawl_conn_close() must have returned before the memory goes.
 * Deadlines  The forms with _until end with -ETIMEDOUT when `deadline` (CLOCK_MONOTONIC, ns: pawl_deadline(ns from now),
 *            PAWL_FOREVER) has passed. The connection lives on.
 * Cancel     A fiber that is cancelled gets -ECANCELED from the call it is in, and from each later one; close ends such
 *            a connection at once.
 * Progress   Functions suspend the fiber, but for pawl_conn_shutdown() and those that say so.
 * Memory     A connection: 400 bytes, the caller's, and its stream.
 * Cost       docs/fiber.md: beside that of the stream, a copy of what is read, and two switches a wait.
 * By fibers; elsewhere they abort.
 */
#ifndef PAWL_FIBER_IO_H
#define PAWL_FIBER_IO_H

#include <pawl/config.h>
#include <pawl/fiber.h>
#include <pawl/op.h>
#include <pawl/park.h>
#include <pawl/stream.h>
#include <pawl/watch.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

PAWL_BEGIN_DECLS

/* ---- connections ---- */

struct pawl_conn {
    /* the runtime's */
    struct pawl_stream *stream; /* NULL: it has ended */
    struct pawl_op reader, writer, closer;
    char *room; /* of who reads */
    size_t count;
    void *in[3]; /* what was read ahead: a struct pawl_outs */
    int reason;  /* why it ended */
    bool ended, paused;
};

/* Connects. Returns 0 or a negative errno, of pawl_stream_connect() or what the network says; then there is nothing to
 * close. */
PAWL_API int pawl_conn_connect(struct pawl_conn *conn, const struct sockaddr *address,
                               socklen_t address_bytes) PAWL_NONNULL;
PAWL_API int pawl_conn_connect_until(struct pawl_conn *conn, const struct sockaddr *address,
                                     socklen_t address_bytes, uint64_t deadline) PAWL_NONNULL;

/* Takes over a descriptor, as pawl_stream_adopt(): 0, or a negative errno, and it is still the caller's. Does not suspend. */
PAWL_API int pawl_conn_adopt(struct pawl_conn *conn, int fd) PAWL_NONNULL;

/* Reads what there is, at least a byte, at most `count`. Returns how many; 0: the peer sends no more; or why it ended. */
PAWL_API int64_t pawl_read(struct pawl_conn *conn, void *bytes, size_t count) PAWL_NONNULL;
PAWL_API int64_t pawl_read_until(struct pawl_conn *conn, void *bytes, size_t count, uint64_t deadline)
    PAWL_NONNULL;

/* Reads `count` bytes; fewer only if the peer ends before. */
PAWL_API int64_t pawl_read_all(struct pawl_conn *conn, void *bytes, size_t count) PAWL_NONNULL;
PAWL_API int64_t pawl_read_all_until(struct pawl_conn *conn, void *bytes, size_t count, uint64_t deadline)
    PAWL_NONNULL;

/* Writes all: the bytes are the caller's again when it returns, sent or queued. Returns `count`; -EPIPE: shut down; or why
 * it ended, and then some may have been sent. */
PAWL_API int64_t pawl_write(struct pawl_conn *conn, const void *bytes, size_t count) PAWL_NONNULL;
PAWL_API int64_t pawl_write_until(struct pawl_conn *conn, const void *bytes, size_t count, uint64_t deadline)
    PAWL_NONNULL;

/* Sends what is queued, then tells the peer that no more will come. Does not suspend. Returns 0, -EPIPE. */
PAWL_API int pawl_conn_shutdown(struct pawl_conn *conn) PAWL_NONNULL;

/* Sends what is queued, closes, and waits until that is done; at the deadline, or if the fiber is cancelled, without
 * sending. Returns 0, or why it ended. Nothing if it has been closed. */
PAWL_API int pawl_conn_close(struct pawl_conn *conn) PAWL_NONNULL;
PAWL_API int pawl_conn_close_until(struct pawl_conn *conn, uint64_t deadline) PAWL_NONNULL;

/* ---- who listens ---- */

struct pawl_acceptor {
    /* the runtime's */
    struct pawl_watch watch;
    struct pawl_op op;
    int fd;
};

/* Listens on an address of AF_INET, AF_INET6 (port 0: any) or AF_UNIX. Returns 0 or what socket, bind and listen say. Does
 * not suspend. */
PAWL_API int pawl_acceptor_open(struct pawl_acceptor *acceptor, const struct sockaddr *address,
                                socklen_t address_bytes) PAWL_NONNULL;

/* The next connection. Returns its descriptor, the caller's; -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: try again when some have
 * gone; -ECANCELED, -ETIMEDOUT. */
PAWL_API int pawl_accept(struct pawl_acceptor *acceptor) PAWL_NONNULL;
PAWL_API int pawl_accept_until(struct pawl_acceptor *acceptor, uint64_t deadline) PAWL_NONNULL;

/* By the fiber that accepts, or when none does. Does not suspend. */
PAWL_API void pawl_acceptor_close(struct pawl_acceptor *acceptor) PAWL_NONNULL;

/* ---- files ---- */

/* As pread(2) and pwrite(2): <pawl/file.h>. A file that is read or written from its beginning to its end may be a struct
 * pawl_conn as well. A deadline is late if the disk is: see there. */
PAWL_API int64_t pawl_pread(int fd, void *bytes, size_t count, int64_t offset, uint64_t deadline);
PAWL_API int64_t pawl_pwrite(int fd, const void *bytes, size_t count, int64_t offset, uint64_t deadline);

PAWL_END_DECLS
#endif
