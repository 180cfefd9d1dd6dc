/* SPDX-License-Identifier: MIT */
/* Tasks: spawn, wake, cancel, join; one run. */
#include "../core/sync/fail.h"
#include "task_state.h"
#include "worker.h"

#include <errno.h>
#include <pawl/clock.h>

PAWL_STATIC_ASSERT(PAWL_RT_WORKERS_MAX < UINT16_MAX, "task->home has room for each");

void pawl_task_init(struct pawl_task *task, enum pawl_task_next (*run)(struct pawl_task *task), int flags)
{
    *task = (struct pawl_task){.flags = (uint16_t)(flags & PAWL_TASK_URGENT), .run = run};
    pawl_task_state_init_(task);
}

void pawl_task_on_done(struct pawl_task *task, void (*done)(struct pawl_task *task))
{
    task->done = done;
}

/* The calling thread's worker, if it is one of this runtime and may change its own structures now. */
static struct pawl_worker *own_worker(const struct pawl_rt *rt)
{
    struct pawl_worker *worker = pawl_worker_here_();

    return worker != NULL && worker->rt == rt && !pawl_worker_is_in_(worker) ? worker : NULL;
}

static void ready(struct pawl_rt *rt, struct pawl_task *task)
{
    struct pawl_worker *worker = own_worker(rt);

    if (PAWL_LIKELY(worker != NULL)) {
        pawl_worker_in_(worker);
        pawl_worker_ready_(worker, task);
        pawl_worker_out_(worker);
    } else if (PAWL_LIKELY(rt->generation == pawl_rt_generation_())) { /* else nobody is there to run it */
        /* The runtime may end as soon as the task is visible: pawl_rt_close() waits for this section. */
        pawl_rcu_read_lock();
        pawl_rt_inject_(rt, task);
        pawl_rcu_read_unlock();
    }
}

/* From outside of the workers: it may be too late. In a section: pawl_rt_close() first says that it closes, then waits for
 * the sections that have not seen it, and only then lets the runtime end: what is counted here is counted in time. And as
 * soon as the task is visible, the runtime's memory is there only because of the section. */
static int spawn_outside(struct pawl_rt *rt, struct pawl_task *task)
{
    int status = 0;

    if (PAWL_UNLIKELY(rt->generation != pawl_rt_generation_()))
        return -ECHILD;
    /* Who ran the task last has its line: one transfer now, for the look and the changes. */
    pawl_prefetch_write(task);
    pawl_rcu_read_lock();
    if (PAWL_UNLIKELY(!pawl_rt_may_begin_(rt))) {
        status = -EPIPE;
    } else if (!pawl_task_state_spawn_(task)) {
        status = -EBUSY;
    } else {
        task->rt = rt;
        task->home = 0;
        pawl_tally_began_(&rt->outside);
        pawl_rt_inject_(rt, task);
    }
    pawl_rcu_read_unlock();
    return status;
}

int pawl_task_spawn(struct pawl_rt *rt, struct pawl_task *task)
{
    struct pawl_worker *worker = own_worker(rt);

    if (PAWL_UNLIKELY(worker == NULL))
        return spawn_outside(rt, task);
    if (PAWL_UNLIKELY(rt->generation != pawl_rt_generation_()))
        return -ECHILD;
    if (PAWL_UNLIKELY(!pawl_task_state_spawn_(task)))
        return -EBUSY;
    task->rt = rt;
    task->home = 0;
    pawl_worker_in_(worker);
    pawl_tally_began_own_(&worker->counts.tally);
    pawl_worker_ready_(worker, task);
    pawl_worker_out_(worker);
    return 0;
}

static void wake_with(struct pawl_task *task, uint32_t notes)
{
    if (pawl_task_state_wake_(task, PAWL_TASK_WOKEN_ | notes))
        ready(task->rt, task);
}

void pawl_task_wake(struct pawl_task *task)
{
    wake_with(task, 0);
}

int pawl_task_cancel(struct pawl_task *task)
{
    if (pawl_task_state_done_(task))
        return -EALREADY;
    wake_with(task, PAWL_TASK_CANCELLED_);
    return 0;
}

