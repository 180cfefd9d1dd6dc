/* SPDX-License-Identifier: MIT */
/* Calls that block: a bounded pool of threads beside the workers.
 *
 * Purpose    What waits in the kernel and has no asynchronous form: name resolution by libc, files on slow disks, a library
 *            that does its own reading. A worker that makes such a call serves nobody meanwhile. Not for
 *            computing: that is a task's.
 * Model      A `struct pawl_job` lies in the caller's memory. pawl_block() queues a call; some thread of the pool makes it,
 *            the oldest first; then done() is called with its result, exactly once: on the worker that queued
 *            it, or on the pool's thread if no worker did. A job that no thread has taken yet can be cancelled: it
 *            completes with -ECANCELED, on a worker. One that runs cannot be stopped.
 *            A thread is started when a job comes and none is idle, up to the limit of the runtime's configuration
 *            (block_threads, 64); it ends when it has been idle for ten seconds. At most block_queue
 *            jobs (1024) wait.
 * Closing    pawl_rt_close() cancels what has not begun and waits for what has; so neither a call nor its done() may close.
 * Progress   pawl_block, pawl_block_cancel: a short lock; starting a thread is a system call.
 * Ordering   J: pawl_block happens before the call, the call before done().
 * Threads    Those of the pool have all signals blocked.
 * Memory     112 bytes a job, the caller's; a thread's stack for each thread.
 * Cost       docs/fiber.md. A job that finds a thread idle: a lock and a wake-up there, a message back.
 * Checked    tests/rt/fiber/check_pool.c: a job against a thread that goes idle, or ends.
 */
#ifndef PAWL_BLOCK_H
#define PAWL_BLOCK_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/rt.h>
#include <pawl/task.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_fiber;
struct pawl_worker;

struct pawl_job {
    /* The caller's. NULL: the result is looked at by the task. */
    void (*done)(struct pawl_job *job, int64_t result);
    struct pawl_task *task; /* woken after done(), or NULL; then done() must not free the job */
    int64_t result;         /* when it has completed */
    /* the runtime's */
    struct pawl_job_call {
        int64_t (*fn)(void *arg);
        void *arg;
        struct pawl_rt *rt;
        struct pawl_worker *worker; /* done() runs there; NULL: in the pool */
        struct pawl_fiber *fiber;   /* resumed there */
    } call;
    struct pawl_job *next, *prev;
    uint64_t message[3];         /* a struct pawl_message */
    PAWL_ATOMIC(uint32_t) state; /* changed under the pool's lock */
    uint32_t reserved;
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_job) == 112, "as the header says");

/* The object that a `struct pawl_job *` is the `member` of. */
#define pawl_job_of(job, type, member) ((type *)(void *)((char *)(job)-offsetof(type, member)))

/* An idle job. Zeroed memory with `done` set is one. */
PAWL_API void pawl_job_init(struct pawl_job *job, void (*done)(struct pawl_job *job, int64_t result))
    __attribute__((nonnull(1)));

/* Queues fn(arg). Returns 0: done() will be called; -EAGAIN: too many wait already, or no thread could be started;
 * -ENOMEM; -EBUSY: the job has not completed; -EPIPE: the runtime closes; -ECHILD: in a child of fork(). Any thread. */
PAWL_API int pawl_block(struct pawl_rt *rt, struct pawl_job *job, int64_t (*fn)(void *arg), void *arg)
    __attribute__((nonnull(1, 2, 3)));

/* Returns 0: it completes with -ECANCELED, not inside this call; -EBUSY: a thread has it, it completes with its
 * result; -EALREADY: it is idle, or cancelled; -ECHILD: it had not completed when the process forked, and this is the
 * child. Its runtime may be closing, or closed: then the job is idle. Any thread. */
PAWL_API int pawl_block_cancel(struct pawl_job *job) PAWL_NONNULL;

/* By a fiber: queues fn(arg) and waits for *result. Returns 0; -ECANCELED: the fiber was cancelled before a thread took
 * it; -EAGAIN, -ENOMEM. */
PAWL_API int pawl_block_await(int64_t (*fn)(void *arg), void *arg, int64_t *result) PAWL_MUST_USE
    __attribute__((nonnull(1, 3)));

PAWL_END_DECLS
#endif
