/* SPDX-License-Identifier: MIT */
/* Closures of the end of a runtime (src/rt/ending.h) for the model checker, with the sleep of the workers
 * (src/rt/idle.h).
 *
 * WORKERS workers run tasks out of an inbox each. A thread closes. Beside it, from outside:
 *
 *   -DSPAWNS=n     n threads spawn a task each; or are refused
 *   -DHOLDS=n      n threads take a hold and release it; or are refused
 *   -DRELEASES=n   n threads release a hold that is there from the beginning: the memory goes without waiting for them
 *   -DEARLY=1      a task is there from the beginning
 *   -DCHILD=1      the first task that runs when the runtime closes spawns another one, for the last worker
 *   -DLATE=1       the workers begin when the runtime closes already: fewer executions, for larger ones
 *   -DQUIET=1      worker 0 was quiet before the task of EARLY came, and the grace period has passed: the other worker may
 *                  count while that one gets up and runs it
 *   -DIDLE=0       the workers sleep on their bells alone, which order what is sent
 *   -DGRACE=0      who closes does not wait for sections: a spawn is lost
 *
 * RCU is a flag for each thread that is in a section, and a close that waits for them.
 *
 * What must hold: all that was not refused has run before the close returns; every worker ends (or the
 * test does not); not before who closes lets them; nobody touches the memory afterwards; and what a task
 * wrote, or who held, plain, is seen behind the close. */
#include "../../../src/rt/ending.h"
#include "../../../src/rt/idle.h"

#include <assert.h>
#include <pawl/check.h>
#include <pthread.h>
#include <stdlib.h>

#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef SPAWNS
#define SPAWNS 0
#endif
#ifndef HOLDS
#define HOLDS 0
#endif
#ifndef RELEASES
#define RELEASES 0
#endif
#ifndef CHILD
#define CHILD 0
#endif
#ifndef EARLY
#define EARLY 0
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef QUIET
#define QUIET 0
#endif
#ifndef IDLE
#define IDLE 1
#endif
#ifndef GRACE
#define GRACE 1
#endif

enum { OTHERS = SPAWNS + HOLDS + RELEASES };

struct runtime {
    struct pawl_ending ending;
    struct pawl_tally outside, tally[WORKERS];
    struct pawl_idle idle;
    struct pawl_sleeper sleeper[WORKERS];
    PAWL_ATOMIC(uint32_t) bell[WORKERS]; /* the engine: 1 ends the present wait or the next one */
    PAWL_ATOMIC(int) inbox[WORKERS];     /* tasks */
};

static struct runtime *rt;
static PAWL_ATOMIC(int) accepted, ran, child;
static int wrote[WORKERS];    /* plain: by each worker's tasks */
static int released;          /* plain: by who closes, before it releases its own hold */
static int noted[OTHERS + 1]; /* plain: by who held it */

/* ---- RCU ---- */

static PAWL_ATOMIC(int) inside[OTHERS + 1];

static void enter(int thread)
{
    pawl_store_relaxed(&inside[thread], 1);
    pawl_check_fence_light(); /* orders nothing but with the heavy one, as in <pawl/rcu.h> */
}

static void leave(int thread)
{
    pawl_store_release(&inside[thread], 0);
}

static void synchronize(void)
{
    pawl_check_fence_heavy();
    for (int i = 0; i < OTHERS; i++)
        while (pawl_load_acquire(&inside[i]) != 0)
            ;
}

/* ---- as in rt.c and worker.c ---- */

static const struct pawl_tally *tally_of(const void *context, uint32_t i)
{
    return &((const struct runtime *)context)->tally[i];
}

static void call(int who)
{
    if (!IDLE)
        pawl_exchange_release(&rt->bell[who], 1u);
    else if (pawl_idle_call_(&rt->idle, &rt->sleeper[who]))
        /* relaxed: nothing is taken to be ordered by the system call. An exchange, as it comes after the
         * calls that were answered already. */
        pawl_exchange_relaxed(&rt->bell[who], 1u);
}

static void send(int who)
{
    pawl_fetch_add_release(&rt->inbox[who], 1); /* as an inbox does */
    call(who);
}

static void release(int thread)
{
    enter(thread);
    if (pawl_ending_release_(&rt->ending, &rt->outside))
        call(0);
    leave(thread);
}

static bool take(int self)
{
    int n = pawl_load_relaxed(&rt->inbox[self]);

    while (n > 0)
        if (pawl_cas_acquire(&rt->inbox[self], &n, n - 1))
            return true;
    return false;
}

static void run(int self, bool closing)
{
    wrote[self]++;
    if (CHILD && closing && pawl_exchange_relaxed(&child, 1) == 0) {
        pawl_tally_began_own_(&rt->tally[self]);
        send(WORKERS - 1);
    }
    pawl_fetch_add_relaxed(&ran, 1);
    pawl_tally_ended_own_(&rt->tally[self]);
}

