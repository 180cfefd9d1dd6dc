/* SPDX-License-Identifier: MIT */
/* Operations: their one completion. */
#include "engine.h"
#include "fiber.h"
#include "stream.h"
#include "worker.h"

#include <pawl/op.h>
#include <pawl/task.h>

#include <errno.h>

extern inline void pawl_op_init(struct pawl_op *op, void (*done)(struct pawl_op *op, int64_t result));
extern inline void pawl_op_wakes(struct pawl_op *op, struct pawl_task *task);
extern inline bool pawl_op_pending(const struct pawl_op *op);

/* Engines hold a list of operations whose result is known and whose done() is due: `ending`. */

static void finish(struct pawl_op *op, int64_t result)
{
    struct pawl_task *task = op->task;

    op->state = PAWL_OP_IDLE;
    op->result = result;
    op->task = NULL;
    op->next = NULL;
    op->target = NULL;
    op->withdraw = NULL;
    /* the operation may be begun anew or freed in done(), and by the task when it is woken */
    if (op->done != NULL)
        op->done(op, result);
    if (task != NULL)
        pawl_fiber_or_task_wake_(task, op, result);
}

static void disarm(struct pawl_op *op)
{
    if (op->deadline.link.next != NULL)
        pawl_wheel_del_(op->deadline.wheel, &op->deadline);
}

int pawl_op_begin_(struct pawl_op *op, struct pawl_engine *engine, void *target,
                   void (*withdraw)(struct pawl_op *op))
{
    if (op->state != PAWL_OP_IDLE)
        return -EBUSY;
    op->state = PAWL_OP_PENDING;
    op->engine = engine;
    op->target = target;
    op->withdraw = withdraw;
    op->flags = 0;
    op->next = NULL;
    op->deadline.link.next = NULL;
    return 0;
}

void pawl_op_complete_(struct pawl_op *op, int64_t result)
{
    disarm(op);
    finish(op, result);
}

/* The worker's queue has come to the operations that end. */
void pawl_ops_end_(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_io *io = pawl_mpsc_of(message, struct pawl_io, ending_message);
    struct pawl_op *op = io->ending;

    (void)worker;
    /* those that done() makes end come in the turn after */
    io->ending = NULL;
    io->ending_last = &io->ending;
    while (op != NULL) {
        struct pawl_op *next = op->next;

        finish(op, op->result);
        op = next;
    }
}

void pawl_op_complete_later_(struct pawl_op *op, int64_t result)
{
    struct pawl_io *io = &op->engine->io;

    disarm(op);
    op->state = PAWL_OP_ENDING;
    op->result = result;
    op->next = NULL;
    if (io->ending == NULL)
        pawl_worker_later_(op->engine->worker, &io->ending_message);
    *io->ending_last = op;
    io->ending_last = &op->next;
}

int pawl_op_begin(struct pawl_op *op, void *target, void (*withdraw)(struct pawl_op *op))
{
    struct pawl_worker *worker = pawl_worker_here_();

    if (worker == NULL)
        return -EPERM;
    return worker->engine->io.stopping ? -EPIPE : pawl_op_begin_(op, worker->engine, target, withdraw);
}

void pawl_op_end(struct pawl_op *op, int64_t result)
{
    pawl_op_complete_later_(op, result);
}

void pawl_op_complete(struct pawl_op *op, int64_t result)
{
    pawl_op_complete_(op, result);
}

int pawl_op_cancel(struct pawl_op *op)
{
    if (op->state == PAWL_OP_IDLE)
        return -EALREADY;
    if (op->state == PAWL_OP_PENDING && (op->flags & PAWL_OP_ASKS_) != 0) {
        op->flags |= PAWL_OP_CANCELLED_;
        op->withdraw(op);
    } else if (op->state == PAWL_OP_PENDING) {
        op->withdraw(op);
        pawl_op_complete_later_(op, -ECANCELED);
    }
    return 0;
}

int64_t pawl_op_verdict_(const struct pawl_op *op, int64_t result)
{
    if (result != -ECANCELED && result != -EINTR)
        return result;
    return (op->flags & PAWL_OP_LATE_) != 0 && (op->flags & PAWL_OP_CANCELLED_) == 0 ? -ETIMEDOUT
                                                                                     : -ECANCELED;
}

static void deadline_passed(struct pawl_timer *timer)
{
    struct pawl_op *op = pawl_timer_of(timer, struct pawl_op, deadline);

    op->flags |= PAWL_OP_LATE_;
    op->withdraw(op);
    if ((op->flags & PAWL_OP_ASKS_) == 0)
        finish(op, -ETIMEDOUT);
}

int pawl_op_deadline(struct pawl_op *op, uint64_t ns)
{
    if (op->state != PAWL_OP_PENDING)
        return -EALREADY;
    disarm(op);
    op->deadline.fire = deadline_passed;
    /* not from when the turn began, which may be long ago */
    pawl_wheel_add_(&op->engine->worker->wheel, &op->deadline, pawl_deadline(ns));
    return 0;
}
