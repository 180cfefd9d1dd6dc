/* SPDX-License-Identifier: MIT */
/* Closures of the state of a task (src/rt/task_state.h) for the model checker.
 *
 * A queue of one place stands for all queues: the state promises that a task is in none when it is put into
 * one. Two workers take from it. WAKERS threads wake the task, each after having written a plain variable of its own;
 * -DCANCELS: the first of them cancels. The task runs until it has seen them all; then it is done, and a
 * joiner reads what its runs have written.
 * -DEARLY: one more cancels while the task is being spawned, if it does not find it idle.
 *
 * What must hold: never two runs at once (they write plain variables: a race), the queue never has to hold two, all wakes
 * are seen by a run that begins later (or the test does not end), the waiter is told once, and what a run wrote is
 * visible to the next and to the joiner. And a cancel that was not refused stays. */
#include "../../../src/rt/task_state.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#ifndef WAKERS
#define WAKERS 2
#endif
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef CANCELS
#define CANCELS 0
#endif
#ifndef EARLY
#define EARLY 0
#endif
#ifndef AGAIN
#define AGAIN 0
#endif

static struct pawl_task task;
static PAWL_ATOMIC(struct pawl_task *) queue;
static PAWL_ATOMIC(int) told, asked[WAKERS];
static int wrote[WAKERS], runs, again, cancelled;

static void put(struct pawl_task *t)
{
    struct pawl_task *before;

    t->next = t; /* as the queues do: plain, by whoever queues it */
    before = pawl_exchange_release(&queue, t);

    assert(before == NULL); /* in one queue, once */
}

static enum pawl_task_next run(void)
{
    int seen = 0;

    runs++; /* two at once race */
    for (int i = 0; i < WAKERS; i++) {
        /* relaxed: what matters is that the wake publishes it, and the plain write with it */
        if (pawl_load_relaxed(&asked[i]) != 0) {
            pawl_fence_acquire(); /* only for runs that see it before the wake */
            assert(wrote[i] == 1);
            seen++;
        }
    }
    if (AGAIN && again++ == 0)
        return PAWL_TASK_AGAIN;
    return seen == WAKERS ? PAWL_TASK_DONE : PAWL_TASK_WAIT;
}

static void wake(struct pawl_task_waiter *waiter)
{
    (void)waiter;
    assert(pawl_fetch_add_relaxed(&told, 1) == 0);
}

static void finish(void)
{
    for (struct pawl_task_waiter *waiter = pawl_task_state_finish_(&task.waiters), *next; waiter != NULL;
         waiter = next) {
        next = waiter->next;
        waiter->wake(waiter);
    }
}

static void *worker(void *unused)
{
    while (!pawl_task_state_done_(&task)) {
        if (pawl_exchange_acquire(&queue, NULL) == NULL)
            continue;
        pawl_task_state_begin_(&task);
        switch (run()) {
        case PAWL_TASK_DONE:
            finish();
            break;
        case PAWL_TASK_WAIT:
            if (pawl_task_state_wait_(&task))
                put(&task);
            break;
        case PAWL_TASK_AGAIN:
            put(&task);
            break;
        }
    }
    return unused;
}

static void *waker(void *argument)
{
    int i = (int)(intptr_t)argument;
    uint32_t notes = PAWL_TASK_WOKEN_ | (CANCELS && i == 0 ? PAWL_TASK_CANCELLED_ : 0);

    wrote[i] = 1;
    pawl_store_release(&asked[i], 1);
    if (pawl_task_state_wake_(&task, notes))
        put(&task);
    return NULL;
}

/* As pawl_task_cancel(). */
static void *early(void *unused)
{
    if (!pawl_task_state_done_(&task)) {
        cancelled = 1;
        if (pawl_task_state_wake_(&task, PAWL_TASK_WOKEN_ | PAWL_TASK_CANCELLED_))
            put(&task);
    }
    return unused;
}

int main(void)
{
    struct pawl_task_waiter waiter = {.wake = wake};
    pthread_t threads[WORKERS + WAKERS + EARLY];

    pawl_task_state_init_(&task);
    assert(!pawl_task_state_wake_(&task, PAWL_TASK_WOKEN_)); /* idle: nothing */
    if (EARLY)
        assert(pthread_create(&threads[WAKERS + WORKERS], NULL, early, NULL) == 0);
    assert(pawl_task_state_spawn_(&task) && !pawl_task_state_spawn_(&task));
    put(&task);
    for (intptr_t i = 0; i < WAKERS; i++)
        assert(pthread_create(&threads[i], NULL, waker, (void *)i) == 0);
    for (int i = 0; i < WORKERS; i++)
        assert(pthread_create(&threads[WAKERS + i], NULL, worker, NULL) == 0);
    if (!pawl_task_state_join_(&task.waiters, &waiter)) {
        assert(pawl_load_relaxed(&queue) == NULL); /* done: in no queue; relaxed: so it was before */
        assert(runs > 0);                          /* written by the workers, published by finish() */
    }
    for (int i = 0; i < WAKERS + WORKERS + EARLY; i++)
        assert(pthread_join(threads[i], NULL) == 0);
    assert(runs >= 1 && runs <= 1 + WAKERS + AGAIN + EARLY); /* one run a wake at most */
    /* relaxed: all have been joined */
    assert(!cancelled || (pawl_load_relaxed(&task.state) & PAWL_TASK_CANCELLED_) != 0);
    assert(!pawl_task_state_wake_(&task, PAWL_TASK_WOKEN_)); /* done: nothing */
    return 0;
}
