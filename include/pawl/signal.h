/* SPDX-License-Identifier: MIT */
/* Signals: a continuation on a worker instead of a handler that may do nothing.
 *
 * Purpose    SIGHUP to read the configuration again, SIGTERM to end, SIGUSR1 for a report, SIGWINCH, ... For children
 *            there is <pawl/child.h>, which needs no SIGCHLD.
 * Model      pawl_signal_start() on a worker; each time the signal comes, caught(signal, count) is called there, with
 *            how often the handler ran since the last call. Signals coalesce in the kernel as always (an ordinary one
 *            that is pending already is not pended twice), and a storm of them becomes one call a turn here.
 *            Any number of listeners, of any runtimes, may wait for one signal: all are told.
 *            pawl_signal_stop() ends one: caught() is not called any more, stopped() is, last, in a later turn, after
 *            which the structure is idle. So it is when the runtime closes.
 * Why a handler, and no signalfd    A signalfd hears only what every thread of the process blocks, those of other
 *            libraries too, and each signal is read by one of the descriptors only; the blocked mask is inherited by what
 *            the process executes. The handler here runs on whichever thread the kernel takes, in any of them, adds
 *            one to a count and wakes a worker (<pawl/event.h>). It has SA_RESTART and SA_ONSTACK.
 * The program's own handler    of that signal, or its being ignored, rests from the first start to the last stop, and
 *            is there again afterwards, unless the program has installed another one meanwhile.
 * Not        SIGKILL, SIGSTOP; SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT: what raised
 *            them cannot go on when a handler has returned.
 * Blocked    A signal that all threads block, or that is sent to one which blocks it, waits, as always: workers have the mask
 *            of the thread that opened the runtime.
 * Threads    Started and stopped on one worker, which the continuations run on.
 * Progress   start, stop: a short lock, two system calls for the first and last of a signal. The handler: wait-free.
 * fork       In a child the program's own handlers are there again, and the listeners are nobody's.
 * Memory     184 bytes, the caller's; 16 a slot of the worker. stopped() comes after a grace period of <pawl/rcu.h>: a
 *            handler that runs on another thread may have it until then.
 * ThreadSanitizer    puts handlers off until the thread that was interrupted makes a call it knows: a signal that
 *            hits a thread which sleeps in the runtime may come late there, in such a build.
 */
#ifndef PAWL_SIGNAL_H
#define PAWL_SIGNAL_H

#include <pawl/event.h>
#include <pawl/reclaim.h>

PAWL_BEGIN_DECLS

/* Idle when zeroed. */
struct pawl_signal {
    void (*caught)(struct pawl_signal *signal, uint64_t count); /* the caller's */
    void (*stopped)(struct pawl_signal *signal);                /* the caller's; may be NULL */
    /* the runtime's */
    PAWL_ATOMIC(struct pawl_signal *) next; /* N: of the same number */
    struct pawl_retired retired;
    struct pawl_worker *worker;
    uint64_t message[3]; /* a struct pawl_message */
    int number;          /* 0: idle */
    uint32_t reserved;
    struct pawl_event event;
};

/* The object that a `struct pawl_signal *` is the `member` of. */
#define pawl_signal_of(signal, type, member) ((type *)(void *)((char *)(signal)-offsetof(type, member)))

/* Starts an idle one on this worker. Returns 0; -EPERM (not on a worker), -EINVAL (see Not), -EBUSY (started), -ENOMEM,
 * -EPIPE (the runtime closes). */
PAWL_API int pawl_signal_start(struct pawl_signal *signal, int number) PAWL_NONNULL;

/* Ends it; stopped() will be called. Nothing if it is idle or ends already. On its worker, in caught() too. */
PAWL_API void pawl_signal_stop(struct pawl_signal *signal) PAWL_NONNULL;

PAWL_END_DECLS
#endif
