/* SPDX-License-Identifier: MIT */
/* The state of a task, and its transitions.
 *
 *     RUNNING   a worker has it, or it is idle or done: a wake has nothing to do but to leave a note
 *     WOKEN     the note: a run is owed that begins later than this
 *     CANCELLED, EXPIRED   stay until it completes
 *
 *                     who                      does                         and then
 *     idle, done      RUNNING                  waiters = DONE
 *     spawn           the caller               state = WOKEN, waiters = 0   queues it
 *     wake            anybody                  |= WOKEN                     queues it, if it was neither WOKEN nor RUNNING
 *     run             the worker that took it  RUNNING, not WOKEN
 *     ... WAIT        the same                 not RUNNING                  queues it, if it is WOKEN
 *     ... AGAIN       the same                 (stays RUNNING)              queues it
 *     ... DONE        the same                 waiters = DONE               tells them
 *
 * So it is queued by one thread at a time, and only when it is in no queue. A task that is done is as deaf as
 * one that runs: wakes of it only leave notes that nobody reads. */
#ifndef PAWL_RT_TASK_STATE_H
#define PAWL_RT_TASK_STATE_H

#include <pawl/task.h>

enum {
    PAWL_TASK_RUNNING_ = 1,
    PAWL_TASK_WOKEN_ = 2,
    PAWL_TASK_CANCELLED_ = 4,
    PAWL_TASK_EXPIRED_ = 8,
};

/* In `waiters`: it is idle or done. */
#define PAWL_TASK_NOBODY_ ((struct pawl_task_waiter *)1)

static inline void pawl_task_state_init_(struct pawl_task *task)
{
    pawl_store_relaxed(&task->state, (uint32_t)PAWL_TASK_RUNNING_); /* relaxed, both: nobody has it yet */
    pawl_store_relaxed(&task->waiters, PAWL_TASK_NOBODY_);
}

static inline bool pawl_task_state_done_(const struct pawl_task *task)
{
    /* acquire F: pairs with the release in finish(). acquire S: with that in spawn() */
    return pawl_load_acquire(&task->waiters) == PAWL_TASK_NOBODY_;
}

/* True: now it is the caller's to queue. False: it was neither idle nor done. By one thread at a time. */
static inline bool pawl_task_state_spawn_(struct pawl_task *task)
{
    /* acquire F: pairs with the release in finish(): what was left by the life before */
    if (pawl_load_acquire(&task->waiters) != PAWL_TASK_NOBODY_)
        return false;
    /* release W: pairs with the acquire in begin(); the queue publishes the task as well. Notes of late wakers
     * are wiped out: the run that is owed now comes after them. */
    pawl_store_release(&task->state, (uint32_t)PAWL_TASK_WOKEN_);
    /* release S: pairs with the acquires in done() and join(): the notes of who sees it alive come after the store above and stay.
     * Nobody else changes NOBODY; who sees NULL may wait for a completion that comes later. */
    pawl_store_release(&task->waiters, NULL);
    return true;
}

/* Leaves `notes`, WOKEN among them. True: the caller must queue it. */
static inline bool pawl_task_state_wake_(struct pawl_task *task, uint32_t notes)
{
    /* release W: pairs with the acquire in begin(), publishes what the run is to find. The read-modify-writes on the
     * state are one release sequence: the run acquires from all whose notes it answers. acquire R: pairs with the
     * release in wait(), for who must queue it: its link was another queue's before. */
    return (pawl_fetch_or_acq_rel(&task->state, notes) & (PAWL_TASK_RUNNING_ | PAWL_TASK_WOKEN_)) == 0;
}

/* The run begins: notes up to here are answered by it. */
static inline void pawl_task_state_begin_(struct pawl_task *task)
{
    uint32_t state = pawl_load_relaxed(&task->state); /* relaxed: the CAS decides */

    /* acquire W, R: pairs with the releases of wakes and of the run before. Repeats when a note came meanwhile. */
    while (!pawl_cas_weak_acquire(&task->state, &state,
                                  (state | PAWL_TASK_RUNNING_) & ~(uint32_t)PAWL_TASK_WOKEN_))
        ;
}

/* The run ends with PAWL_TASK_WAIT. True: a note came meanwhile, the caller must queue it. False: it must not touch the
 * task any more. */
static inline bool pawl_task_state_wait_(struct pawl_task *task)
{
    /* release R: pairs with the acquire in begin(). Who is answered with true goes on to the same begin() by way of a
     * queue. */
    return (pawl_fetch_and_release(&task->state, ~(uint32_t)PAWL_TASK_RUNNING_) & PAWL_TASK_WOKEN_) != 0;
}

/* Completed. The answer are those to be told, the last first; the task may be gone already. */
static inline struct pawl_task_waiter *pawl_task_state_finish_(PAWL_ATOMIC(struct pawl_task_waiter *) *
                                                               waiters)
{
    /* release F: pairs with the acquires of who sees it done. acquire F1: pairs with the release in join(), publishes
     * the waiters. */
    return pawl_exchange_acq_rel(waiters, PAWL_TASK_NOBODY_);
}

/* True: waiter->wake(waiter) will be called. False: it has completed. */
static inline bool pawl_task_state_join_(PAWL_ATOMIC(struct pawl_task_waiter *) * waiters,
                                         struct pawl_task_waiter *waiter)
{
    /* acquire F: pairs with the release in finish(), where the answer is false */
    struct pawl_task_waiter *first = pawl_load_acquire(waiters);

    do {
        if (first == PAWL_TASK_NOBODY_)
            return false;
        waiter->next = first;
        /* release F1: pairs with the acquire in finish(). acquire F on failure, as above. */
    } while (!pawl_cas_weak_acq_rel(waiters, &first, waiter));
    return true;
}

#endif
