/* SPDX-License-Identifier: MIT */
/* RCU callbacks: queued by CPU, called in rounds by a worker that sleeps when there is nothing to do. */
#include "rcu.h"

#include "../sync/fail.h"

#include <pawl/clock.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum {
    BATCH = 64,          /* calls between two looks at the backlog; invocations between two reports */
    FIRST_LIMIT = 16384, /* the backlog that a domain starts with */
    NAP_NS = 1000000,    /* the worker's, between rounds: lets a batch grow that shares a grace period */
    RETRY_NS = 1000000,  /* after the kernel refused to fence a list */
};

static __thread bool invoking __attribute__((tls_model("initial-exec"))); /* inside a callback */

void pawl_rcu_calls_init(struct rcu_calls *calls)
{
    memset(calls, 0, sizeof *calls);
    /* relaxed: nobody has it yet */
    pawl_store_relaxed(&calls->idle, 1u);
    pawl_store_relaxed(&calls->limit, (uint32_t)FIRST_LIMIT);
    pthread_mutex_init(&calls->runner, NULL);
    pthread_mutex_init(&calls->start, NULL);
}

/* ---- the queue ---- */

static void spill_chain(struct rcu_calls *calls, struct pawl_retired *first, struct pawl_retired *last)
{
    struct pawl_retired *head = pawl_load_relaxed(
        &calls->spill); /* relaxed: a guess that the CAS validates */

    do
        last->link.next = head != NULL ? &head->link : NULL;
    while (!pawl_cas_weak_release(&calls->spill, &head,
                                  first)); /* release S: publishes the chain to take_all() */
}

/* NULL when the region cannot be opened: all calls spill then, and the next one tries again. */
static PAWL_COLD struct pawl_percpu *open_lists(struct rcu_calls *calls)
{
    struct pawl_percpu *lists;

    pthread_mutex_lock(&calls->start);
    lists = pawl_load_relaxed(&calls->lists); /* relaxed: the lock orders */
    if (lists == NULL) {
        lists = pawl_percpu_open(sizeof(struct pawl_percpu_list), PAWL_PERCPU_BY_ANY);
        /* release L: publishes the region to enqueue() and take_all() */
        pawl_store_release(&calls->lists, lists);
    }
    pthread_mutex_unlock(&calls->start);
    return lists;
}

static void enqueue(struct rcu_calls *calls, struct pawl_retired *retired)
{
    /* acquire L: pairs with the release in open_lists() */
    struct pawl_percpu *lists = pawl_load_acquire(&calls->lists);

    if (PAWL_UNLIKELY(lists == NULL))
        lists = open_lists(calls);
    if (PAWL_UNLIKELY(lists == NULL || pawl_percpu_push(lists, 0, &retired->link) != 0))
        spill_chain(calls, retired, retired);
}

static struct pawl_retired *retired_at(struct pawl_percpu_node *link)
{
    return (struct pawl_retired *)(void *)link;
}

static PAWL_ATOMIC(uintptr_t) * head_word(struct pawl_percpu_list *list)
{
    return (PAWL_ATOMIC(uintptr_t) *)(void *)&list->head;
}

static bool anything_queued(struct rcu_calls *calls)
{
    struct pawl_percpu *lists = pawl_load_acquire(&calls->lists); /* acquire L, as in enqueue() */
    struct pawl_percpu_list *list;
    uint32_t slot;

    /* relaxed, here and below: what counts was pushed before the caller's heavy fence */
    if (pawl_load_relaxed(&calls->spill) != NULL)
        return true;
    if (lists != NULL)
        pawl_percpu_each (lists, slot, list)
            if (pawl_load_relaxed(head_word(list)) != 0)
                return true;
    return false;
}

/* Puts the chain that begins at `first` before `rest`; returns the new first. */
static struct pawl_retired *prepend(struct pawl_percpu_node *first, struct pawl_retired *rest)
{
    struct pawl_percpu_node *last = first;

    if (first == NULL)
        return rest;
    if (rest == NULL)
        return retired_at(first);
    while (last->next != NULL)
        last = last->next;
    last->next = &rest->link;
    return retired_at(first);
}

static void add_running(struct rcu_calls *calls, uint32_t slot, struct pawl_percpu_node *first)
{
    struct pawl_retired **chain = &calls->running[slot % RCU_CHAINS];

    *chain = prepend(first, *chain);
}

