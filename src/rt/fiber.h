/* SPDX-License-Identifier: MIT */
/* Fibers, towards the other rooms of libpawl-rt. The contract is in <pawl/fiber.h>. */
#ifndef PAWL_RT_FIBER_H
#define PAWL_RT_FIBER_H

#include "message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_fiber;
struct pawl_op;
struct pawl_rt;
struct pawl_task;

/* A worker's. Zeroed memory is a good one. */
struct pawl_fiber_queue {
    struct pawl_fiber *current;           /* runs; NULL: the worker itself does */
    void *sp;                             /* the worker's stack, while a fiber runs */
    struct pawl_fiber *ready, *ready_end; /* may run, the first and the last */
    struct pawl_message message;          /* runs them; in the worker's queue if `scheduled` */
    bool scheduled;
    const void *stack_low; /* the sanitizers': the worker's stack, and its name */
    size_t stack_bytes;
    void *thread;
};

/* The fiber that runs on this thread; aborts if there is none. */
struct pawl_fiber *pawl_fiber_here_(const char *function);

/* The present fiber waits until pawl_fiber_resume_(), by its worker; the result is what that was given.
 * withdraw(fiber, object) is called by the worker when the fiber is cancelled: it sees to it that resume comes soon. NULL:
 * the wait cannot be ended. */
int64_t pawl_fiber_wait_(struct pawl_fiber *fiber, void (*withdraw)(struct pawl_fiber *fiber, void *object),
                         void *object);
void pawl_fiber_resume_(struct pawl_fiber *fiber, int64_t result);

/* The operation has completed for which this task waits: resumes it if it is a fiber in pawl_await(op), else wakes it.
 * `op` may be gone. By the operation's worker. */
void pawl_fiber_or_task_wake_(struct pawl_task *task, const struct pawl_op *op, int64_t result);

/* The fiber's worker: waits end there. */
struct pawl_worker *pawl_fiber_owner_(const struct pawl_fiber *fiber);

/* Gives back the stacks of a runtime, whose fibers have all ended. */
void pawl_fibers_close_(struct pawl_rt *rt);

#endif
