/* SPDX-License-Identifier: MIT */
/* Closures of the eventcount for the model checker. A lost wake-up is a thread that sleeps for ever: the checker
 * reports a deadlock. -DWAITERS=1 or 2 with as many notifiers; -DDEADLINE: the first wait may time out; -DALL: by
 * notify_all.
 * The condition is loaded and stored relaxed: what is published, the notification publishes.
 *
 * Mutants that survive, and why: the releases where a waiter is let go, because the fence F before them releases too,
 * and the acquire in prepare, because the fence after it acquires too (ThreadSanitizer, which does not know fences,
 * needs all three); one of the two acquires in may_go where there are only permits, because the other does it (-DALL
 * kills the load's; the CAS's is for a CAS that fails and then sees another notification); in futex.c, the order of the
 * load in the kernel's model. */
#include <pawl/park.h>

#include <assert.h>
#include <pthread.h>

#ifndef WAITERS
#define WAITERS 1
#endif
#if ALL
#define NOTIFY pawl_eventcount_notify_all
#else
#define NOTIFY pawl_eventcount_notify
#endif

static struct pawl_eventcount ec;
static PAWL_ATOMIC(int) items;
static int plain; /* written before the notification, read by whom it wakes */

static bool take(void)
{
    int there = pawl_load_relaxed(&items);

    while (there > 0)
        if (pawl_cas_relaxed(&items, &there, there - 1))
            return true;
    return false;
}

static void *wait_for_item(void *unused)
{
    (void)unused;
    for (int round = 0; !take(); round++) {
        uint32_t ticket = pawl_eventcount_prepare(&ec);

        assert(round < 3);
        if (pawl_load_relaxed(&items) > 0) {
            pawl_eventcount_cancel(&ec, ticket);
        } else {
#if DEADLINE
            int status = pawl_eventcount_wait(&ec, ticket, round == 0 ? 1 : PAWL_FOREVER);
#else
            int status = pawl_eventcount_wait(&ec, ticket, PAWL_FOREVER);
#endif
            assert(status != 0 || plain == 1);
        }
    }
    return NULL;
}

static void *bring_item(void *unused)
{
    (void)unused;
#if WAITERS == 1
    plain = 1;
#endif
    pawl_fetch_add_relaxed(&items, 1);
    NOTIFY(&ec);
    return NULL;
}

int main(void)
{
    pthread_t waiters[WAITERS], notifiers[WAITERS];

#if WAITERS > 1
    plain = 1;
#endif
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&waiters[i], NULL, wait_for_item, NULL);
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&notifiers[i], NULL, bring_item, NULL);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i], NULL);
        pthread_join(notifiers[i], NULL);
    }
    assert((uint32_t)pawl_load_relaxed(&ec.state) == 0); /* nobody inside, no permit left */
    return 0;
}
