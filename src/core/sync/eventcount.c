/* SPDX-License-Identifier: MIT */
/* Eventcounts: who waits, and how many of them may go, in one word; a second word to sleep on.
 *
 *      state    | round : 32 | waiters : 16 | permits : 16 |
 *
 *      prepare      waiters + 1, ticket = round
 *      notify       if waiters > 0:  waiters - 1, permits + 1, wake one
 *      notify_all   if waiters or permits > 0:  round + 1, waiters = permits = 0, wake all
 *      go           round is not the ticket's: just go.   permits > 0: permits - 1
 *      give up      as go, else waiters - 1               (deadline, cancel)
 *
 * In a round, waiters + permits is the number of threads inside. A notification that finds no waiter is over after
 * one load: those inside have been told already. So a notifier that is faster than the threads that it wakes makes
 * one system call for each of them, not one for each notification.
 *
 * May a thread take the permit that was meant for another, which then sleeps on? They wait for the same condition
 * (else the caller uses notify_all), and the thief looks after the notification: it does what the other would have
 * done, and the count of waiters, which the other is now in, is right. With notify_all the permits of the round
 * are void, and nobody can take anything from anybody.
 *
 * Why cancel prefers to give up a place among the waiters: with a permit it would take away the wake-up of a thread
 * that sleeps. Where there are only permits, each thread inside has one. */
#include <pawl/backoff.h>
#include <pawl/park.h>

#include "fail.h"

#include <errno.h>

extern inline uint32_t pawl_eventcount_prepare(struct pawl_eventcount *ec);
extern inline void pawl_eventcount_notify(struct pawl_eventcount *ec);
extern inline void pawl_eventcount_notify_all(struct pawl_eventcount *ec);

PAWL_STATIC_ASSERT(sizeof(struct pawl_eventcount) == 16, "the size that the header promises");

#define PERMITS UINT64_C(0xffff)
#define ROUND (UINT64_C(1) << 32)

void pawl_eventcount_init(struct pawl_eventcount *ec, int flags)
{
    ec->flags = (uint32_t)flags;
    pawl_store_relaxed(&ec->state, UINT64_C(0)); /* relaxed, both: nobody has it yet */
    pawl_store_relaxed(&ec->wakes, 0u);
}

void pawl_eventcount_full_(void)
{
    pawl_sync_fail("pawl_eventcount_prepare", "65535 threads wait for this eventcount already");
}

/* After a change of `state` that lets somebody go. */
static void wake(struct pawl_eventcount *ec, uint32_t count)
{
    /* release W: pairs with the acquire in pawl_eventcount_wait; who reads this sees the change of `state` */
    pawl_fetch_add_release(&ec->wakes, 1u);
    pawl_futex_wake(&ec->wakes, count, (int)ec->flags);
}

void pawl_eventcount_wake_(struct pawl_eventcount *ec, size_t count)
{
    uint64_t state = pawl_load_relaxed(&ec->state); /* relaxed: a guess that the CAS validates */
    uint64_t woken;

    do {
        uint64_t waiters = (state & PAWL_EVENTCOUNT_WAITERS_) / PAWL_EVENTCOUNT_WAITER_;

        woken = waiters < count ? waiters : count;
        if (woken == 0)
            return; /* other notifications were for the last of them */
        /* release N: pairs with the acquires in may_go and prepare, publishes what the caller did before */
    } while (!pawl_cas_release(&ec->state, &state, state - woken * PAWL_EVENTCOUNT_WAITER_ + woken));
    wake(ec, (uint32_t)woken);
}

void pawl_eventcount_wake_all_(struct pawl_eventcount *ec)
{
    uint64_t state = pawl_load_relaxed(&ec->state); /* relaxed: a guess that the CAS validates */

    do {
        if ((uint32_t)state == 0)
            return;
        /* release N: as in pawl_eventcount_wake_ */
    } while (!pawl_cas_release(&ec->state, &state, (state & ~(ROUND - 1)) + ROUND));
    wake(ec, UINT32_MAX);
}

/* True: the caller was let go, and is no longer counted. */
static bool may_go(struct pawl_eventcount *ec, uint32_t ticket)
{
    /* acquire N, here and in the CAS: pairs with the releases of notifications, sees what they publish */
    uint64_t state = pawl_load_acquire(&ec->state);

    while ((uint32_t)(state >> 32) == ticket) {
        if ((state & PERMITS) == 0)
            return false;
        if (pawl_cas_acquire(&ec->state, &state, state - 1))
            return true;
    }
    return true;
}

void pawl_eventcount_cancel(struct pawl_eventcount *ec, uint32_t ticket)
{
    uint64_t state = pawl_load_relaxed(&ec->state); /* relaxed, the CAS too: publishes nothing but itself */

    while ((uint32_t)(state >> 32) == ticket) {
        uint64_t place = (state & PAWL_EVENTCOUNT_WAITERS_) != 0 ? PAWL_EVENTCOUNT_WAITER_ : 1;

        if (pawl_cas_relaxed(&ec->state, &state, state - place))
            return;
    }
}

/* The deadline has passed. A notification at the last moment counts: it may have been the one for this thread. */
static int give_up(struct pawl_eventcount *ec, uint32_t ticket)
{
    uint64_t state = pawl_load_acquire(&ec->state); /* acquire N, here and in the CAS: as in may_go */

    while ((uint32_t)(state >> 32) == ticket) {
        bool permitted = (state & PERMITS) != 0;

        if (pawl_cas_acquire(&ec->state, &state, state - (permitted ? 1 : PAWL_EVENTCOUNT_WAITER_)))
            return permitted ? 0 : -ETIMEDOUT;
    }
    return 0;
}

int pawl_eventcount_wait(struct pawl_eventcount *ec, uint32_t ticket, uint64_t deadline)
{
    for (;;) {
        /* acquire W: pairs with the release in wake; before the look at `state`, so that a wake-up after the look
         * has changed the word by the time the kernel compares it */
        uint32_t wakes = pawl_load_acquire(&ec->wakes);

        if (may_go(ec, ticket))
            return 0;
        if (pawl_futex_wait(&ec->wakes, wakes, deadline, (int)ec->flags) != 0)
            return give_up(ec, ticket);
    }
}

int pawl_eventcount_await(struct pawl_eventcount *ec, bool (*condition)(void *argument), void *argument,
                          uint64_t deadline)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (int status = 0;;) {
        uint32_t ticket;

        if (condition(argument))
            return 0;
        if (status != 0)
            return status;
        if (pawl_backoff_again(&backoff))
            continue;
        ticket = pawl_eventcount_prepare(ec);
        if (condition(argument)) {
            pawl_eventcount_cancel(ec, ticket);
            return 0;
        }
        status = pawl_eventcount_wait(ec, ticket, deadline);
    }
}