int pawl_task_cancelled(const struct pawl_task *task)
{
    /* relaxed: the run that a cancellation leads to has acquired it; an earlier run may learn of it or not */
    uint32_t state = pawl_load_relaxed(&task->state);

    if (PAWL_LIKELY((state & (PAWL_TASK_CANCELLED_ | PAWL_TASK_EXPIRED_)) == 0))
        return pawl_rt_closing_(task->rt) ? -ECANCELED : 0;
    return (state & PAWL_TASK_EXPIRED_) != 0 ? -ETIMEDOUT : -ECANCELED;
}

bool pawl_task_done(const struct pawl_task *task)
{
    return pawl_task_state_done_(task);
}

/* ---- joins ---- */

int pawl_task_notify(struct pawl_task *task, struct pawl_task_waiter *waiter)
{
    if (task->done != NULL)
        return -EINVAL;
    return pawl_task_state_join_(&task->waiters, waiter) ? 0 : -EALREADY;
}

/* A thread that waits. */
struct joiner {
    struct pawl_task_waiter waiter;
    struct pawl_parker parker;
};

static void wake_thread(struct pawl_task_waiter *waiter)
{
    pawl_unpark(&pawl_task_of(waiter, struct joiner, waiter)->parker);
}

static int join_thread(PAWL_ATOMIC(struct pawl_task_waiter *) * waiters)
{
    struct joiner joiner = {.waiter = {.wake = wake_thread}};

    if (pawl_worker_here_() != NULL)
        return -EDEADLK;
    pawl_parker_init(&joiner.parker, PAWL_PRIVATE);
    if (pawl_task_state_join_(waiters, &joiner.waiter))
        (void)pawl_park(&joiner.parker, PAWL_FOREVER);
    return 0;
}

int pawl_task_join(struct pawl_task *task)
{
    return task->done != NULL ? -EINVAL : join_thread(&task->waiters);
}

static void wake_task(struct pawl_task_waiter *waiter)
{
    pawl_task_wake(waiter->task);
}

static int join_task(PAWL_ATOMIC(struct pawl_task_waiter *) * waiters, struct pawl_task_waiter *waiter,
                     struct pawl_task *self)
{
    /* acquire F: pairs with the release in pawl_task_state_finish_() */
    if (pawl_load_acquire(waiters) == PAWL_TASK_NOBODY_) {
        waiter->linked = false;
        return 0;
    }
    if (waiter->linked)
        return -EAGAIN;
    *waiter = (struct pawl_task_waiter){.wake = wake_task, .task = self, .linked = true};
    if (pawl_task_state_join_(waiters, waiter))
        return -EAGAIN;
    waiter->linked = false;
    return 0;
}

int pawl_task_await(struct pawl_task *task, struct pawl_task_waiter *waiter, struct pawl_task *self)
{
    return task->done != NULL ? -EINVAL : join_task(&task->waiters, waiter, self);
}

/* The last touch of what the waiters belong to has been made before. */
static void tell(struct pawl_task_waiter *waiter)
{
    while (waiter != NULL) {
        struct pawl_task_waiter *next = waiter->next; /* its memory ends with the call */

        waiter->wake(waiter);
        waiter = next;
    }
}

/* ---- deadlines ---- */

static void deadline_done(struct pawl_alarm *alarm, int status)
{
    struct pawl_task_deadline *deadline = pawl_task_of(alarm, struct pawl_task_deadline, alarm);

    if (status == 0 && !pawl_task_state_done_(deadline->task))
        wake_with(deadline->task, PAWL_TASK_EXPIRED_);
    tell(pawl_task_state_finish_(&deadline->waiters));
}

void pawl_task_deadline_init(struct pawl_task_deadline *deadline, struct pawl_task *task)
{
    *deadline = (struct pawl_task_deadline){.task = task};
    pawl_alarm_init(&deadline->alarm, deadline_done);
    pawl_store_relaxed(&deadline->waiters, PAWL_TASK_NOBODY_); /* relaxed: nobody has it yet */
}

int pawl_task_deadline_start(struct pawl_task_deadline *deadline, uint64_t at)
{
    struct pawl_task_waiter *nobody = PAWL_TASK_NOBODY_;
    int status;

    /* acquire F: pairs with the release in pawl_task_state_finish_() */
    if (!pawl_cas_acquire(&deadline->waiters, &nobody, NULL))
        return -EBUSY;
    status = pawl_alarm_start(deadline->task->rt, &deadline->alarm, at);
    if (status != 0)
        tell(pawl_task_state_finish_(&deadline->waiters));
    return status;
}