/* Empties the list of one slot. The CPU's calls spill for these microseconds. */
static void take_list(struct rcu_calls *calls, struct pawl_percpu *lists, uint32_t slot,
                      struct pawl_percpu_list *list)
{
    struct pawl_percpu_node *first;

    calls->taking = list;
    while (pawl_percpu_detach(lists, slot) == NULL)
        /* The kernel had no memory for the fence, or forbids it for now. Nothing may be left behind, or a
         * barrier would return too early. */
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    first = list->head;
    list->head = NULL;
    pawl_fence_compiler(); /* out of one list before it gets into another: a child may be forked in between */
    add_running(calls, slot, first);
    pawl_percpu_attach(lists, slot, list);
    calls->taking = NULL;
}

/* Moves all that is queued to `running`, which is empty. Returns whether there was anything. */
static bool take_all(struct rcu_calls *calls)
{
    struct pawl_percpu *lists = pawl_load_acquire(&calls->lists); /* acquire L, as in enqueue() */
    struct pawl_percpu_list *list;
    bool any = false;
    uint32_t slot;

    /* acquire S: pairs with the release in spill_chain() */
    calls->running[0] = pawl_exchange_acquire(&calls->spill, NULL);
    if (lists != NULL)
        pawl_percpu_each (lists, slot, list)
            if (pawl_load_relaxed(head_word(list)) != 0)
                take_list(calls, lists, slot, list);
    for (uint32_t i = 0; i < RCU_CHAINS; i++)
        any = any || calls->running[i] != NULL;
    return any;
}

/* In a child of a process whose worker had a list detached: that slot stays detached for good. The region is
 * replaced by one that the next call opens; it is not closed, as this thread may have forked in a handler
 * that interrupted a call. */
static void replace_lists(struct rcu_calls *calls)
{
    struct pawl_percpu *lists = pawl_load_relaxed(&calls->lists); /* relaxed, all: alone */
    struct pawl_percpu_node *first = calls->taking->head;
    struct pawl_percpu_list *list;
    uint32_t slot;

    calls->taking->head = NULL;
    calls->taking = NULL;
    add_running(calls, 0, first);
    pawl_percpu_each (lists, slot, list) {
        first = list->head;
        list->head = NULL;
        add_running(calls, slot, first);
    }
    pawl_store_relaxed(&calls->lists, NULL);
}

/* ---- rounds ---- */

/* Each is taken off its chain before it is called: a child that is forked meanwhile finds the others there. */
static void invoke_chain(struct rcu_calls *calls, struct pawl_retired **chain)
{
    uint64_t count = 0;

    while (*chain != NULL) {
        struct pawl_retired *retired = *chain;

        *chain = retired_at(retired->link.next);
        __builtin_prefetch(*chain);
        retired->reclaim(retired);
        if (++count % BATCH == 0) {
            pawl_fetch_add_relaxed(&calls->invoked, (uint64_t)BATCH); /* relaxed: a count */
            pawl_eventcount_notify_all(&calls->progress);
        }
    }
    pawl_fetch_add_relaxed(&calls->invoked, count % BATCH); /* relaxed: a count */
}

static void invoke_running(struct rcu_calls *calls)
{
    invoking = true;
    for (uint32_t i = 0; i < RCU_CHAINS; i++)
        if (calls->running[i] != NULL)
            invoke_chain(calls, &calls->running[i]);
    invoking = false;
}

/* By whoever holds `runner`. Returns whether there was anything to call. */
static bool run_round(struct pawl_rcu *rcu)
{
    struct rcu_calls *calls = rcu_calls_of(rcu);
    uint64_t n = pawl_load_relaxed(&calls->starting) + 1; /* relaxed: under the lock */
    bool any;

    pawl_store_relaxed(&calls->starting, n); /* relaxed: ordered by the fence */
    /* Heavy: pairs with the full fence in barrier (a round that it does not count on, because it read an
     * older `starting`, sees its calls), and makes the plain pushes of all CPUs visible here. */
    pawl_fence_heavy();
    any = take_all(calls);
    if (any) {
        pawl_grace_wait(&rcu->grace, pawl_grace_target(&rcu->grace));
        invoke_running(calls);
    }
    /* release B: pairs with the acquire in round_done(), publishes what the callbacks did */
    pawl_store_release(&calls->done, n);
    pawl_eventcount_notify_all(&calls->progress);
    return any;
}

