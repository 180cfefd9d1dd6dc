/* SPDX-License-Identifier: MIT */
/* Waiting without spinning: a token that one thread parks on, and an eventcount for conditions.
 *
 * Purpose    The floor under every call that blocks. `struct pawl_parker` when the waker knows whom it wakes (a
 *            queue of waiters, a join, a grace period). `struct pawl_eventcount` when threads wait until a
 *            condition over atomic variables holds ("the queue is not empty"), and the thread that makes it
 *            true should pay nothing while nobody sleeps. pawl_futex_wait and _wake for locks that bring
 *            a word of their own. Not for waiting on file descriptors.
 * Model      Parker: a token that is there or not. unpark puts it there (twice is once), park waits for it
 *            and takes it. One thread parks at a time; any number unpark.
 *            Eventcount: a notification counts for every thread that has prepared before it.
 *
 *              waiter                                       notifier
 *              ticket = pawl_eventcount_prepare(ec)         make the condition true (atomic store)
 *              condition holds?  yes: _cancel(ec)           pawl_eventcount_notify(ec)
 *                                no:  _wait(ec, ticket)
 *              look at the condition again
 *
 *            Either the waiter's look comes after the store and sees it, or the notification comes after
 *            the prepare and ends the wait. It cannot be missed.
 * Progress   unpark, notify, prepare, cancel: wait-free (a system call where somebody sleeps). park, wait:
 *            blocking, until the token or a notification comes, or the deadline passes.
 * Spurious   park returns 0 only with the token in its hand. _wait returns 0 only after a notification that came
 *            after the ticket, but the condition may be false again: look. pawl_futex_wait may return 0
 *            at any time. Signals end none of these waits (EINTR is taken care of) and do not
 *            lengthen a deadline.
 * Ordering   U: unpark releases, the park that takes the token acquires: what any unparker did before is
 *            visible to it, also when several unparks made one token.
 *            N: notify releases, a wait that it ends acquires.
 *            F: seq_cst fences in prepare and in notify, which forbid that the waiter's look misses the
 *            notifier's store *and* the notifier misses the waiter (the outcome 0/0 of store buffering).
 * Deadlines  Nanoseconds of CLOCK_MONOTONIC, absolute: pawl_deadline(ns from now), or PAWL_FOREVER.
 *            One that has passed makes the call look once and return -ETIMEDOUT.
 * Signals    unpark, notify and pawl_futex_wake may be called from signal handlers and leave errno alone.
 * fork       The child's copies of private parkers and eventcounts are its own: nobody sleeps on them,
 *            tokens stay where they were. Waiters that the parent's other threads had
 *            announced stay counted in the child's eventcounts, where they cost a system call a notification
 *            until init is called again. Shared ones in shared memory serve parent and child alike.
 * Memory     8 and 16 bytes, no pointers. PAWL_SHARED: several processes may use it, mapped anywhere. A process killed
 *            inside prepare .. wait leaves itself counted: later notifications make a system call.
 *            A parker may be freed when park has returned with the token of the last unpark, even from the
 *            parking thread's stack: unpark may afterwards still name its address to the kernel, which reads
 *            nothing there (at worst somebody's later futex there wakes spuriously). An eventcount not
 *            before every notify has returned: a waiter may see the condition before the notification.
 * Limits     A thread that is stopped between prepare and wait while exactly a multiple of 2^32 notifications
 *            find waiters, and none follows, sleeps too long. 2^32 - 1 threads may wait.
 * Cost       unpark: one RMW, and a system call if the thread sleeps. park with the token there: one RMW. notify
 *            with nobody waiting: one fence and one load of a line that is then shared. prepare and
 *            cancel: one RMW each. wait: a system call and one RMW.
 * Source     Linux futex(2); L. Fallahi et al., folly EventCount after D. Vyukov's eventcount; parker after
 *            Java's LockSupport.
 */
#ifndef PAWL_PARK_H
#define PAWL_PARK_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* A deadline that never comes. */
#define PAWL_FOREVER UINT64_MAX

/* For `flags` of the init functions, and of pawl_futex_wait and _wake. */
enum pawl_park_flags {
    PAWL_PRIVATE = 0, /* threads of one process */
    PAWL_SHARED = 1,  /* threads of any process that maps the memory */
};

/* The deadline `ns` nanoseconds from now; PAWL_FOREVER if that is beyond the clock's range.
 * Any thread, signal handlers too; wait-free. */
PAWL_API uint64_t pawl_deadline(uint64_t ns);

/* ---- a word of your own ---- */

/* Sleeps if *word == expected, until a wake, the deadline, or no reason at all. Comparing and falling
 * asleep are one step towards pawl_futex_wake. Orders nothing: load the word again, with acquire.
 * Returns 0 (look again), -ETIMEDOUT. Aborts where the kernel refuses (no futexes, an unmapped word). */
PAWL_API int pawl_futex_wait(PAWL_ATOMIC(uint32_t) * word, uint32_t expected, uint64_t deadline, int flags);

