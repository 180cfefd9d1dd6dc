/* SPDX-License-Identifier: MIT */
/* Closures of the eventcount for the model checker. A lost wake-up is a thread that sleeps for ever: the checker
 * reports a deadlock. -DWAITERS=1 or 2 with as many notifiers; -DDEADLINE: the first wait may time out.
 * The condition is loaded and stored relaxed: what is published, the notification publishes.
 *
 * Mutants that survive, and why: the release in pawl_eventcount_wake_, because the fence F before it releases
 * too (ThreadSanitizer, which does not know fences, needs it); the acquire in the loop of _wait, because the load
 * at its end acquires as well. */
#include <pawl/park.h>

#include <assert.h>
#include <pthread.h>

#ifndef WAITERS
#define WAITERS 1
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
            pawl_eventcount_cancel(&ec);
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
    pawl_eventcount_notify(&ec);
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
    assert(pawl_load_relaxed(&ec.waiters) == 0);
    return 0;
}
