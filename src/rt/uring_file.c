/* SPDX-License-Identifier: MIT */
/* The io_uring engine: files. */
#include "file.h"
#include "uring.h"

#include <errno.h>
#include <string.h>

static struct pawl_source *source_of(struct pawl_file_op *file)
{
    return (struct pawl_source *)(void *)&file->inside.source;
}

static struct pawl_file_op *file_of(struct pawl_source *source)
{
    return (struct pawl_file_op *)(void *)((char *)source - offsetof(struct pawl_file_op, inside.source));
}

static void source_stop(struct pawl_source *source)
{
    (void)pawl_op_cancel(&file_of(source)->op);
}

static void prepare(struct io_uring_sqe *sqe, const struct pawl_file_call *call)
{
    uint64_t offset = (uint64_t)call->offset; /* -1: the file's position, for the kernel too */

    switch ((enum pawl_file_kind)call->kind) {
    case PAWL_FILE_OPEN_:
        io_uring_prep_openat(sqe, call->fd, call->path, (int)call->flags, call->mode);
        break;
    case PAWL_FILE_READ_:
        io_uring_prep_read(sqe, call->fd, call->address, (unsigned)call->count, offset);
        break;
    case PAWL_FILE_WRITE_:
        io_uring_prep_write(sqe, call->fd, call->address, (unsigned)call->count, offset);
        break;
    case PAWL_FILE_READV_:
        io_uring_prep_readv(sqe, call->fd, call->address, (unsigned)call->count, offset);
        break;
    case PAWL_FILE_WRITEV_:
        io_uring_prep_writev(sqe, call->fd, call->address, (unsigned)call->count, offset);
        break;
    case PAWL_FILE_SYNC_:
        io_uring_prep_fsync(sqe, call->fd, call->flags != 0 ? IORING_FSYNC_DATASYNC : 0);
        break;
    case PAWL_FILE_ALLOCATE_:
        io_uring_prep_fallocate(sqe, call->fd, (int)call->flags, call->offset, (off_t)call->count);
        break;
    case PAWL_FILE_STAT_:
        io_uring_prep_statx(sqe, call->fd, call->path, (int)call->flags, call->mode, call->address);
        break;
    case PAWL_FILE_CLOSE_:
        io_uring_prep_close(sqe, call->fd);
        break;
    }
}

int pawl_uring_file_(struct pawl_engine *engine, struct pawl_file_op *file)
{
    struct pawl_source *source = source_of(file);
    struct io_uring_sqe *sqe;
    int status;

    memset(source, 0, sizeof *source);
    source->stop = source_stop;
    source->fd = file->call.fd;
    status = pawl_slot_take_(engine, source);
    if (status != 0)
        return status;
    sqe = pawl_uring_sqe_(uring_of_(engine));
    prepare(sqe, &file->call);
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(source, PAWL_VERB_FILE));
    return 0;
}

void pawl_uring_file_cancel_(struct pawl_engine *engine, struct pawl_file_op *file)
{
    struct io_uring_sqe *sqe = pawl_uring_sqe_(uring_of_(engine));

    io_uring_prep_cancel64(sqe, pawl_slot_key_(source_of(file), PAWL_VERB_FILE), 0);
    io_uring_sqe_set_data64(sqe, PAWL_VERB_CANCEL);
}

void pawl_uring_file_came_(struct pawl_source *source, int result)
{
    pawl_slot_give_(source);
    pawl_file_landed_(file_of(source), result);
}
