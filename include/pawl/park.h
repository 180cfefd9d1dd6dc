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
 *            Eventcount: notify_all ends the wait of every thread that has prepared before it, notify that of
 *            one of them. Each sleeper is woken once: while it is on its way, more notifications
 *            are for others, or cost nothing.
 *
 *              waiter                                       notifier
 *              ticket = pawl_eventcount_prepare(ec)         make the condition true (atomic store)
 *              condition holds?  yes: _cancel(ec, ticket)   pawl_eventcount_notify(ec)
 *                                no:  _wait(ec, ticket)
 *              look at the condition again
 *
 *            Either the waiter's look comes after the store and sees it, or the notification comes after
 *            the prepare and ends the wait. It cannot be missed.
 * Progress   unpark, prepare: wait-free (a system call where somebody sleeps). notify: wait-free while nobody waits,
 *            else lock-free (and a system call), as cancel: repeated when who waits has changed. park, wait: blocking,
 *            until the token or a notification comes, or the deadline passes.
 * Spurious   park returns 0 only with the token in its hand. _wait returns 0 only after a notification that found
 *            this waiter or one like it, but the condition may be false again: look. pawl_futex_wait may return 0
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
 *            tokens stay where they were. Waiters that the parent's other threads had announced cost one system
 *            call, by the notification that wants to wake them. Shared ones in shared memory serve parent and child alike.
 * Memory     8 and 16 bytes, no pointers. PAWL_SHARED: several processes may use it, mapped anywhere. A process killed
 *            inside prepare .. wait is a waiter until somebody notifies it; that wakes another as well. A parker on which a
 *            process was killed, or another thread slept at a fork, must be initialised or unparked before it is parked on again.
 *            A parker may be freed when park has returned with the token of the last unpark, even from the
 *            parking thread's stack: unpark may afterwards still name its address to the kernel, which reads
 *            nothing there (at worst somebody's later futex there wakes spuriously). An eventcount not
 *            before every notify has returned: a waiter may see the condition before the notification.
 * Limits     65,535 threads may wait for one eventcount; prepare aborts beyond. A thread that is stopped between
 *            prepare and wait for exactly a multiple of 2^32 calls of notify_all that find waiters spoils the count.
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
#include <stddef.h>
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
    /* N: round << 32 | waiters << 16 | permits. Waiters have prepared in this round and were not notified yet.
     * notify turns one of them into a permit, which any of the round may take. notify_all begins the next round:
     * who is of an earlier one may go, and has nothing to give back. */
    PAWL_ATOMIC(uint64_t) state;
    PAWL_ATOMIC(uint32_t) wakes; /* the futex: counts changes of `state` that let somebody go */
    uint32_t flags;
};

#define PAWL_EVENTCOUNT_INIT \
    {                        \
        0, 0, 0              \
    }

/* Nobody waits. Zeroed memory is a private one. */
PAWL_API void pawl_eventcount_init(struct pawl_eventcount *ec, int flags) PAWL_NONNULL;

#define PAWL_EVENTCOUNT_WAITER_ UINT64_C(0x10000)
#define PAWL_EVENTCOUNT_WAITERS_ UINT64_C(0xffff0000)

/* Out of line: up to `count` of those who wait go; all go; too many wait. */
PAWL_API PAWL_COLD void pawl_eventcount_wake_(struct pawl_eventcount *ec, size_t count);
PAWL_API PAWL_COLD void pawl_eventcount_wake_all_(struct pawl_eventcount *ec);
PAWL_API PAWL_COLD void pawl_eventcount_full_(void);

/* Announces the caller as a waiter. Look at the condition, then call _cancel or _wait, exactly one. */
PAWL_API PAWL_INLINE uint32_t pawl_eventcount_prepare(struct pawl_eventcount *ec)
{
    /* acquire N: pairs with the releases where a round ends; who is of the next one sees what was notified,
     * when it looks. relaxed would do, as F follows, but for ThreadSanitizer, which knows no fences. */
    uint64_t state = pawl_fetch_add_acquire(&ec->state, PAWL_EVENTCOUNT_WAITER_);

    if (PAWL_UNLIKELY((state & PAWL_EVENTCOUNT_WAITERS_) == PAWL_EVENTCOUNT_WAITERS_))
        pawl_eventcount_full_();
    /* F: the announcement above before the caller's look at the condition */
    pawl_fence_seq_cst();
    return (uint32_t)(state >> 32);
}

/* Withdraws: the condition held, and the caller has used it. */
PAWL_API void pawl_eventcount_cancel(struct pawl_eventcount *ec, uint32_t ticket) PAWL_NONNULL;

/* Sleeps until a notification, or the deadline; no longer a waiter afterwards.
 * Returns 0 (look at the condition), or -ETIMEDOUT (look once more: it may have come true without you). */
PAWL_API int pawl_eventcount_wait(struct pawl_eventcount *ec, uint32_t ticket, uint64_t deadline)
    PAWL_NONNULL;

/* After the condition was made true for one waiter: lets one go. All waiters must wait for the same
 * condition; else use _notify_all. */
PAWL_API PAWL_INLINE void pawl_eventcount_notify(struct pawl_eventcount *ec)
{
    /* F: the caller's store before the look at the waiters */
    pawl_fence_seq_cst();
    /* relaxed: a stale 0 is what the fences exclude where it matters */
    if (PAWL_UNLIKELY((pawl_load_relaxed(&ec->state) & PAWL_EVENTCOUNT_WAITERS_) != 0))
        pawl_eventcount_wake_(ec, 1);
}

/* After a condition was made true for any number: lets all go. */
PAWL_API PAWL_INLINE void pawl_eventcount_notify_all(struct pawl_eventcount *ec)
{
    pawl_fence_seq_cst(); /* F, as in pawl_eventcount_notify */
    /* Permits too: a waiter that was let go but has not gone may take part in nothing after this. */
    if (PAWL_UNLIKELY((uint32_t)pawl_load_relaxed(&ec->state) != 0))
        pawl_eventcount_wake_all_(ec);
}

/* The whole loop: spins a little, then sleeps, until condition(argument) is true or the deadline passes.
 * The condition is asked often, holds no lock, and loads with acquire what it publishes.
 * Returns 0 when it was true, else -ETIMEDOUT. */
PAWL_API int pawl_eventcount_await(struct pawl_eventcount *ec, bool (*condition)(void *argument),
                                   void *argument, uint64_t deadline) __attribute__((nonnull(1, 2)));

PAWL_END_DECLS
#endif