static bool run_round_locked(struct pawl_rcu *rcu)
{
    struct rcu_calls *calls = rcu_calls_of(rcu);
    bool any;

    pthread_mutex_lock(&calls->runner);
    any = run_round(rcu);
    pthread_mutex_unlock(&calls->runner);
    return any;
}

/* ---- the worker ---- */

static uint64_t backlog(const struct rcu_calls *calls)
{
    /* relaxed: each may be late. Threads keep a rest, so more may have been invoked than was counted. */
    int64_t queued = (int64_t)(pawl_load_relaxed(&calls->called) - pawl_load_relaxed(&calls->invoked));

    return queued > 0 ? (uint64_t)queued : 0;
}

static bool in_a_hurry(void *argument)
{
    const struct rcu_calls *calls = argument;

    /* relaxed: the eventcount orders, or the nap ends */
    return before(pawl_load_relaxed(&calls->done), pawl_load_relaxed(&calls->wanted)) ||
           backlog(calls) > pawl_load_relaxed(&calls->limit) / 2 || pawl_load_relaxed(&calls->stop);
}

static bool has_work(void *argument)
{
    const struct rcu_calls *calls = argument;

    return pawl_load_relaxed(&calls->idle) == 0 || in_a_hurry(argument); /* relaxed: as above */
}

/* Sleeps on `wake` until the condition, at most until the deadline; without spinning first. */
static void sleep_unless(struct rcu_calls *calls, bool (*condition)(void *argument), uint64_t deadline)
{
    while (!condition(calls)) {
        uint32_t ticket = pawl_eventcount_prepare(&calls->wake);

        if (condition(calls)) {
            pawl_eventcount_cancel(&calls->wake, ticket);
            return;
        }
        if (pawl_eventcount_wait(&calls->wake, ticket, deadline) != 0)
            return;
    }
}

static void idle_until_called(struct rcu_calls *calls)
{
    pawl_store_relaxed(&calls->idle, 1u); /* relaxed: ordered by the fence */
    /* Heavy side: pairs with the light fence in pawl_rcu_call_in(). Either the call sees `idle`, or its push
     * is seen here. */
    pawl_fence_heavy();
    if (!anything_queued(calls))
        sleep_unless(calls, has_work, PAWL_FOREVER);
    pawl_store_relaxed(&calls->idle, 0u); /* relaxed: says only that nobody needs to wake this thread */
}

static void *work(void *argument)
{
    struct pawl_rcu *rcu = argument;
    struct rcu_calls *calls = rcu_calls_of(rcu);

    pthread_setname_np(pthread_self(), "pawl-rcu");
    /* relaxed: the join orders; what is queued when `stop` is set is for pawl_rcu_calls_finish() */
    while (!pawl_load_relaxed(&calls->stop)) {
        if (run_round_locked(rcu))
            sleep_unless(calls, in_a_hurry, pawl_deadline(NAP_NS));
        else if (!in_a_hurry(calls))
            idle_until_called(calls);
    }
    return NULL;
}

/* With all signals blocked: they are the program's, for threads of the program. */
static bool start_worker(struct pawl_rcu *rcu)
{
    struct rcu_calls *calls = rcu_calls_of(rcu);
    sigset_t all, saved;
    bool have;

    pthread_mutex_lock(&calls->start);
    if (!calls->have_worker) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &saved);
        calls->have_worker = pthread_create(&calls->worker, NULL, work, rcu) == 0;
        pthread_sigmask(SIG_SETMASK, &saved, NULL);
    }
    have = calls->have_worker;
    pthread_mutex_unlock(&calls->start);
    return have;
}

/* Sees to it that somebody works. Returns false when no worker could be started. */
static PAWL_COLD bool wake_worker(struct pawl_rcu *rcu)
{
    struct rcu_calls *calls = rcu_calls_of(rcu);

    if (!start_worker(rcu))
        return false;                     /* stays idle: the next call tries again */
    pawl_store_relaxed(&calls->idle, 0u); /* relaxed: the notification orders */
    pawl_eventcount_notify_all(&calls->wake);
    return true;
}

