/* SPDX-License-Identifier: MIT */
/* Threads that make calls which block: a bounded number, which come and go. */
#ifndef PAWL_RT_POOL_H
#define PAWL_RT_POOL_H

#include <pawl/mutex.h>
#include <pawl/park.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pawl_job;
struct pawl_job_call;
struct pawl_rt;

/* On the heap; joined by the thread of the pool that ends after it, the last by who closes. */
struct pawl_pool_thread {
    pthread_t thread;
    struct pawl_pool *pool;
    struct pawl_parker parker;          /* its token: it was taken out of `idle` */
    struct pawl_pool_thread *idle_next; /* in pool->idle */
    bool idle;
};

struct pawl_pool {
    uint32_t threads_max, queue_max;
    uint64_t idle_ns;
    void (*run)(struct pawl_job *job); /* makes the call and completes the job */
    struct pawl_mutex lock;
    /* below: under the lock */
    uint32_t threads, queued;
    bool closing;
    struct pawl_job *first, *last;
    struct pawl_pool_thread *idle;  /* the one that has just become so first: the others may end */
    struct pawl_pool_thread *ended; /* not joined yet */
    bool awaited;                   /* by who closes */
    struct pawl_parker closer;
};

enum { PAWL_JOB_IDLE_, PAWL_JOB_QUEUED_, PAWL_JOB_TAKEN_, PAWL_JOB_CANCELLED_ };

void pawl_pool_init_(struct pawl_pool *pool, uint32_t threads_max, uint32_t queue_max, uint64_t idle_ns,
                     void (*run)(struct pawl_job *job));

/* job->call = *call, and behind the others. Returns 0, -EAGAIN (full, or there is no thread and none can be started),
 * -EPIPE, -EBUSY (the job is not idle). */
int pawl_pool_push_(struct pawl_pool *pool, struct pawl_job *job, const struct pawl_job_call *call);

/* Whether the job is not idle; then job->call can be read. No lock is needed. */
bool pawl_pool_has_(const struct pawl_job *job);

/* Takes a job out that no thread has: 0, else -EBUSY, -EALREADY. */
int pawl_pool_take_back_(struct pawl_pool *pool, struct pawl_job *job);

/* No more jobs; those that wait are taken out and returned, linked by `next`, as jobs that were cancelled. */
struct pawl_job *pawl_pool_end_(struct pawl_pool *pool);

/* The job may be queued again, or freed. */
void pawl_pool_forget_(struct pawl_pool *pool, struct pawl_job *job);

/* After end: waits until the last thread has gone. */
void pawl_pool_fini_(struct pawl_pool *pool);

/* ---- of a runtime ---- */

/* Whether the calling thread is in a job of that runtime, or in its done(). */
bool pawl_block_runs_for_(const struct pawl_rt *rt);
/* It closes: cancels what has not begun. */
void pawl_block_end_(struct pawl_rt *rt);
/* Its workers have ended. */
void pawl_block_close_(struct pawl_rt *rt);

#endif
