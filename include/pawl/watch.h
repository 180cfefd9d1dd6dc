/* SPDX-License-Identifier: MIT */
/* Watches: edge-triggered readiness of any descriptor.
 *
 * Purpose    What the runtime has no call of its own for: descriptors of other libraries, eventfd, inotify, signalfd,
 *            pidfd. For sockets, pipes and terminals there is <pawl/stream.h>, which reads and writes itself.
 * Model      A watch calls its function on its worker when the descriptor *becomes* ready: once when it is started, if
 *            it is ready then, and whenever more has come since. Until reading or writing has said EAGAIN there may be
 *            no further call. After pawl_watch_stop() it is not called, not even for what had happened before.
 * Stale      Events of a descriptor that was stopped, closed, or reused by another watch, are dropped: each start has a
 *            generation of its own.
 * Threads    Started, stopped and called on one worker.
 * Progress   No function waits. Cost: a system call to start and to stop (io_uring: a submission), none an event.
 * Memory     80 bytes, the caller's; 16 a slot of the worker.
 */
#ifndef PAWL_WATCH_H
#define PAWL_WATCH_H

#include <pawl/config.h>
#include <pawl/op.h>
#include <stdbool.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* Idle when zeroed. */
struct pawl_watch {
    void (*ready)(struct pawl_watch *watch, uint32_t events); /* the caller's: what has come, as of poll(2) */
    /* Instead of the last call, if the runtime closes while it is started: it is idle. May be NULL. */
    void (*stopped)(struct pawl_watch *watch);
    /* the runtime's: a struct pawl_source */
    union {
        void *align;
        char source[40];
    } inside;
    struct pawl_op *op; /* of pawl_watch_once() */
    bool started;
};

/* Starts an idle watch on this worker, for EPOLLIN, EPOLLOUT, ... of <sys/epoll.h>; errors and hang-ups are always told.
 * The descriptor is the caller's and stays open until the watch is stopped. Returns 0; -EPERM (not on a worker, or the
 * descriptor cannot be waited for, as a regular file), -EBUSY (started), -EEXIST (this worker watches the descriptor
 * already; epoll), -EBADF, -ENOMEM, -EPIPE (the runtime closes). */
PAWL_API int pawl_watch_start(struct pawl_watch *watch, int fd, uint32_t events) PAWL_NONNULL;

/* Idle afterwards: it may be started again, or freed. Nothing if it is idle. On its worker. */
PAWL_API void pawl_watch_stop(struct pawl_watch *watch) PAWL_NONNULL;

/* The operation completes when the descriptor is ready for `events`, with what it is ready for. Returns 0, or as
 * pawl_watch_start(). On a worker. `watch` is idle, and is the operation's until that completes. */
PAWL_API int pawl_watch_once(struct pawl_watch *watch, struct pawl_op *op, int fd, uint32_t events)
    PAWL_NONNULL;

PAWL_END_DECLS
#endif