void pawl_rcu_calls_finish(struct pawl_rcu *rcu)
{
    struct rcu_calls *calls = rcu_calls_of(rcu);

    if (invoking)
        pawl_sync_fail("pawl_rcu_close", "called in a callback, for whose end it would wait");
    pawl_store_relaxed(&calls->stop, true); /* relaxed: the notification orders */
    do
        /* Once more after each round: a callback that calls may have started a worker, which ends at once. */
        if (calls->have_worker) {
            pawl_eventcount_notify_all(&calls->wake);
            pthread_join(calls->worker, NULL);
            calls->have_worker = false;
        }
    while (run_round_locked(rcu));
}

void pawl_rcu_calls_destroy(struct rcu_calls *calls)
{
    pawl_percpu_close(pawl_load_relaxed(&calls->lists)); /* relaxed: nobody else has it */
    pthread_mutex_destroy(&calls->runner);
    pthread_mutex_destroy(&calls->start);
}

void pawl_rcu_calls_leave(struct rcu_calls *calls, PAWL_ATOMIC(uint64_t) * rest)
{
    /* relaxed: a count; the thread is gone */
    pawl_fetch_add_relaxed(&calls->called, pawl_load_relaxed(rest) % BATCH);
    pawl_store_relaxed(rest, UINT64_C(0));
}

static void spill_running(struct rcu_calls *calls, struct pawl_retired **chain)
{
    struct pawl_retired *first = *chain, *last = first;

    if (first == NULL)
        return;
    *chain = NULL;
    while (last->link.next != NULL)
        last = retired_at(last->link.next);
    spill_chain(calls, first, last);
}

static uint64_t length_of(struct pawl_retired *retired)
{
    uint64_t length = 0;

    for (; retired != NULL; retired = retired_at(retired->link.next))
        length++;
    return length;
}

/* What the parent's worker had called is not counted in `invoked` before its batch is full: a backlog that never goes back
 * to 0 would in the end hold callers up for ever. Counted anew, with the rests that its threads still keep. */
static void count_again(struct rcu_calls *calls, const struct pawl_grace *grace)
{
    struct pawl_percpu *lists = pawl_load_relaxed(&calls->lists); /* relaxed, all: alone */
    uint64_t queued = length_of(pawl_load_relaxed(&calls->spill));
    uint64_t called = pawl_load_relaxed(&calls->called);
    struct pawl_percpu_list *list;
    uint32_t slot;

    if (lists != NULL)
        pawl_percpu_each (lists, slot, list)
            queued += length_of(retired_at(list->head));
    for (uint32_t n = pawl_reader_next(0); n != PAWL_READER_MAX; n = pawl_reader_next(n + 1))
        called += pawl_load_relaxed(grace_word(grace, n) + 1) % BATCH;
    pawl_store_relaxed(&calls->invoked, called - queued);
}

void pawl_rcu_calls_forked(struct rcu_calls *calls, const struct pawl_grace *grace)
{
    if (calls->taking != NULL)
        replace_lists(calls);
    pthread_mutex_init(&calls->runner, NULL);
    pthread_mutex_init(&calls->start, NULL);
    pawl_eventcount_init(&calls->wake, PAWL_PRIVATE);
    pawl_eventcount_init(&calls->progress, PAWL_PRIVATE);
    calls->have_worker = false;
    for (uint32_t i = 0; i < RCU_CHAINS; i++)
        spill_running(calls, &calls->running[i]);
    count_again(calls, grace);
    /* relaxed, both: alone. A round that was running never ends here; the next one's end counts for it. */
    pawl_store_relaxed(&calls->done, pawl_load_relaxed(&calls->starting));
    pawl_store_relaxed(&calls->idle, 1u);
}

/* ---- calls ---- */

static bool is_full(const struct rcu_calls *calls)
{
    return backlog(calls) > pawl_load_relaxed(&calls->limit); /* relaxed: a limit */
}

static bool has_room(void *argument)
{
    return !is_full(argument);
}

static void wait_for_room(struct pawl_rcu *rcu)
{
    struct rcu_calls *calls = rcu_calls_of(rcu);
    bool online;

    if (invoking || !pawl_rcu_may_wait(rcu))
        return;
    online = pawl_rcu_start_waiting(rcu, "pawl_rcu_call");
    if (wake_worker(rcu))
        pawl_eventcount_await(&calls->progress, has_room, calls, PAWL_FOREVER);
    else
        run_round_locked(rcu);
    pawl_rcu_stop_waiting(online);
}