static struct pawl_tallies tallies(void)
{
    return (struct pawl_tallies){&rt->outside, tally_of, rt, WORKERS};
}

static void wait_and_get_up(int self, bool waits, bool quiet)
{
    while (waits && (IDLE ? pawl_exchange_relaxed(&rt->bell[self], 0u)
                          : pawl_exchange_acquire(&rt->bell[self], 0u)) == 0)
        ;
    if (IDLE)
        (void)pawl_idle_up_(&rt->idle, &rt->sleeper[self]);
    if (quiet)
        pawl_ending_loud_(&rt->ending);
}

static void sleep_now(int self, bool closing)
{
    bool quiet = false, waits = true;

    if (IDLE)
        (void)pawl_idle_down_(&rt->idle, &rt->sleeper[self], false);
    if (pawl_load_relaxed(&rt->inbox[self]) > 0 || pawl_ending_over_(&rt->ending) ||
        pawl_ending_begun_(&rt->ending) != closing) {
        waits = false;
    } else if (closing) {
        const struct pawl_tallies all = tallies();

        quiet = true;
        if (pawl_ending_quiet_(&rt->ending, &all))
            for (int i = 0; i < WORKERS; i++)
                if (i != self)
                    call(i);
        waits = !pawl_ending_over_(&rt->ending);
    }
    wait_and_get_up(self, waits, quiet);
}

static void *worker(void *argument)
{
    int self = (int)(intptr_t)argument;
    bool closing = false;

    if (QUIET && self == 0)
        wait_and_get_up(self, true, true);
    while (!pawl_ending_over_(&rt->ending)) {
        closing = pawl_ending_begun_(&rt->ending);
        if (take(self))
            run(self, closing);
        else
            sleep_now(self, closing);
    }
    assert(released == 1); /* not before the grace period */
    return NULL;
}

/* ---- from outside ---- */

static void *spawner(void *argument)
{
    int self = (int)(intptr_t)argument;

    enter(self);
    if (!pawl_ending_begun_(&rt->ending)) {
        pawl_tally_began_(&rt->outside);
        pawl_fetch_add_relaxed(&accepted, 1);
        send(0);
    }
    leave(self);
    return NULL;
}

static void *holder(void *argument)
{
    int self = (int)(intptr_t)argument;

    if (pawl_ending_hold_(&rt->ending, &rt->outside))
        assert(!pawl_ending_over_(&rt->ending)); /* as long as it is held */
    release(self);
    return NULL;
}

static void *releaser(void *argument)
{
    int self = (int)(intptr_t)argument;

    noted[self] = 1;
    release(self);
    return NULL;
}

static void begin(void)
{
    pawl_ending_begin_(&rt->ending, &rt->outside);
    for (int i = 0; i < WORKERS; i++)
        call(i);
}

static void let_it_end(void)
{
    if (GRACE)
        synchronize();
    released = 1;
    release(OTHERS);
}

/* What worker 0 has done before the task came. */
static void quieten(void)
{
    const struct pawl_tallies all = tallies();

    if (IDLE)
        (void)pawl_idle_down_(&rt->idle, &rt->sleeper[0], false);
    assert(!pawl_ending_quiet_(&rt->ending, &all));
}

static void *(*role(int i))(void *)
{
    return i < SPAWNS ? spawner : i < SPAWNS + HOLDS ? holder : releaser;
}

static void join(const pthread_t *threads, int from, int to)
{
    for (int i = from; i < to; i++)
        assert(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
    pthread_t workers[WORKERS], others[OTHERS + 1];
    int all = 0;

    rt = calloc(1, sizeof *rt);
    for (int i = 0; i < RELEASES + EARLY; i++)
        pawl_tally_began_(&rt->outside);
    pawl_store_relaxed(&rt->inbox[0], EARLY);
    for (intptr_t i = 0; i < OTHERS; i++)
        assert(pthread_create(&others[i], NULL, role((int)i), (void *)i) == 0);
    if (LATE)
        begin();
    if (QUIET) {
        quieten();
        let_it_end();
    }
    for (intptr_t i = 0; i < WORKERS; i++)
        assert(pthread_create(&workers[i], NULL, worker, (void *)i) == 0);
    if (!LATE)
        begin();
    if (!QUIET)
        let_it_end();
    join(workers, 0, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        assert(pawl_load_relaxed(&rt->inbox[i]) == 0);
        all += wrote[i];
    }
    assert(all == pawl_load_relaxed(&ran));
    for (int i = SPAWNS + HOLDS; i < OTHERS; i++)
        assert(noted[i] == 1);
    join(others, 0, SPAWNS + HOLDS); /* refused perhaps, and so nothing that the close has waited for */
    synchronize();
    free(rt);
    assert(all == EARLY + pawl_load_relaxed(&accepted) + pawl_load_relaxed(&child));
    join(others, SPAWNS + HOLDS, OTHERS);
    return 0;
}
