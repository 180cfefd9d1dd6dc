/* SPDX-License-Identifier: MIT */
/* Everything is decided under the lock. A thread without a job puts itself into `idle` and parks; who pushes a job takes
 * one out of there and unparks it. A thread whose patience ends takes itself out, unless somebody has done so already:
 * then the token is on its way, and a job is there. */
#include "pool.h"

#include <pawl/block.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

void pawl_pool_init_(struct pawl_pool *pool, uint32_t threads_max, uint32_t queue_max, uint64_t idle_ns,
                     void (*run)(struct pawl_job *job))
{
    *pool = (struct pawl_pool){.threads_max = threads_max,
                               .queue_max = queue_max,
                               .idle_ns = idle_ns,
                               .run = run};
    pawl_mutex_init(&pool->lock, PAWL_PRIVATE);
    pawl_parker_init(&pool->closer, PAWL_PRIVATE);
}

/* ---- the queue, under the lock ---- */

static void append(struct pawl_pool *pool, struct pawl_job *job)
{
    /* release Q: pairs with the acquire in pawl_pool_has_(), publishes the call */
    pawl_store_release(&job->state, (uint32_t)PAWL_JOB_QUEUED_);
    job->next = NULL;
    job->prev = pool->last;
    if (pool->last == NULL)
        pool->first = job;
    else
        pool->last->next = job;
    pool->last = job;
    pool->queued++;
}

static void take_out(struct pawl_pool *pool, struct pawl_job *job, uint32_t state)
{
    if (job->prev == NULL)
        pool->first = job->next;
    else
        job->prev->next = job->next;
    if (job->next == NULL)
        pool->last = job->prev;
    else
        job->next->prev = job->prev;
    /* release Q: as in append() */
    pawl_store_release(&job->state, state);
    pool->queued--;
}

/* ---- threads ---- */

/* Out of the idle ones. The lock is held. False: somebody was quicker. */
static bool leave_idle(struct pawl_pool *pool, struct pawl_pool_thread *self)
{
    struct pawl_pool_thread **link = &pool->idle;

    if (!self->idle)
        return false;
    while (*link != self)
        link = &(*link)->idle_next;
    *link = self->idle_next;
    self->idle = false;
    return true;
}

/* Waits for something to do. The lock is held, before and after. False: nothing came. */
static bool wait_idle(struct pawl_pool *pool, struct pawl_pool_thread *self)
{
    int status;

    self->idle = true;
    self->idle_next = pool->idle;
    pool->idle = self;
    pawl_mutex_unlock(&pool->lock);
    status = pawl_park(&self->parker, pawl_deadline(pool->idle_ns));
    pawl_mutex_lock(&pool->lock);
    if (status == 0)
        return true;
    if (leave_idle(pool, self))
        return false;
    /* the token is on its way: nobody may touch the parker when this thread has gone */
    pawl_mutex_unlock(&pool->lock);
    (void)pawl_park(&self->parker, PAWL_FOREVER);
    pawl_mutex_lock(&pool->lock);
    return true;
}

static void join_thread(struct pawl_pool_thread *thread)
{
    if (thread != NULL) {
        (void)pthread_join(thread->thread, NULL);
        free(thread);
    }
}

static void *serve(void *argument)
{
    struct pawl_pool_thread *self = argument, *before;
    struct pawl_pool *pool = self->pool;
    struct pawl_job *job;
    bool last;

    pawl_mutex_lock(&pool->lock);
    for (;;) {
        while ((job = pool->first) != NULL) {
            take_out(pool, job, PAWL_JOB_TAKEN_);
            pawl_mutex_unlock(&pool->lock);
            pool->run(job);
            pawl_mutex_lock(&pool->lock);
        }
        if (pool->closing || !wait_idle(pool, self))
            break;
    }
    before = pool->ended;
    pool->ended = self;
    last = --pool->threads == 0 && pool->awaited;
    pawl_mutex_unlock(&pool->lock);
    if (last)
        pawl_unpark(&pool->closer); /* which may free the pool */
    join_thread(before);
    return NULL;
}

