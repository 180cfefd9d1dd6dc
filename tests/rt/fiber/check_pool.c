/* SPDX-License-Identifier: MIT */
/* A closure of the pool for calls that block, for the model checker: jobs that come while threads go idle, or end.
 *
 *   -DJOBS=n     so many jobs, queued one after the other
 *   -DMOST=n     threads at most
 *   -DCANCEL=1   another thread takes the last job back, once it is queued
 *   -DTWO=1      another thread queues the last job
 *
 * A thread's patience may end at any moment; at the end all have gone. Every job that was accepted has run once, or was taken back.
 * Mutants that survive, and why: docs/fiber.md. */
#include <pawl/mutex.h>

#include <assert.h>
#include <pthread.h>

/* The mutex has closures of its own: here it is one that the checker knows. */
static pthread_mutex_t the_lock = PTHREAD_MUTEX_INITIALIZER;
#define pawl_mutex_init(mutex, flags) ((void)(mutex))
#define pawl_mutex_lock(mutex) pthread_mutex_lock(&the_lock)
#define pawl_mutex_unlock(mutex) pthread_mutex_unlock(&the_lock)

#include <pawl/block.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* A parker may be freed by the thread that has its last token while who put it there still names its address to the kernel
 * (<pawl/park.h>). The checker takes that for an access. */
static char threads_memory[4][128] __attribute__((aligned(64)));
static int threads_made; /* under the lock */
#define malloc(bytes) ((void *)threads_memory[threads_made++])
#define free(thread) ((void)(thread))

#include "../../../src/rt/pool.c"

#ifndef JOBS
#define JOBS 1
#endif
#ifndef MOST
#define MOST 1
#endif
#ifndef CANCEL
#define CANCEL 0
#endif
#ifndef TWO
#define TWO 0
#endif

static struct pawl_pool pool;
static struct pawl_job jobs[JOBS];
static int ran[JOBS]; /* plain: the job's own */
static int prepared[JOBS];
static int taken_back;

static void run(struct pawl_job *job)
{
    long i = job - jobs;

    assert(prepared[i] == 1); /* J */
    assert(job->call.arg == &ran[i]);
    ran[i]++;
    pawl_pool_forget_(&pool, job);
}

static void queue(int i)
{
    struct pawl_job_call call = {.arg = &ran[i]};

    prepared[i] = 1;
    assert(pawl_pool_push_(&pool, &jobs[i], &call) == 0);
}

static void *queue_last(void *unused)
{
    (void)unused;
    queue(JOBS - 1);
    return NULL;
}

static void *cancel_last(void *unused)
{
    struct pawl_job *job = &jobs[JOBS - 1];
    int status = -EALREADY;

    (void)unused;
    if (pawl_pool_has_(job)) {
        assert(job->call.arg == &ran[JOBS - 1]); /* Q */
        status = pawl_pool_take_back_(&pool, job);
    }
    assert(status == 0 || status == -EBUSY || status == -EALREADY);
    taken_back = status == 0;
    return NULL;
}

int main(void)
{
    pthread_t other;

    pawl_pool_init_(&pool, MOST, JOBS, 1, run);
    if (TWO || CANCEL)
        pthread_create(&other, NULL, TWO ? queue_last : cancel_last, NULL);
    for (int i = 0; i < JOBS - TWO; i++)
        queue(i);
    if (TWO || CANCEL)
        pthread_join(other, NULL);
    for (struct pawl_job *job = pawl_pool_end_(&pool); job != NULL; job = job->next)
        ran[job - jobs]++;
    pawl_pool_fini_(&pool);
    for (int i = 0; i < JOBS; i++)
        assert(ran[i] == (i == JOBS - 1 && taken_back ? 0 : 1));
    assert(pool.threads == 0 && pool.idle == NULL && pool.first == NULL);
    return 0;
}
