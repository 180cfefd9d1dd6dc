/* SPDX-License-Identifier: MIT */
/* Eventcounts: a count of waiters, and a count of notifications that found some.
 *
 * The first tells a notifier whether it may go home. The second is the futex that waiters sleep on: a
 * notification between a waiter's ticket and its sleep is seen by the kernel, which does not let it fall asleep.
 * Could a notification be in the ticket already, so that it wakes nobody? Then the ticket was taken after it
 * (acquire N), and so was the look at the condition, which sees what was notified.
 *
 * Why one wake-up is enough for one notification, although a late waiter may catch it instead of the one
 * it was meant for: a waiter with the new ticket has looked after the condition was made true. It sleeps only
 * if somebody has used that up already, and then nobody needs to be woken for it. */
#include <pawl/backoff.h>
#include <pawl/park.h>

#include <errno.h>

extern inline uint32_t pawl_eventcount_prepare(struct pawl_eventcount *ec);
extern inline void pawl_eventcount_cancel(struct pawl_eventcount *ec);
extern inline void pawl_eventcount_notify(struct pawl_eventcount *ec);
extern inline void pawl_eventcount_notify_all(struct pawl_eventcount *ec);

PAWL_STATIC_ASSERT(sizeof(struct pawl_eventcount) == 16, "the size that the header promises");

void pawl_eventcount_init(struct pawl_eventcount *ec, int flags)
{
    ec->flags = (uint32_t)flags;
    ec->pad = 0;
    pawl_store_relaxed(&ec->waiters, 0u); /* relaxed, both: nobody has it yet */
    pawl_store_relaxed(&ec->tickets, 0u);
}

void pawl_eventcount_wake_(struct pawl_eventcount *ec, uint32_t count)
{
    /* release N: pairs with the acquires in prepare and wait, publishes what the caller did before */
    pawl_fetch_add_release(&ec->tickets, 1u);
    pawl_futex_wake(&ec->tickets, count, (int)ec->flags);
}

int pawl_eventcount_wait(struct pawl_eventcount *ec, uint32_t ticket, uint64_t deadline)
{
    int status = 0;

    /* acquire N: pairs with the release in pawl_eventcount_wake_, sees what the notifier did */
    while (pawl_load_acquire(&ec->tickets) == ticket && status == 0)
        status = pawl_futex_wait(&ec->tickets, ticket, deadline, (int)ec->flags);
    pawl_fetch_sub_relaxed(&ec->waiters, 1u); /* relaxed: publishes nothing but itself */
    /* A notification at the last moment counts: it may have been the one for this thread. acquire N: as above */
    return pawl_load_acquire(&ec->tickets) != ticket ? 0 : status;
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
            pawl_eventcount_cancel(ec);
            return 0;
        }
        status = pawl_eventcount_wait(ec, ticket, deadline);
    }
}
