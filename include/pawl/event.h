/* SPDX-License-Identifier: MIT */
/* User events: any thread, or a signal handler, tells a worker that something has happened.
 *
 * Purpose    The way into the runtime for what is not a descriptor: a thread of another library has a result, a queue
 *            has become non-empty, a handler has run. To run a function of its own for each message take a task
 *            (<pawl/task.h>); to pass data, a queue (<pawl/mpsc.h>) with an event beside it.
 * Model      pawl_event_start() on a worker makes an idle event; pawl_event_raise() counts one up; the worker calls
 *            raised(event, count) with how many raises there were since the last call. However many there are before the
 *            worker comes to it, it is called once, and no raise is forgotten: the counts add up.
 *            pawl_event_stop() ends it: raised() is not called any more, stopped() is, last, in a later turn, after
 *            which the event is idle. So it is when the runtime closes.
 * Progress   raise: wait-free, and a push to the worker's inbox by the first of those that coalesce (and a system call
 *            if it sleeps). start, stop: wait-free but for the memory of a slot.
 * Ordering   E: a raise releases, the call of raised() that counts it acquires: what the raiser wrote before is seen.
 * Threads    Started and stopped on one worker, which the continuations run on. Raised anywhere.
 * Signals    raise may be called from signal handlers, on workers too; it keeps errno.
 * fork       In a child a raise does nothing.
 * Memory     104 bytes, the caller's; 16 a slot of the worker. The event must stay until stopped() is called *and*
 *            whoever may raise it has stopped: the runtime cannot know your raisers.
 * Cost       raise: one atomic read-modify-write if one is under way already, else three, a fence, and perhaps the
 *            wake. raised: one.
 * Checked    tests/rt/io/check_event.c.
 */
#ifndef PAWL_EVENT_H
#define PAWL_EVENT_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* Idle when zeroed. */
struct pawl_event {
    void (*raised)(struct pawl_event *event, uint64_t count); /* the caller's */
    void (*stopped)(struct pawl_event *event);                /* the caller's; may be NULL */
    /* the runtime's */
    PAWL_ATOMIC(uint64_t)
    count; /* E: raises that raised() was not told of; the last bit: nobody is to be told */
    struct pawl_worker *worker; /* NULL: idle */
    uint64_t message[3];        /* a struct pawl_message */
    union {
        void *align;
        char source[40];
    } inside; /* a struct pawl_source */
    uint32_t ending, reserved;
};

/* The object that a `struct pawl_event *` is the `member` of. */
#define pawl_event_of(event, type, member) ((type *)(void *)((char *)(event)-offsetof(type, member)))

/* Starts an idle event on this worker. Returns 0; -EPERM (not on a worker), -EBUSY (started), -ENOMEM, -EPIPE (the
 * runtime closes). */
PAWL_API int pawl_event_start(struct pawl_event *event) PAWL_NONNULL;

/* Counts one. Returns 0; -EALREADY: it is being stopped, nobody will be told. Of an event that has been started. Any
 * thread, signal handlers. */
PAWL_API int pawl_event_raise(struct pawl_event *event) PAWL_NONNULL;

/* Ends it; stopped() will be called. Nothing if it is idle or ends already. On its worker, in raised() too. */
PAWL_API void pawl_event_stop(struct pawl_event *event) PAWL_NONNULL;

PAWL_END_DECLS
#endif
