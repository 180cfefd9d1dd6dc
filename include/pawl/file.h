/* SPDX-License-Identifier: MIT */
/* Files: opening, reading, writing, syncing, as operations.
 *
 * Purpose    What a program does with regular files (and devices that answer soon) while its workers go on. Pipes,
 *            terminals and sockets, which make one wait for a peer, are streams: <pawl/stream.h>.
 * Model      A `struct pawl_file_op` is an operation (<pawl/op.h>) with what it needs. Each function begins one on this
 *            worker and returns 0, or a negative errno, and nothing will come: -EPERM (not on a worker), -EPIPE (the
 *            runtime closes), -EBUSY (it is pending), -EINVAL, -ENOMEM, and with epoll -EAGAIN (the pool's queue is
 *            full: <pawl/block.h>). It completes once, with what the system call returns: a number of bytes, a
 *            descriptor, 0, or a negative errno.
 *            Descriptors are the system's; nothing is kept about them. They, the buffers and paths that are named stay
 *            as they are until the operation has completed. Operations on one descriptor are not ordered: what must
 *            come after, begins in done().
 * Cancel     Cancelling and deadlines (pawl_op_cancel, pawl_op_deadline) ask: the operation completes when the kernel
 *            has let go of the buffer, with -ECANCELED or -ETIMEDOUT if it had not begun, else with its result. What a
 *            disk is at cannot be taken back, so that may be late.
 * Engines    io_uring: a submission each. epoll: calls of the runtime's pool; reads of up to 256 KiB that are in the
 *            page cache are done at once, without a thread.
 * Progress   No function here waits.
 * Memory     272 bytes, the caller's.
 * Cost       docs/file.md.
 */
#ifndef PAWL_FILE_H
#define PAWL_FILE_H

#include <pawl/block.h>
#include <pawl/config.h>
#include <pawl/op.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

PAWL_BEGIN_DECLS

struct pawl_chunk;
struct pawl_stream;
struct statx;

struct pawl_file_op {
    struct pawl_op op; /* pawl_op_init(&file.op, done), pawl_op_wakes(), pawl_await(&file.op) */
    /* the runtime's */
    struct pawl_file_call {
        uint32_t kind;
        int fd;
        const char *path;
        void *address; /* bytes, vectors, or a struct statx */
        uint64_t count;
        int64_t offset;
        uint32_t flags, mode;
    } call;
    union {
        struct pawl_job job; /* epoll */
        char source[40];     /* io_uring: a struct pawl_source */
    } inside;
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_file_op) == 272, "as the header says");

/* Where the file's own position is meant, which moves: as read(2) and write(2). */
#define PAWL_FILE_POSITION INT64_C(-1)

/* An idle operation; done may be NULL. */
PAWL_API PAWL_INLINE void pawl_file_init(struct pawl_file_op *file,
                                         void (*done)(struct pawl_op *op, int64_t result))
{
    pawl_op_init(&file->op, done);
}

/* openat(2). folder: AT_FDCWD, or a descriptor. O_CLOEXEC is added. */
PAWL_API int pawl_file_open(struct pawl_file_op *file, int folder, const char *path, int flags, mode_t mode)
    PAWL_NONNULL;

/* pread(2), pwrite(2). At most 2^31 - 4096 bytes; fewer may come or go than were asked for. */
PAWL_API int pawl_file_read(struct pawl_file_op *file, int fd, void *bytes, size_t count, int64_t offset)
    PAWL_NONNULL;
PAWL_API int pawl_file_write(struct pawl_file_op *file, int fd, const void *bytes, size_t count,
                             int64_t offset) PAWL_NONNULL;

/* preadv(2), pwritev(2). The vectors, 1024 at most, stay too. */
PAWL_API int pawl_file_readv(struct pawl_file_op *file, int fd, const struct iovec *vectors, int n,
                             int64_t offset) PAWL_NONNULL;
PAWL_API int pawl_file_writev(struct pawl_file_op *file, int fd, const struct iovec *vectors, int n,
                              int64_t offset) PAWL_NONNULL;

/* fsync(2), or fdatasync(2). */
PAWL_API int pawl_file_sync(struct pawl_file_op *file, int fd, bool data_only) PAWL_NONNULL;

/* fallocate(2). */
PAWL_API int pawl_file_allocate(struct pawl_file_op *file, int fd, int mode, int64_t offset, int64_t count)
    PAWL_NONNULL;

/* statx(2): of a path, or with "" and AT_EMPTY_PATH of the descriptor `folder`. `result` as in <sys/stat.h>. */
PAWL_API int pawl_file_stat(struct pawl_file_op *file, int folder, const char *path, int flags, unsigned mask,
                            struct statx *result) PAWL_NONNULL;

/* close(2). Never cancelled: it completes when the descriptor is closed. */
PAWL_API int pawl_file_close(struct pawl_file_op *file, int fd) PAWL_NONNULL;

/* ---- a file to a stream ---- */

/* The operation, and what it needs. */
struct pawl_send_file {
    struct pawl_op op; /* as above */
    /* the runtime's */
    struct pawl_file_op read;
    struct pawl_op flush;
    struct pawl_stream *stream;
    struct pawl_chunk *chunk;
    uint64_t left, sent;
    int64_t offset;
    int fd;
    bool direct, full;
};

/* Sends `count` bytes of a regular file from `offset` on, in pieces; the next one follows when the stream has taken the last.
 * Pieces of 256 KiB that are in memory go from the page cache to a socket without being copied (sendfile(2)): what the
 * file has there must not change before the peer has it. Others are read, 64 KiB each, and sent. Completes with the number of bytes, fewer if the file ends before, when the kernel has all of them; or
 * with a negative errno: of reading, of the stream's end, -ECANCELED, -ETIMEDOUT; some may have been sent then. What is
 * written to the stream meanwhile gets between the pieces. It completes before closed() is called. Returns 0;
 * -EINVAL (offset); -EPIPE, as pawl_stream_send(); -EBUSY: one is under way on the stream, or it moves; -ENOMEM;
 * epoll: -EAGAIN. On the stream's worker. */
PAWL_API int pawl_stream_send_file(struct pawl_stream *stream, struct pawl_send_file *send, int fd,
                                   int64_t offset, uint64_t count) PAWL_NONNULL;

PAWL_END_DECLS
#endif
