/* SPDX-License-Identifier: MIT */
/* The io_uring engine: the ends of children, of which Linux 6.7 and later tell through a ring. */
#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

enum {
    WAITID = 50,        /* IORING_OP_WAITID, which older headers do not name */
    CHILDREN_MOST = 64, /* of a worker: whenever a child ends the kernel looks at all waits of the process */
};

static bool kernel_waits(struct uring_engine *self)
{
    struct io_uring_probe *probe;

    if (self->waits == URING_MAY_WAIT) {
        probe = io_uring_get_probe_ring(&self->ring);
        self->waits = probe != NULL && io_uring_opcode_supported(probe, WAITID) != 0 ? URING_WAITS
                                                                                     : URING_WAITS_NOT;
        if (probe != NULL)
            io_uring_free_probe(probe);
    }
    return self->waits == URING_WAITS;
}

int pawl_uring_watch_child_(struct pawl_engine *engine, struct pawl_source *source)
{
    struct uring_engine *self = uring_of_(engine);
    struct io_uring_sqe *sqe;

    if (self->children >= CHILDREN_MOST || !kernel_waits(self))
        return -ENOSYS;
    self->children++;
    sqe = pawl_uring_sqe_(self);
    memset(sqe, 0, sizeof *sqe);
    sqe->opcode = WAITID;
    sqe->len = P_PID;
    sqe->fd = (int)source->events;
    sqe->file_index = WEXITED | WNOWAIT; /* who asks takes the status */
    io_uring_sqe_set_data64(sqe, pawl_slot_key_(source, PAWL_VERB_CHILD));
    return 0;
}

void pawl_uring_unwatch_child_(struct uring_engine *self, struct pawl_source *source)
{
    struct io_uring_sqe *sqe;

    self->children--;
    if (source->unarmed) /* it has been answered: nothing to take back */
        return;
    sqe = pawl_uring_sqe_(self);
    io_uring_prep_cancel64(sqe, pawl_slot_key_(source, PAWL_VERB_CHILD), 0);
    io_uring_sqe_set_data64(sqe, PAWL_VERB_CANCEL);
}

/* Others than -ECHILD, as -ENOMEM: not in this way. */
void pawl_uring_child_came_(struct pawl_source *source, int result)
{
    source->unarmed = true;
    source->ready(source, result == 0 ? EPOLLIN : result == -ECHILD ? EPOLLHUP : EPOLLERR);
}
