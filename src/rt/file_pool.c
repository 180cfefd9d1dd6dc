/* SPDX-License-Identifier: MIT */
/* Files, for an engine without calls for them: by the runtime's pool of threads.
 *
 * Most reads of most programs find their bytes in the page cache. Those are made on the worker, with RWF_NOWAIT: the
 * kernel copies what is there and says EAGAIN instead of waiting for a disk. */
#include "file.h"

#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { AT_ONCE_MAX = 256 << 10 }; /* bytes: a worker copies no more in one go */

static int64_t transfer(const struct pawl_file_call *call)
{
    struct iovec one = {.iov_base = call->address, .iov_len = call->count};
    bool several = call->kind == PAWL_FILE_READV_ || call->kind == PAWL_FILE_WRITEV_;
    const struct iovec *vectors = several ? call->address : &one;
    int n = several ? (int)call->count : 1;

    if (call->kind == PAWL_FILE_READ_ || call->kind == PAWL_FILE_READV_)
        return preadv2(call->fd, vectors, n, call->offset, 0);
    return pwritev2(call->fd, vectors, n, call->offset, 0);
}

static int64_t perform(const struct pawl_file_call *call)
{
    switch ((enum pawl_file_kind)call->kind) {
    case PAWL_FILE_OPEN_:
        return openat(call->fd, call->path, (int)call->flags, call->mode);
    case PAWL_FILE_SYNC_:
        return call->flags != 0 ? fdatasync(call->fd) : fsync(call->fd);
    case PAWL_FILE_ALLOCATE_:
        return fallocate(call->fd, (int)call->flags, call->offset, (off_t)call->count);
    case PAWL_FILE_STAT_:
        return statx(call->fd, call->path, (int)call->flags, call->mode, call->address);
    case PAWL_FILE_CLOSE_:
        return close(call->fd);
    default:
        return transfer(call);
    }
}

/* By a thread of the pool. */
static int64_t run(void *arg)
{
    const struct pawl_file_op *file = arg;
    int64_t result = perform(&file->call);

    return result < 0 ? -errno : result;
}

/* On the worker. `mode`: the bytes that were read at once, before a thread was asked for the rest. */
static void done(struct pawl_job *job, int64_t result)
{
    struct pawl_file_op *file = (struct pawl_file_op *)(void *)((char *)job -
                                                                offsetof(struct pawl_file_op, inside.job));
    int64_t before = file->call.kind == PAWL_FILE_READ_ ? file->call.mode : 0;

    if (before != 0)
        result = result > 0 ? result + before : before;
    pawl_file_landed_(file, result);
}

/* Whether all of it was there. */
static bool read_at_once(struct pawl_file_op *file)
{
    struct pawl_file_call *call = &file->call;
    struct iovec vector = {.iov_base = call->address, .iov_len = call->count};
    ssize_t n = preadv2(call->fd, &vector, 1, call->offset, RWF_NOWAIT);

    if (n < 0)
        return false; /* what is wrong is said by the pool's call */
    if (n == 0 || (uint64_t)n == call->count) {
        pawl_op_complete_later_(&file->op, n);
        return true;
    }
    /* a part: the end of the file, or of what is in the cache */
    call->address = (char *)call->address + n;
    call->count -= (uint64_t)n;
    call->offset = call->offset == PAWL_FILE_POSITION ? call->offset : call->offset + n;
    call->mode = (uint32_t)n;
    return false;
}

int pawl_file_pool_(struct pawl_engine *engine, struct pawl_file_op *file)
{
    int status;

    if (file->call.kind == PAWL_FILE_READ_ && file->call.count <= AT_ONCE_MAX && read_at_once(file))
        return 0;
    pawl_job_init(&file->inside.job, done);
    status = pawl_block(engine->worker->rt, &file->inside.job, run, file);
    if (status != 0 && file->call.kind == PAWL_FILE_READ_ && file->call.mode != 0) {
        pawl_op_complete_later_(&file->op, file->call.mode); /* these bytes are there: a short read */
        return 0;
    }
    return status;
}

void pawl_file_pool_cancel_(struct pawl_engine *engine, struct pawl_file_op *file)
{
    (void)engine;
    (void)pawl_block_cancel(&file->inside.job); /* refused: a thread is at it, and its result comes */
}