/* Every 64th call of a thread. */
static PAWL_COLD void count_batch(struct rcu_calls *calls)
{
    pawl_fetch_add_relaxed(&calls->called, (uint64_t)BATCH); /* relaxed: a count */
    if (in_a_hurry(calls))
        pawl_eventcount_notify_all(&calls->wake);
}

/* Returns whether the caller should wait for room. */
static inline bool call(struct pawl_rcu *rcu, struct pawl_retired *retired,
                        void (*reclaim)(struct pawl_retired *))
{
    struct rcu_calls *calls = rcu_calls_of(rcu);
    PAWL_ATOMIC(uint64_t) *rest = grace_word(&rcu->grace, pawl_reader_own()->number) + 1;
    uint64_t count = pawl_load_relaxed(rest) + 1; /* relaxed: the thread's own */

    retired->reclaim = reclaim;
    enqueue(calls, retired);
    pawl_store_relaxed(rest, count);
    pawl_fence_light(); /* the push before the look at `idle`; see idle_until_called() */
    if (PAWL_UNLIKELY(pawl_load_relaxed(&calls->idle) != 0))
        wake_worker(rcu);
    if (PAWL_LIKELY(count % BATCH != 0))
        return false;
    count_batch(calls);
    return is_full(calls);
}

void pawl_rcu_call_in(struct pawl_rcu *rcu, struct pawl_retired *retired,
                      void (*reclaim)(struct pawl_retired *))
{
    if (PAWL_UNLIKELY(call(rcu, retired, reclaim)))
        wait_for_room(rcu);
}

void pawl_rcu_call(struct pawl_retired *retired, void (*reclaim)(struct pawl_retired *))
{
    pawl_rcu_call_in(&pawl_rcu_default, retired, reclaim);
}

int pawl_rcu_try_call_in(struct pawl_rcu *rcu, struct pawl_retired *retired,
                         void (*reclaim)(struct pawl_retired *))
{
    if (PAWL_UNLIKELY(is_full(rcu_calls_of(rcu)))) {
        wake_worker(rcu);
        return -EAGAIN;
    }
    call(rcu, retired, reclaim);
    return 0;
}

int pawl_rcu_set_backlog(struct pawl_rcu *rcu, uint32_t limit)
{
    if (limit == 0 || limit > UINT32_C(1) << 31)
        return -EINVAL;
    pawl_store_relaxed(&rcu_calls_of(rcu)->limit, limit); /* relaxed: a limit */
    return 0;
}

uint64_t pawl_rcu_backlog(const struct pawl_rcu *rcu)
{
    return backlog(rcu_calls_of(rcu));
}

/* ---- barrier ---- */

struct round {
    const struct rcu_calls *calls;
    uint64_t number;
};

static bool round_done(void *argument)
{
    const struct round *round = argument;

    /* acquire B: pairs with the release in run_round() */
    return !before(pawl_load_acquire(&round->calls->done), round->number);
}

static void want(struct rcu_calls *calls, uint64_t number)
{
    uint64_t wanted = pawl_load_relaxed(&calls->wanted); /* relaxed: says only that there is a hurry */

    while (before(wanted, number) && !pawl_cas_weak_relaxed(&calls->wanted, &wanted, number))
        continue; /* another barrier wanted its own */
}

void pawl_rcu_barrier_in(struct pawl_rcu *rcu)
{
    struct rcu_calls *calls = rcu_calls_of(rcu);
    struct round round = {.calls = calls};
    bool online;

    if (invoking)
        pawl_sync_fail("pawl_rcu_barrier", "called in a callback, for whose end it would wait");
    online = pawl_rcu_start_waiting(rcu, "pawl_rcu_barrier");
    /* full fence: the calls that happened before, before the look at `starting`; pairs with run_round() */
    pawl_fence_seq_cst();
    round.number = pawl_load_relaxed(&calls->starting) + 1; /* relaxed: as in pawl_grace_target() */
    want(calls, round.number);
    if (wake_worker(rcu))
        pawl_eventcount_await(&calls->progress, round_done, &round, PAWL_FOREVER);
    while (!round_done(&round))
        run_round_locked(rcu);
    pawl_rcu_stop_waiting(online);
}

void pawl_rcu_barrier(void)
{
    pawl_rcu_barrier_in(&pawl_rcu_default);
}
