/* SPDX-License-Identifier: MIT */
/* The jobs of a runtime: from the caller to the pool, and the result back. */
#include "fiber.h"
#include "pool.h"
#include "worker.h"

#include <pawl/block.h>
#include <pawl/fiber.h>

#include <errno.h>
#include <stdlib.h>

enum { THREADS_MAX = 64, QUEUE_MAX = 1024 };

static const uint64_t IDLE_NS = UINT64_C(10000000000);

PAWL_STATIC_ASSERT(sizeof(struct pawl_message) <= sizeof(((struct pawl_job *)0)->message),
                   "room for the message");

static struct pawl_message *message_of(struct pawl_job *job)
{
    return (struct pawl_message *)(void *)job->message;
}

void pawl_job_init(struct pawl_job *job, void (*done)(struct pawl_job *job, int64_t result))
{
    *job = (struct pawl_job){.done = done};
}

/* The job's last touch by the runtime is done(), or its task's wake. */
static void complete(struct pawl_job *job)
{
    struct pawl_rt *rt = job->call.rt;
    struct pawl_task *task = job->task;
    /* relaxed: nobody changes it any more */
    int status = pawl_load_relaxed(&job->state) == PAWL_JOB_CANCELLED_ ? -ECANCELED : 0;

    /* acquire K: pairs with the release in pool_of() */
    pawl_pool_forget_(pawl_load_acquire(&rt->pool), job);
    if (job->call.fiber != NULL)
        pawl_fiber_resume_(job->call.fiber, status);
    else if (job->done != NULL)
        job->done(job, job->result);
    if (task != NULL)
        pawl_task_wake(task);
    pawl_rt_release_(rt);
}

static void arrived(struct pawl_message *message, struct pawl_worker *worker)
{
    (void)worker;
    complete(pawl_mpsc_of(message, struct pawl_job, message));
}

static void finish(struct pawl_job *job, int64_t result)
{
    job->result = result;
    if (job->call.worker != NULL) {
        message_of(job)->run = arrived;
        pawl_worker_send_(job->call.worker, message_of(job));
    } else {
        complete(job);
    }
}

/* On a worker, as it must not be inside the call that cancels. */
static void cancelled(struct pawl_job *job)
{
    if (job->call.worker == NULL)
        job->call.worker = &job->call.rt->worker[0];
    finish(job, -ECANCELED);
}

/* Whose job the calling thread makes, or tells the end of; NULL: nobody's. */
static __thread const struct pawl_rt *running_for;

/* By a thread of the pool. */
static void run(struct pawl_job *job)
{
    running_for = job->call.rt;
    finish(job, job->call.fn(job->call.arg));
    running_for = NULL;
}

bool pawl_block_runs_for_(const struct pawl_rt *rt)
{
    return running_for == rt;
}

/* The runtime's pool, made when it is first needed. NULL: no memory. */
static struct pawl_pool *pool_of(struct pawl_rt *rt)
{
    /* acquire K: pairs with the release below */
    struct pawl_pool *pool = pawl_load_acquire(&rt->pool), *others = NULL;

    if (PAWL_LIKELY(pool != NULL))
        return pool;
    pool = malloc(sizeof *pool);
    if (pool == NULL)
        return NULL;
    pawl_pool_init_(pool, rt->block_threads != 0 ? rt->block_threads : THREADS_MAX,
                    rt->block_queue != 0 ? rt->block_queue : QUEUE_MAX, IDLE_NS, run);
    /* release K: publishes it; acquire K, if somebody else was quicker */
    if (pawl_cas_acq_rel(&rt->pool, &others, pool))
        return pool;
    free(pool);
    return others;
}

static int queue(struct pawl_rt *rt, struct pawl_job *job, int64_t (*fn)(void *arg), void *arg,
                 struct pawl_fiber *fiber)
{
    struct pawl_job_call call = {.fn = fn, .arg = arg, .rt = rt, .fiber = fiber};
    struct pawl_worker *here = pawl_worker_here_();
    struct pawl_pool *pool;
    int status = pawl_rt_hold_(rt);

    if (status != 0)
        return status;
    pool = pool_of(rt);
    if (pool == NULL) {
        pawl_rt_release_(rt);
        return -ENOMEM;
    }
    call.worker = here != NULL && here->rt == rt ? here : NULL;
    status = pawl_pool_push_(pool, job, &call);
    if (status != 0)
        pawl_rt_release_(rt);
    return status;
}

int pawl_block(struct pawl_rt *rt, struct pawl_job *job, int64_t (*fn)(void *arg), void *arg)
{
    return queue(rt, job, fn, arg, NULL);
}

/* Its runtime is there. */
static int take_back(struct pawl_job *job)
{
    struct pawl_rt *rt = job->call.rt;
    int status;

    if (rt->generation != pawl_rt_generation_())
        return -ECHILD; /* now: whoever had the pool's lock is not there to give it back */
    status = pawl_pool_take_back_(pawl_load_acquire(&rt->pool), job); /* K: as above */
    if (status == 0)
        cancelled(job);
    return status;
}

int pawl_block_cancel(struct pawl_job *job)
{
    int status = -EALREADY;

    /* A job that is not idle holds its runtime; and if that is let go of meanwhile, pawl_rt_close() waits for this section. */
    pawl_rcu_read_lock();
    if (pawl_pool_has_(job))
        status = take_back(job);
    pawl_rcu_read_unlock();
    return status;
}

static void withdraw(struct pawl_fiber *fiber, void *object)
{
    (void)fiber;
    (void)pawl_block_cancel(object); /* refused: a thread has it, and the fiber waits for that */
}

int pawl_block_await(int64_t (*fn)(void *arg), void *arg, int64_t *result)
{
    struct pawl_fiber *self = pawl_fiber_here_(__func__);
    struct pawl_job job;
    int status;

    if (pawl_fiber_cancelled() != 0)
        return -ECANCELED;
    pawl_job_init(&job, NULL);
    status = queue(pawl_fiber_owner_(self)->rt, &job, fn, arg, self);
    if (status != 0)
        return status;
    status = (int)pawl_fiber_wait_(self, withdraw, &job);
    if (status == 0)
        *result = job.result;
    return status;
}

void pawl_block_end_(struct pawl_rt *rt)
{
    struct pawl_pool *pool = pool_of(rt); /* made now, if it was not yet: nobody makes another */
    struct pawl_job *job = pool == NULL ? NULL : pawl_pool_end_(pool), *next;

    for (; job != NULL; job = next) {
        next = job->next;
        cancelled(job);
    }
}

void pawl_block_close_(struct pawl_rt *rt)
{
    struct pawl_pool *pool = pawl_load_acquire(&rt->pool); /* K: as above */

    if (pool == NULL)
        return;
    if (rt->generation == pawl_rt_generation_()) /* else a child of fork(), in which the threads are not */
        pawl_pool_fini_(pool);
    free(pool);
}
