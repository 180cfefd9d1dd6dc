/* SPDX-License-Identifier: MIT */
/* Built without liburing: the io_uring engine is not to be had. */
#include "engine.h"
#include "stream.h"

#include <errno.h>

static int uring_open(struct pawl_engine **out, struct pawl_worker *worker)
{
    (void)out;
    (void)worker;
    return -ENOSYS;
}

const struct pawl_engine_class pawl_engine_uring_ = {.name = "uring", .open = uring_open};

/* No stream has anything of io_uring. */
void pawl_uring_forget_(struct pawl_stream *stream)
{
    (void)stream;
}
