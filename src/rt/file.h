/* SPDX-License-Identifier: MIT */
/* Operations on files, towards the engines. The contract is in <pawl/file.h>. */
#ifndef PAWL_RT_FILE_H
#define PAWL_RT_FILE_H

#include "engine.h"
#include "stream.h"

#include <pawl/file.h>

/* call.kind */
enum pawl_file_kind {
    PAWL_FILE_OPEN_,
    PAWL_FILE_READ_,
    PAWL_FILE_WRITE_,
    PAWL_FILE_READV_,
    PAWL_FILE_WRITEV_,
    PAWL_FILE_SYNC_,
    PAWL_FILE_ALLOCATE_,
    PAWL_FILE_STAT_,
    PAWL_FILE_CLOSE_,
};

/* It has ended, with what the kernel says: completes it, in an event. It may be gone afterwards. */
void pawl_file_landed_(struct pawl_file_op *file, int64_t result);

/* file_pool.c: the engine that has no calls of its own for files. */
int pawl_file_pool_(struct pawl_engine *engine, struct pawl_file_op *file);
void pawl_file_pool_cancel_(struct pawl_engine *engine, struct pawl_file_op *file);

/* uring_file.c */
int pawl_uring_file_(struct pawl_engine *engine, struct pawl_file_op *file);
void pawl_uring_file_cancel_(struct pawl_engine *engine, struct pawl_file_op *file);
void pawl_uring_file_came_(struct pawl_source *source, int result);

#endif
