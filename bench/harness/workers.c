/* SPDX-License-Identifier: MIT */
#include "workers.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum {
    SPINS_BEFORE_YIELD = 2000, /* tens of microseconds: longer than a wake-up on an idle CPU */
};

struct worker {
    struct bench_workers *all;
    pthread_t thread;
    unsigned index;
    int cpu;
};

struct bench_workers {
    pthread_mutex_t lock; /* protects everything below it */
    pthread_cond_t start;
    pthread_cond_t done;
    uint64_t round; /* counts jobs; a worker runs each round once */
    unsigned active;
    unsigned running;
    int error; /* of a thread that could not be pinned */
    bool stop;
    void (*job)(unsigned index, void *argument);
    void *argument;

    unsigned count;
    struct worker worker[];
};

static void finish(struct bench_workers *all)
{
    if (--all->running == 0)
        pthread_cond_signal(&all->done);
}

static void *work(void *argument)
{
    struct worker *self = argument;
    struct bench_workers *all = self->all;
    const int error = self->cpu >= 0 ? bench_cpus_pin(self->cpu) : 0;
    uint64_t seen = 0;

    pthread_mutex_lock(&all->lock);
    if (error != 0)
        all->error = error;
    finish(all);
    for (;;) {
        while (!all->stop && (all->round == seen || self->index >= all->active))
            pthread_cond_wait(&all->start, &all->lock);
        if (all->stop)
            break;
        seen = all->round;
        pthread_mutex_unlock(&all->lock);
        all->job(self->index, all->argument);
        pthread_mutex_lock(&all->lock);
        finish(all);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

static void wait_until_idle(struct bench_workers *workers)
{
    while (workers->running != 0)
        pthread_cond_wait(&workers->done, &workers->lock);
}

int bench_workers_open(struct bench_workers **workers, unsigned count, const struct bench_cpus *cpus,
                       bool pin)
{
    struct bench_workers *all = calloc(1, sizeof(*all) + count * sizeof(all->worker[0]));
    int error = 0;

    *workers = NULL;
    if (all == NULL)
        return -ENOMEM;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->start, NULL);
    pthread_cond_init(&all->done, NULL);

    pthread_mutex_lock(&all->lock);
    while (all->count < count && error == 0) {
        struct worker *worker = &all->worker[all->count];

        worker->all = all;
        worker->index = all->count;
        worker->cpu = pin ? cpus->ids[all->count % cpus->count] : -1;
        error = -pthread_create(&worker->thread, NULL, work, worker);
        if (error == 0) {
            ++all->running;
            ++all->count;
        }
    }
    wait_until_idle(all);
    if (error == 0)
        error = all->error;
    pthread_mutex_unlock(&all->lock);
    if (error != 0) {
        bench_workers_close(all);
        return error;
    }
    *workers = all;
    return 0;
}

void bench_workers_close(struct bench_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    pthread_cond_broadcast(&workers->start);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; ++i)
        pthread_join(workers->worker[i].thread, NULL);
    pthread_cond_destroy(&workers->done);
    pthread_cond_destroy(&workers->start);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

int bench_workers_cpu(const struct bench_workers *workers, unsigned index)
{
    return workers->worker[index].cpu;
}

void bench_workers_run(struct bench_workers *workers, unsigned count,
                       void (*job)(unsigned index, void *argument), void *argument)
{
    pthread_mutex_lock(&workers->lock);
    workers->job = job;
    workers->argument = argument;
    workers->active = count;
    workers->running = count;
    ++workers->round;
    pthread_cond_broadcast(&workers->start);
    wait_until_idle(workers);
    pthread_mutex_unlock(&workers->lock);
}

void bench_barrier_init(struct bench_barrier *barrier, unsigned count)
{
    pawl_store_relaxed(&barrier->waiting, count); /* published by the workers' lock */
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

void bench_barrier_pass(struct bench_barrier *barrier)
{
    unsigned spins = 0;

    /* B1 acq_rel: pairs with the other threads' B1 and B2, so that what each did before the line
     * (warm-up, registration) happened before what all do after it. */
    pawl_fetch_sub_acq_rel(&barrier->waiting, 1);
    while (pawl_load_acquire(&barrier->waiting) != 0) { /* B2 acquire: pairs with B1 */
        if (++spins < SPINS_BEFORE_YIELD)
            relax();
        else
            sched_yield();
    }
}
