/* SPDX-License-Identifier: MIT */
/* Timers: a hierarchical wheel on every worker, arming and cancelling at a cost that does not grow.
 *
 * Purpose    Timeouts, of which there are as many as connections, nearly all of which are cancelled or put off before
 *            they pass; and what is to be done every so often. `struct pawl_timer` belongs to the worker that starts
 *            it: no lock, no atomic instruction. What threads share, or what moves between workers as tasks do, takes
 *            a `struct pawl_alarm`. Not for pacing below a millisecond.
 * Model      A timer is idle or armed. Armed with a deadline it fires once when the deadline has passed: it is idle
 *            first, then its function runs on the worker, which may start it again, free it, and start and cancel any
 *            other timer of the worker. Started while it is armed it is moved. Cancelled it does not fire.
 *            A timer never fires before its deadline. It fires in the first turn of the worker after the
 *            millisecond that follows it. Timers of different milliseconds fire in the order of their deadlines, those
 *            of one millisecond in any order.
 *            With slack the deadline may be put off by so much, to a moment that many timers share: fewer wake-ups,
 *            and less work, as timers that end at round moments go through fewer levels. This is the coarse class:
 *            a slack of a second for the timeouts of a million idle connections.
 *            Periodic: fires at the first deadline and at whole periods after it, without drift. Periods that were
 *            missed because the worker was late are left out, not made good for.
 * Progress   start, cancel: constant time, no system call. Firing: the worker does a bounded amount of work on timers
 *            in a turn, and goes on with what is left in the next, so that a million timers of one moment do not hold
 *            up input and output.
 * Idle       The worker sleeps until the earliest deadline; there is no periodic tick. A cancelled timer wakes nobody. One
 *            that was put off while armed may wake the worker where it stood before: once, however often it was.
 * Alarms     An alarm is started and cancelled by any thread. It completes exactly once for each start: done() runs on
 *            the worker that the alarm was given to, with 0 (the deadline has passed), or -ECANCELED (cancelled, or
 *            the runtime closes). Until then the structure must stay. pawl_alarm_cancel() says which of both it will
 *            be: who is told 0 has won against the deadline.
 * Closing    When the runtime closes, timers that are armed become idle without a call; alarms complete.
 * Ordering   A timer's function runs on the worker that armed it: no ordering is needed. An alarm's:
 *            S: start and a cancel that succeeds happen before done().
 *            D: a completion releases; a start that finds the alarm idle acquires.
 * Memory     48 bytes a timer, 104 an alarm, in the caller's own structures; nothing is allocated. The wheel has 8 KiB.
 * Cost       docs/timer.md. start and cancel write the timer, one neighbour or two, and a word of a
 *            bitmap. A start of one that is armed, to the same moment or later, writes the timer alone. An alarm's start and cancel from another thread: a message to the worker each.
 * Checked    tests/rt/timer/test_wheel.c: against a sorted list; check_alarm.c: cancel against fire.
 * Source     G. Varghese, A. Lauck, "Hashed and hierarchical timing wheels", 1987: scheme 7, with eight levels of 64
 *            slots, and a bitmap for each so that empty time costs nothing.
 */
#ifndef PAWL_TIMER_H
#define PAWL_TIMER_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_rt;
struct pawl_wheel;
struct pawl_worker;

/* In a slot of the wheel, between its neighbours. */
struct pawl_timer_link {
    struct pawl_timer_link *next, *prev;
};

struct pawl_timer {
    struct pawl_timer_link link;            /* next is NULL: idle */
    uint64_t tick;                          /* the millisecond in which it fires, of CLOCK_MONOTONIC */
    void (*fire)(struct pawl_timer *timer); /* the caller's */
    struct pawl_wheel *wheel;               /* where it is armed */
    uint32_t period_ms;                     /* 0: once */
    uint32_t reserved;
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_timer) == 48, "as the header says");

/* The object that a `struct pawl_timer *` is the `member` of. */
#define pawl_timer_of(timer, type, member) ((type *)(void *)((char *)(timer)-offsetof(type, member)))

/* An idle timer. Zeroed memory with `fire` set is one. */
PAWL_API void pawl_timer_init(struct pawl_timer *timer, void (*fire)(struct pawl_timer *timer)) PAWL_NONNULL;

/* The functions of timers are called on a worker, and on none but the one that armed the timer: they abort elsewhere.
 * Deadlines are nanoseconds of CLOCK_MONOTONIC: pawl_deadline(ns from now), PAWL_FOREVER, of <pawl/park.h>. */

/* Arms the timer, or moves it. A deadline in the past fires in the next turn. */
PAWL_API void pawl_timer_start(struct pawl_timer *timer, uint64_t deadline) PAWL_NONNULL;

/* The same, `ns` after the beginning of the worker's present turn, which saves a look at the clock. A turn takes as long
 * as what runs in it: where it matters, pawl_timer_start(timer, pawl_deadline(ns)). */
PAWL_API void pawl_timer_after(struct pawl_timer *timer, uint64_t ns) PAWL_NONNULL;

/* The same as start, with up to `slack` nanoseconds more. */
PAWL_API void pawl_timer_start_coarse(struct pawl_timer *timer, uint64_t deadline, uint64_t slack)
    PAWL_NONNULL;

/* Fires at `first`, and every `period` nanoseconds from then on, until it is cancelled or started otherwise. Rounded up
 * to whole milliseconds, of which there are 2^32 - 1 at most. */
PAWL_API void pawl_timer_every(struct pawl_timer *timer, uint64_t first, uint64_t period) PAWL_NONNULL;

/* Disarms it: it does not fire. Returns 0, or -EALREADY: it was idle, which it is when it has fired. */
PAWL_API int pawl_timer_cancel(struct pawl_timer *timer) PAWL_NONNULL;

/* By its worker. */
PAWL_API PAWL_INLINE bool pawl_timer_armed(const struct pawl_timer *timer)
{
    return timer->link.next != NULL;
}

/* ---- for more than one thread ---- */

struct pawl_alarm {
    void (*done)(struct pawl_alarm *alarm, int status); /* the caller's */
    /* the runtime's */
    PAWL_ATOMIC(uint32_t) state; /* S, D */
    uint32_t reserved;
    uint64_t deadline;
    struct pawl_worker *worker;
    struct pawl_timer timer;
    uint64_t message[3]; /* a struct pawl_message */
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_alarm) == 104, "as the header says");

/* The object that a `struct pawl_alarm *` is the `member` of. */
#define pawl_alarm_of(alarm, type, member) ((type *)(void *)((char *)(alarm)-offsetof(type, member)))

/* An idle alarm. done() may start it again, or free it. */
PAWL_API void pawl_alarm_init(struct pawl_alarm *alarm, void (*done)(struct pawl_alarm *alarm, int status))
    PAWL_NONNULL;

/* Starts an idle alarm, on the calling worker if it is one of this runtime, else on some worker. Returns 0; -EBUSY: it
 * has not completed; -EPIPE: the runtime closes; -ECHILD: in a child of fork(). Any thread. */
PAWL_API int pawl_alarm_start(struct pawl_rt *rt, struct pawl_alarm *alarm, uint64_t deadline) PAWL_NONNULL;

/* Returns 0: it completes with -ECANCELED, in a later turn of its worker; -EALREADY: it is idle, was cancelled already,
 * or done() has begun or is about to. Any thread. */
PAWL_API int pawl_alarm_cancel(struct pawl_alarm *alarm) PAWL_NONNULL;

PAWL_END_DECLS
#endif
