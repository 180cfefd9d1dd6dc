/* SPDX-License-Identifier: MIT */
/* Closures of the sleep (src/rt/idle.h) for the model checker: no work is left lying while all workers sleep.
 *
 * WORKERS workers look for work in a counter that stands for the shared queues, search, and sleep on a word that stands
 * for the engine. PUBLISHERS threads make ITEMS pieces of work visible. The test ends when all work is done; a
 * wake-up that is lost is a deadlock. -DMAIL: the work is for worker 0 alone, by its inbox. -DMOST: how many may search. */
#include "../../../src/rt/idle.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#ifndef ITEMS
#define ITEMS 1
#endif
#ifndef MAIL
#define MAIL 0
#endif
#ifndef MOST
#define MOST 1
#endif

enum { ALL = PUBLISHERS * ITEMS };

static struct pawl_idle idle;
static struct pawl_sleeper sleeper[WORKERS];
static PAWL_ATOMIC(uint32_t) bell[WORKERS]; /* the engine: 1 ends the present wait or the next one */
static PAWL_ATOMIC(int) work, mail, done, over;

static struct pawl_sleeper *nth(void *context, uint32_t i)
{
    (void)context;
    return i < WORKERS ? &sleeper[i] : NULL;
}

static void ring(const struct pawl_sleeper *who)
{
    /* relaxed: nothing is taken to be ordered by the system call. An exchange, as it comes after the calls that were
     * answered already. */
    pawl_exchange_relaxed(&bell[who - sleeper], 1u);
}

static void publish(void)
{
    const struct pawl_sleeper *who = pawl_idle_publish_(&idle, nth, NULL);

    if (who != NULL)
        ring(who);
}

static bool take(PAWL_ATOMIC(int) * from)
{
    int n = pawl_load_relaxed(from);

    while (n > 0)
        if (pawl_cas_relaxed(from, &n, n - 1))
            return true;
    return false;
}

/* All that there is has been done: everybody may go. */
static void finish_one(void)
{
    if (pawl_fetch_add_relaxed(&done, 1) + 1 != ALL)
        return;
    pawl_store_relaxed(&over, 1);
    for (int i = 0; i < WORKERS; i++)
        if (pawl_idle_call_(&idle, &sleeper[i]))
            ring(&sleeper[i]);
}

static bool anything(int self)
{
    return MAIL && self == 0 && pawl_load_relaxed(&mail) > 0;
}

static void *worker(void *argument)
{
    int self = (int)(intptr_t)argument;
    bool searching = false, found;

    while (pawl_load_relaxed(&over) == 0) {
        if (MAIL && self == 0 && take(&mail))
            finish_one();
        if (!searching)
            searching = pawl_idle_search_(&idle, MOST);
        found = searching && take(&work);
        if (found) {
            searching = false;
            if (pawl_idle_found_(&idle))
                publish();
            finish_one();
            continue;
        }
        bool look = pawl_idle_down_(&idle, &sleeper[self], searching);

        bool something = look && pawl_load_relaxed(&work) > 0;

        if (!anything(self) && !something && pawl_load_relaxed(&over) == 0)
            while (pawl_exchange_relaxed(&bell[self], 0u) == 0)
                ;
        searching = pawl_idle_up_(&idle, &sleeper[self]) == PAWL_SENT_;
        if (something && !searching)
            searching = pawl_idle_search_(&idle, UINT64_MAX);
    }
    if (searching && pawl_idle_found_(&idle))
        publish();
    return NULL;
}

static void *publisher(void *unused)
{
    for (int i = 0; i < ITEMS; i++) {
        if (MAIL) {
            pawl_fetch_add_relaxed(&mail, 1);
            if (pawl_idle_call_(&idle, &sleeper[0]))
                ring(&sleeper[0]);
        } else {
            pawl_fetch_add_relaxed(&work, 1);
            publish();
        }
    }
    return unused;
}

int main(void)
{
    pthread_t threads[WORKERS + PUBLISHERS];

    for (intptr_t i = 0; i < WORKERS; i++)
        assert(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
    for (int i = 0; i < PUBLISHERS; i++)
        assert(pthread_create(&threads[WORKERS + i], NULL, publisher, NULL) == 0);
    for (int i = 0; i < WORKERS + PUBLISHERS; i++)
        assert(pthread_join(threads[i], NULL) == 0);
    assert(pawl_load_relaxed(&done) == ALL && pawl_load_relaxed(&work) == 0);
    assert(pawl_load_relaxed(&idle.counts) == 0); /* nobody counts as a sleeper or searcher any more */
    return 0;
}
