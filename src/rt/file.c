/* SPDX-License-Identifier: MIT */
/* Files: the calls. What is done with them is the engine's. */
#include "file.h"

#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

enum { CALL_MAX = INT_MAX & ~4095 }; /* what the kernel reads or writes at once */

extern inline void pawl_file_init(struct pawl_file_op *file,
                                  void (*done)(struct pawl_op *op, int64_t result));

PAWL_STATIC_ASSERT(sizeof(struct pawl_source) <= sizeof(((struct pawl_file_op *)NULL)->inside.source),
                   "it holds a source");

static struct pawl_file_op *file_of(struct pawl_op *op)
{
    return pawl_op_of(op, struct pawl_file_op, op);
}

/* Only asks: the buffer is the kernel's until it answers. */
static void withdraw(struct pawl_op *op)
{
    struct pawl_file_op *file = file_of(op);

    if (file->call.kind != PAWL_FILE_CLOSE_)
        op->engine->class->file_cancel(op->engine, file);
}

static int begin(struct pawl_file_op *file, const struct pawl_file_call *call)
{
    struct pawl_worker *worker = pawl_worker_here_();
    int status;

    if (worker == NULL)
        return -EPERM;
    if (worker->engine->io.stopping)
        return -EPIPE;
    if (call->offset < PAWL_FILE_POSITION)
        return -EINVAL;
    status = pawl_op_begin_(&file->op, worker->engine, file, withdraw);
    if (status != 0)
        return status;
    file->op.flags |= PAWL_OP_ASKS_;
    file->call = *call;
    status = worker->engine->class->file(worker->engine, file);
    if (status != 0)
        file->op.state = PAWL_OP_IDLE;
    return status;
}

void pawl_file_landed_(struct pawl_file_op *file, int64_t result)
{
    pawl_op_complete_(&file->op, pawl_op_verdict_(&file->op, result));
}

int pawl_file_open(struct pawl_file_op *file, int folder, const char *path, int flags, mode_t mode)
{
    return begin(file, &(struct pawl_file_call){.kind = PAWL_FILE_OPEN_,
                                                .fd = folder,
                                                .path = path,
                                                .flags = (uint32_t)(flags | O_CLOEXEC),
                                                .mode = mode});
}

static int transfer(struct pawl_file_op *file, enum pawl_file_kind kind, int fd, const void *bytes,
                    size_t count, int64_t offset)
{
    return begin(file, &(struct pawl_file_call){.kind = kind,
                                                .fd = fd,
                                                .address = (void *)(uintptr_t)bytes,
                                                .count = count < CALL_MAX ? count : CALL_MAX,
                                                .offset = offset});
}

int pawl_file_read(struct pawl_file_op *file, int fd, void *bytes, size_t count, int64_t offset)
{
    return transfer(file, PAWL_FILE_READ_, fd, bytes, count, offset);
}

int pawl_file_write(struct pawl_file_op *file, int fd, const void *bytes, size_t count, int64_t offset)
{
    return transfer(file, PAWL_FILE_WRITE_, fd, bytes, count, offset);
}

int pawl_file_readv(struct pawl_file_op *file, int fd, const struct iovec *vectors, int n, int64_t offset)
{
    if (n < 0 || n > IOV_MAX)
        return -EINVAL;
    return transfer(file, PAWL_FILE_READV_, fd, vectors, (size_t)n, offset);
}

int pawl_file_writev(struct pawl_file_op *file, int fd, const struct iovec *vectors, int n, int64_t offset)
{
    if (n < 0 || n > IOV_MAX)
        return -EINVAL;
    return transfer(file, PAWL_FILE_WRITEV_, fd, vectors, (size_t)n, offset);
}

int pawl_file_sync(struct pawl_file_op *file, int fd, bool data_only)
{
    return begin(file,
                 &(struct pawl_file_call){.kind = PAWL_FILE_SYNC_, .fd = fd, .flags = data_only ? 1 : 0});
}

int pawl_file_allocate(struct pawl_file_op *file, int fd, int mode, int64_t offset, int64_t count)
{
    if (offset < 0 || count <= 0)
        return -EINVAL;
    return begin(file, &(struct pawl_file_call){.kind = PAWL_FILE_ALLOCATE_,
                                                .fd = fd,
                                                .flags = (uint32_t)mode,
                                                .offset = offset,
                                                .count = (uint64_t)count});
}

int pawl_file_stat(struct pawl_file_op *file, int folder, const char *path, int flags, unsigned mask,
                   struct statx *result)
{
    return begin(file, &(struct pawl_file_call){.kind = PAWL_FILE_STAT_,
                                                .fd = folder,
                                                .path = path,
                                                .flags = (uint32_t)flags,
                                                .mode = mask,
                                                .address = result});
}

int pawl_file_close(struct pawl_file_op *file, int fd)
{
    return begin(file, &(struct pawl_file_call){.kind = PAWL_FILE_CLOSE_, .fd = fd});
}