/* Its signals are for others. Returns 0 or -EAGAIN. */
static int start_thread(struct pawl_pool *pool)
{
    struct pawl_pool_thread *thread = malloc(sizeof *thread);
    sigset_t all, before;
    int status;

    if (thread == NULL)
        return -EAGAIN;
    *thread = (struct pawl_pool_thread){.pool = pool};
    pawl_parker_init(&thread->parker, PAWL_PRIVATE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&thread->thread, NULL, serve, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != 0) {
        free(thread);
        return -EAGAIN;
    }
    return 0;
}

/* ---- who has jobs ---- */

int pawl_pool_push_(struct pawl_pool *pool, struct pawl_job *job, const struct pawl_job_call *call)
{
    struct pawl_pool_thread *idle;
    int status = 0;

    pawl_mutex_lock(&pool->lock);
    if (pool->closing)
        status = -EPIPE;
    else if (pawl_load_relaxed(&job->state) != PAWL_JOB_IDLE_) /* relaxed: under the lock */
        status = -EBUSY;
    else if (pool->queued >= pool->queue_max)
        status = -EAGAIN;
    if (status != 0) {
        pawl_mutex_unlock(&pool->lock);
        return status;
    }
    idle = pool->idle;
    if (idle != NULL) {
        leave_idle(pool, idle);
    } else if (pool->threads < pool->threads_max && start_thread(pool) == 0) {
        pool->threads++;
    } else if (pool->threads == 0) {
        pawl_mutex_unlock(&pool->lock);
        return -EAGAIN;
    }
    job->call = *call;
    append(pool, job);
    pawl_mutex_unlock(&pool->lock);
    if (idle != NULL)
        pawl_unpark(&idle->parker); /* it waits for this, whatever it finds then */
    return 0;
}

bool pawl_pool_has_(const struct pawl_job *job)
{
    /* acquire Q: pairs with the releases of those who change it, the call is as it was queued */
    return pawl_load_acquire(&job->state) != PAWL_JOB_IDLE_;
}

int pawl_pool_take_back_(struct pawl_pool *pool, struct pawl_job *job)
{
    uint32_t state;

    pawl_mutex_lock(&pool->lock);
    state = pawl_load_relaxed(&job->state); /* relaxed: under the lock */
    if (state == PAWL_JOB_QUEUED_)
        take_out(pool, job, PAWL_JOB_CANCELLED_);
    pawl_mutex_unlock(&pool->lock);
    return state == PAWL_JOB_QUEUED_ ? 0 : state == PAWL_JOB_TAKEN_ ? -EBUSY : -EALREADY;
}

void pawl_pool_forget_(struct pawl_pool *pool, struct pawl_job *job)
{
    pawl_mutex_lock(&pool->lock);
    pawl_store_relaxed(&job->state, (uint32_t)PAWL_JOB_IDLE_); /* relaxed: who sees it looks no further */
    pawl_mutex_unlock(&pool->lock);
}

struct pawl_job *pawl_pool_end_(struct pawl_pool *pool)
{
    struct pawl_job *jobs;
    struct pawl_pool_thread *idle, *next;

    pawl_mutex_lock(&pool->lock);
    pool->closing = true;
    jobs = pool->first;
    for (struct pawl_job *job = jobs; job != NULL; job = job->next)
        pawl_store_release(&job->state, (uint32_t)PAWL_JOB_CANCELLED_); /* release Q: as in append() */
    pool->first = pool->last = NULL;
    pool->queued = 0;
    idle = pool->idle;
    pool->idle = NULL;
    for (struct pawl_pool_thread *thread = idle; thread != NULL; thread = thread->idle_next)
        thread->idle = false;
    pawl_mutex_unlock(&pool->lock);
    for (; idle != NULL; idle = next) {
        next = idle->idle_next; /* with its token the thread may go */
        pawl_unpark(&idle->parker);
    }
    return jobs;
}

void pawl_pool_fini_(struct pawl_pool *pool)
{
    pawl_mutex_lock(&pool->lock);
    if (pool->threads > 0) {
        pool->awaited = true;
        pawl_mutex_unlock(&pool->lock);
        (void)pawl_park(&pool->closer, PAWL_FOREVER);
        pawl_mutex_lock(&pool->lock);
    }
    pawl_mutex_unlock(&pool->lock);
    join_thread(pool->ended);
}