/* Wakes up to `count` threads that sleep on the word; returns how many. Change the word first.
 * Never touches the memory of a private word, which may be freed already. Signal-safe; keeps errno. */
PAWL_API int pawl_futex_wake(const PAWL_ATOMIC(uint32_t) * word, uint32_t count, int flags);

/* ---- parker ---- */

struct pawl_parker {
    PAWL_ATOMIC(uint32_t) state; /* P: empty, token, or somebody sleeps */
    uint32_t flags;
};

#define PAWL_PARKER_INIT \
    {                    \
        0, 0             \
    }

/* No token, nobody parked. Zeroed memory is a private one. */
PAWL_API void pawl_parker_init(struct pawl_parker *parker, int flags) PAWL_NONNULL;

/* The calling thread's own, private. Valid until the thread exits: who keeps the address beyond that must
 * know that the thread is still there (it waits for the answer). Its token may be left over from an earlier
 * user: loops around pawl_park look at their condition. */
PAWL_API struct pawl_parker *pawl_parker_self(void);

/* Takes the token, waiting for it until the deadline. Returns 0 with the token, else -ETIMEDOUT.
 * One thread at a time (it aborts where it finds another asleep); not from signal handlers. */
PAWL_API int pawl_park(struct pawl_parker *parker, uint64_t deadline) PAWL_NONNULL;

/* Takes the token if it is there: 0 or -EAGAIN. Never waits. By the thread that parks. */
PAWL_API int pawl_parker_try(struct pawl_parker *parker) PAWL_NONNULL;

/* Puts the token there and wakes the thread that waits for it. Any thread, signal handlers too. */
PAWL_API void pawl_unpark(struct pawl_parker *parker) PAWL_NONNULL;

/* ---- eventcount ---- */

struct pawl_eventcount {
    PAWL_ATOMIC(uint32_t) waiters; /* that have prepared, and neither cancelled nor come back */
    PAWL_ATOMIC(uint32_t) tickets; /* N: notifications that found waiters; the futex */
    uint32_t flags;
    uint32_t pad;
};

#define PAWL_EVENTCOUNT_INIT \
    {                        \
        0, 0, 0, 0           \
    }

/* Nobody waits. Zeroed memory is a private one. */
PAWL_API void pawl_eventcount_init(struct pawl_eventcount *ec, int flags) PAWL_NONNULL;

/* Out of line: somebody waits. */
PAWL_API PAWL_COLD void pawl_eventcount_wake_(struct pawl_eventcount *ec, uint32_t count);

/* Announces the caller as a waiter. Look at the condition, then call _cancel or _wait, exactly one. */
PAWL_API PAWL_INLINE uint32_t pawl_eventcount_prepare(struct pawl_eventcount *ec)
{
    pawl_fetch_add_relaxed(&ec->waiters, 1u); /* relaxed: F orders it */
    /* F: the announcement above before the caller's look at the condition */
    pawl_fence_seq_cst();
    /* acquire N: pairs with the release in pawl_eventcount_wake_; who gets a ticket that a notification has
     * counted up sees what was notified, when it looks */
    return pawl_load_acquire(&ec->tickets);
}

/* Withdraws: the condition held. */
PAWL_API PAWL_INLINE void pawl_eventcount_cancel(struct pawl_eventcount *ec)
{
    pawl_fetch_sub_relaxed(&ec->waiters, 1u); /* relaxed: publishes nothing but itself */
}

/* Sleeps until a notification that came after the ticket, or the deadline; no longer a waiter afterwards.
 * Returns 0 (look at the condition), or -ETIMEDOUT (look once more: it may have come true without you). */
PAWL_API int pawl_eventcount_wait(struct pawl_eventcount *ec, uint32_t ticket, uint64_t deadline)
    PAWL_NONNULL;

/* After the condition was made true for one waiter: wakes one. All waiters must wait for the same
 * condition; else use _notify_all. Waiters that have not fallen asleep yet may return as well. */
PAWL_API PAWL_INLINE void pawl_eventcount_notify(struct pawl_eventcount *ec)
{
    /* F: the caller's store before the look at the waiters */
    pawl_fence_seq_cst();
    /* relaxed: a stale 0 is what the fences exclude where it matters */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&ec->waiters) != 0))
        pawl_eventcount_wake_(ec, 1);
}

/* After a condition was made true for any number: wakes all. */
PAWL_API PAWL_INLINE void pawl_eventcount_notify_all(struct pawl_eventcount *ec)
{
    pawl_fence_seq_cst(); /* F, as in pawl_eventcount_notify */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&ec->waiters) != 0))
        pawl_eventcount_wake_(ec, UINT32_MAX);
}

/* The whole loop: spins a little, then sleeps, until condition(argument) is true or the deadline passes.
 * The condition is asked often, holds no lock, and loads with acquire what it publishes.
 * Returns 0 when it was true, else -ETIMEDOUT. */
PAWL_API int pawl_eventcount_await(struct pawl_eventcount *ec, bool (*condition)(void *argument),
                                   void *argument, uint64_t deadline) __attribute__((nonnull(1, 2)));

PAWL_END_DECLS
#endif