int pawl_task_deadline_stop(struct pawl_task_deadline *deadline, struct pawl_task *self)
{
    if (self == NULL && pawl_worker_here_() != NULL)
        return -EDEADLK;
    (void)pawl_alarm_cancel(
        &deadline->alarm); /* idle, or it is just completing: then there is only to wait */
    return self == NULL ? join_thread(&deadline->waiters)
                        : join_task(&deadline->waiters, &deadline->waiter, self);
}

/* ---- the tasks that have waited, by worker ---- */

static void live_link(struct pawl_worker *worker, struct pawl_task *task)
{
    pawl_mutex_lock(&worker->live_lock);
    task->home = (uint16_t)(worker->index + 1);
    task->live_next = worker->live;
    task->live_link = &worker->live;
    if (worker->live != NULL)
        worker->live->live_link = &task->live_next;
    worker->live = task;
    pawl_mutex_unlock(&worker->live_lock);
    /* Those that come when the worker has cancelled its tasks: it never does it again. */
    if (PAWL_UNLIKELY(worker->closing))
        (void)pawl_task_state_wake_(task,
                                    PAWL_TASK_WOKEN_ | PAWL_TASK_CANCELLED_); /* it runs: no more to do */
}

static void live_unlink(struct pawl_rt *rt, struct pawl_task *task)
{
    struct pawl_worker *home = &rt->worker[task->home - 1];

    pawl_mutex_lock(&home->live_lock);
    *task->live_link = task->live_next;
    if (task->live_next != NULL)
        task->live_next->live_link = task->live_link;
    pawl_mutex_unlock(&home->live_lock);
    task->home = 0;
}

void pawl_worker_cancel_all_(struct pawl_worker *worker)
{
    pawl_mutex_lock(&worker->live_lock);
    for (struct pawl_task *task = worker->live; task != NULL; task = task->live_next)
        if (pawl_task_state_wake_(task, PAWL_TASK_WOKEN_ | PAWL_TASK_CANCELLED_))
            pawl_worker_ready_(worker, task);
    pawl_mutex_unlock(&worker->live_lock);
}

/* ---- a run ---- */

static void finish(struct pawl_worker *worker, struct pawl_task *task)
{
    void (*done)(struct pawl_task *) = task->done;
    struct pawl_task_waiter *waiter;

    if (task->home != 0)
        live_unlink(worker->rt, task);
    waiter = pawl_task_state_finish_(&task->waiters);
    pawl_worker_out_(worker);
    tell(waiter);
    if (done != NULL)
        done(task);
    pawl_worker_in_(worker);
    pawl_tally_ended_own_(&worker->counts.tally); /* last, so that the runtime cannot end before */
}

void pawl_task_run_(struct pawl_worker *worker, struct pawl_task *task)
{
    enum pawl_task_next next;

    pawl_task_state_begin_(task);
    pawl_count_(&worker->counts.tasks, 1);
    worker->running = task;
    pawl_worker_out_(worker);
    next = task->run(task);
    pawl_worker_back_(worker);
    worker->running = NULL;
    if (PAWL_LIKELY(next == PAWL_TASK_DONE)) {
        finish(worker, task);
    } else if (next == PAWL_TASK_WAIT) {
        if (task->home == 0)
            live_link(worker, task);
        if (pawl_task_state_wait_(task))
            pawl_worker_ready_(worker, task);
    } else if (next == PAWL_TASK_AGAIN) {
        task->next = NULL;
        *worker->again_end = task;
        worker->again_end = &task->next;
    } else {
        pawl_sync_fail("a task's function", "returned what is no enum pawl_task_next");
    }
}

struct pawl_task *pawl_task_self(void)
{
    const struct pawl_worker *worker = pawl_worker_here_();

    return worker != NULL ? worker->running : NULL;
}

bool pawl_task_should_yield(void)
{
    const struct pawl_worker *worker = pawl_worker_here_();

    return worker != NULL && (int64_t)(pawl_clock_cycles() - worker->slice_end) >= 0;
}
