/* SPDX-License-Identifier: MIT */
/* The life of a runtime: open, run, stop, close. */
#include "pool.h"
#include "signal_inside.h"
#include "stack.h"
#include "worker.h"

#include <errno.h>
#include <pawl/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLICE_NS = 50000 };

/* ---- fork ---- */

static PAWL_ATOMIC(uint64_t) generation;
static pthread_once_t watch_forks_once = PTHREAD_ONCE_INIT;

static void in_the_child(void)
{
    pawl_fetch_add_relaxed(&generation, UINT64_C(1)); /* relaxed: there is no other thread */
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, in_the_child);
}

uint64_t pawl_rt_generation_(void)
{
    return pawl_load_relaxed(&generation); /* relaxed: changes in children only, when they have one thread */
}

static bool forked(const struct pawl_rt *rt)
{
    return rt->generation != pawl_rt_generation_();
}

/* ---- what keeps it open ---- */

static const struct pawl_tally *tally_of(const void *worker, uint32_t i)
{
    return &((const struct pawl_worker *)worker)[i].counts.tally;
}

static struct pawl_tallies tallies(const struct pawl_rt *rt)
{
    return (struct pawl_tallies){.outside = &rt->outside,
                                 .of = tally_of,
                                 .context = rt->worker,
                                 .workers = rt->workers};
}

uint64_t pawl_rt_alive_(const struct pawl_rt *rt)
{
    struct pawl_tallies all = tallies(rt);

    return pawl_tallies_alive_(&all);
}

int pawl_rt_hold_(struct pawl_rt *rt)
{
    if (forked(rt))
        return -ECHILD;
    if (PAWL_LIKELY(pawl_ending_hold_(&rt->ending, &rt->outside)) || pawl_rt_may_begin_(rt))
        return 0;
    pawl_rt_release_(rt);
    return -EPIPE;
}

/* While a worker runs functions of the program it is not quiet, so the runtime does not end before it has counted what they
 * began. A handler that interrupts it inside may find it quiet, or just up again because of the signal: another worker
 * may be ending the runtime then. */
bool pawl_rt_may_begin_(const struct pawl_rt *rt)
{
    const struct pawl_worker *here;

    if (PAWL_LIKELY(!pawl_rt_closing_(rt)))
        return true;
    here = pawl_worker_here_();
    return here != NULL && here->rt == rt && !pawl_worker_is_in_(here);
}

void pawl_rt_release_(struct pawl_rt *rt)
{
    /* From the addition on the runtime may end, but not its memory: pawl_rt_close() waits for this section. */
    pawl_rcu_read_lock();
    if (pawl_ending_release_(&rt->ending, &rt->outside))
        pawl_worker_call_(&rt->worker[0]); /* it counts again */
    pawl_rcu_read_unlock();
}

void pawl_rt_quiet_(struct pawl_rt *rt)
{
    struct pawl_tallies all = tallies(rt);

    if (!pawl_ending_quiet_(&rt->ending, &all))
        return;
    for (uint32_t i = 0; i < rt->workers; i++)
        if (&rt->worker[i] != pawl_worker_here_())
            pawl_worker_call_(&rt->worker[i]);
}

/* ---- workers ---- */

static bool ended(const struct pawl_rt *rt)
{
    return pawl_ending_over_(&rt->ending);
}

static bool ended_or_stopped(const struct pawl_rt *rt)
{
    return ended(rt) ||
           pawl_load_acquire(&rt->stop) != 0; /* acquire: pairs with the release in pawl_rt_stop() */
}

static bool is_stopped(void *rt)
{
    return pawl_load_acquire(&((const struct pawl_rt *)rt)->stop) != 0; /* acquire: as above */
}

static bool all_started(void *rt)
{
    const struct pawl_rt *self = rt;

    return pawl_load_acquire(&self->started) ==
           self->workers; /* acquire O: pairs with the release in prepare() */
}

static bool may_go(void *rt)
{
    /* acquire O: pairs with the release in start_all() */
    return pawl_load_acquire(&((const struct pawl_rt *)rt)->go) != PAWL_RT_WAIT_;
}

/* What a worker can only do itself: its place, its engine. */
static void prepare(struct pawl_worker *worker)
{
    struct pawl_rt *rt = worker->rt;
    char name[16];

    if (worker->has_thread) {
        (void)snprintf(name, sizeof name, "%s/%u", rt->name, worker->index);
        (void)pthread_setname_np(pthread_self(), name); /* a name that is refused does no harm */
        if ((rt->flags & PAWL_RT_PIN) != 0)
            worker->status = pawl_cpu_pin(worker->cpu, NULL);
    }
    if (worker->status == 0)
        worker->status = pawl_engine_open_(&worker->engine, worker, rt->engine_wish, &worker->engine_why);
    if (worker->status == 0 && worker->index == 0 && rt->dump_signal != 0)
        worker->status = pawl_dump_on_signal_(worker, rt->dump_signal);
    pawl_fetch_add_release(&rt->started, 1u); /* release O: pairs with the acquire in all_started() */
    pawl_eventcount_notify_all(&rt->changed);
}

static void *worker_main(void *argument)
{
    struct pawl_worker *worker = argument;
    struct pawl_rt *rt = worker->rt;

    prepare(worker);
    (void)pawl_eventcount_await(&rt->changed, may_go, rt, PAWL_FOREVER);
    if (pawl_load_relaxed(&rt->go) == PAWL_RT_GO_) /* relaxed: acquired in may_go() */
        pawl_worker_loop_(worker, ended);
    return NULL;
}

/* ---- open ---- */

static void destroy(struct pawl_rt *rt, uint32_t initialised)
{
    pawl_block_close_(rt);
    pawl_fibers_close_(rt);
    for (uint32_t i = 0; i < initialised; i++) {
        /* By the thread that closes, when all workers have gone: the last calls of one may be for another. */
        if (rt->worker[i].engine != NULL)
            rt->worker[i].engine->class->close(rt->worker[i].engine);
        pawl_worker_destroy_(&rt->worker[i]);
    }
    pawl_place_destroy_(&rt->place);
    free(rt->inject);
    free(rt->worker);
    free(rt);
}

static void *zeroed(size_t bytes)
{
    void *memory = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);

    return memory != NULL ? memset(memory, 0, bytes) : NULL;
}

static int find_place(struct pawl_rt *rt, uint32_t workers)
{
    struct pawl_cpuset *cpus = pawl_cpuset_open(0);
    int status;

    if (cpus == NULL)
        return -errno;
    status = pawl_cpu_get_affinity(cpus);
    if (status == 0 && workers == 0) {
        uint32_t quota = pawl_place_quota_("");

        workers = pawl_cpuset_count(cpus);
        if (workers > quota)
            workers = quota;
        if (workers > PAWL_RT_WORKERS_MAX)
            workers = PAWL_RT_WORKERS_MAX;
    }
    if (status == 0)
        status = pawl_place_init_(&rt->place, workers, cpus, pawl_place_machine_());
    pawl_cpuset_close(cpus);
    return status;
}

static int make_workers(struct pawl_rt *rt, uint32_t *initialised)
{
    rt->workers = rt->place.workers;
    rt->nodes = rt->place.nodes;
    rt->worker = zeroed(rt->workers * sizeof rt->worker[0]);
    rt->inject = zeroed(rt->nodes * sizeof rt->inject[0]);
    if (rt->worker == NULL || rt->inject == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < rt->nodes; i++)
        pawl_inject_init_(&rt->inject[i]);
    for (uint32_t i = 0; i < rt->workers; i++) {
        struct pawl_worker *worker = &rt->worker[i];
        int status = pawl_worker_init_(worker, rt, i);

        if (status != 0)
            return status;
        *initialised = i + 1;
        worker->cpu = rt->place.cpu[i];
        worker->node = rt->place.node[i];
        worker->victims = rt->place.victims + (size_t)i * (rt->workers - 1);
        worker->rings = rt->place.rings + (size_t)i * PAWL_DISTANCES_;
    }
    return 0;
}

static void join_all(struct pawl_rt *rt)
{
    for (uint32_t i = 0; i < rt->workers; i++)
        if (rt->worker[i].has_thread)
            (void)pthread_join(rt->worker[i].thread,
                               NULL); /* cannot fail: it is ours, and never joined before */
}

static int start_all(struct pawl_rt *rt)
{
    int status = 0;

    for (uint32_t i = 0; i < rt->workers; i++) {
        struct pawl_worker *worker = &rt->worker[i];

        if (i == 0 && (rt->flags & PAWL_RT_CALLER) != 0) {
            prepare(worker);
            continue;
        }
        worker->has_thread = true;
        if (status == 0)
            status = -pthread_create(&worker->thread, NULL, worker_main, worker);
        if (status != 0) { /* else the status is the thread's to write */
            worker->has_thread = false;
            worker->status = status;
            pawl_fetch_add_relaxed(&rt->started, 1u); /* relaxed: for this thread's own look */
        }
    }
    (void)pawl_eventcount_await(&rt->changed, all_started, rt, PAWL_FOREVER);
    for (uint32_t i = 0; i < rt->workers && status == 0; i++)
        status = rt->worker[i].status;
    /* release O: pairs with the acquire in may_go() */
    pawl_store_release(&rt->go, (uint32_t)(status == 0 ? PAWL_RT_GO_ : PAWL_RT_GIVE_UP_));
    pawl_eventcount_notify_all(&rt->changed);
    if (status != 0) {
        join_all(rt);
        pawl_signal_forget_(&rt->dumper.signal);
    }
    return status;
}

static bool is_engine(const char *name)
{
    return strcmp(name, "auto") == 0 || strcmp(name, "epoll") == 0 || strcmp(name, "uring") == 0;
}

/* What the environment says, for who leaves it open. A word that is not known is the user's slip, not the program's: said, and
 * left out. */
static const char *engine_of_environment(void)
{
    const char *wish = secure_getenv("PAWL_RT_ENGINE");

    if (wish == NULL || is_engine(wish))
        return wish;
    if (*wish != '\0')
        (void)dprintf(STDERR_FILENO, "pawl: PAWL_RT_ENGINE: this word is not known and is left out: %.64s\n",
                      wish);
    return NULL;
}

static bool acceptable(const struct pawl_rt_config *config)
{
    return (config->dump_signal == 0 || pawl_signal_acceptable_(config->dump_signal)) &&
           config->workers <= PAWL_RT_WORKERS_MAX && pawl_stacks_acceptable_(config->stack_bytes) &&
           (config->flags & ~(uint32_t)(PAWL_RT_CALLER | PAWL_RT_PIN | PAWL_RT_SQPOLL)) == 0 &&
           (config->engine == NULL || is_engine(config->engine));
}

int pawl_rt_open(struct pawl_rt **out, const struct pawl_rt_config *config)
{
    struct pawl_rt_config wish = config != NULL ? *config : (struct pawl_rt_config){0};
    uint32_t initialised = 0;
    struct pawl_rt *rt;
    int status;

    if (wish.engine == NULL)
        wish.engine = engine_of_environment();
    if (!acceptable(&wish))
        return -EINVAL;
    pthread_once(&watch_forks_once, watch_forks);
    rt = zeroed(sizeof *rt);
    if (rt == NULL)
        return -ENOMEM;
    rt->generation = pawl_rt_generation_();
    rt->flags = wish.flags;
    rt->engine_wish = wish.engine;
    rt->dump_signal = wish.dump_signal;
    rt->stack_bytes = wish.stack_bytes;
    rt->block_threads = wish.block_threads;
    rt->block_queue = wish.block_queue;
    rt->opener = pthread_self();
    rt->cycles_a_slice = pawl_clock_ns_to_cycles(SLICE_NS);
    (void)snprintf(rt->name, sizeof rt->name, "%s",
                   wish.name != NULL ? wish.name : "pawl"); /* cut, if it is long */
    status = find_place(rt, wish.workers);
    if (status == 0)
        status = make_workers(rt, &initialised);
    if (status == 0)
        status = start_all(rt);
    if (status != 0) {
        destroy(rt, initialised);
        return status;
    }
    rt->engine_wish = NULL; /* the caller's */
    *out = rt;
    return 0;
}

/* ---- run, stop, close ---- */

static int may_wait(const struct pawl_rt *rt)
{
    const struct pawl_worker *here = pawl_worker_here_();

    if (here != NULL && here->rt == rt)
        return -EDEADLK;
    if ((rt->flags & PAWL_RT_CALLER) != 0 && pthread_equal(rt->opener, pthread_self()) == 0)
        return -EPERM;
    return 0;
}

int pawl_rt_run(struct pawl_rt *rt)
{
    int status = forked(rt) ? -ECHILD : may_wait(rt);

    if (status != 0)
        return status;
    if ((rt->flags & PAWL_RT_CALLER) != 0)
        pawl_worker_loop_(&rt->worker[0], ended_or_stopped);
    else
        (void)pawl_eventcount_await(&rt->changed, is_stopped, rt, PAWL_FOREVER);
    pawl_store_relaxed(&rt->stop, 0u); /* relaxed: this one has been answered */
    return 0;
}

void pawl_rt_stop(struct pawl_rt *rt)
{
    if (forked(rt))
        return;
    pawl_rcu_read_lock(); /* who ran may close the runtime before this returns: it waits for this section */
    pawl_store_release(&rt->stop, 1u); /* release: pairs with the acquires of who runs */
    pawl_eventcount_notify_all(&rt->changed);
    if ((rt->flags & PAWL_RT_CALLER) != 0)
        pawl_worker_call_(&rt->worker[0]);
    pawl_rcu_read_unlock();
}

/* Behind a grace period, spawns from outside that have not seen the phase have counted their tasks. Who is worker 0 serves
 * meanwhile, and looks now and then: a section may wait for what that worker is to do. (Not who is online, for whom there
 * would be no grace period: it waits here.) */
static void wait_for_spawns(struct pawl_rt *rt)
{
    if ((rt->flags & PAWL_RT_CALLER) != 0 && !pawl_rcu_read_held()) {
        rt->grace = pawl_rcu_start_poll();
        rt->worker[0].awaits_grace = true;
        return;
    }
    pawl_rcu_synchronize();
    pawl_rt_release_(rt);
}

int pawl_rt_close(struct pawl_rt *rt)
{
    int status;

    if (rt == NULL)
        return 0;
    if (forked(rt)) {
        pawl_worker_enter_(NULL);
        destroy(rt, rt->workers);
        return 0;
    }
    /* a job would wait for its own end */
    status = pawl_block_runs_for_(rt) ? -EDEADLK : may_wait(rt);
    if (status != 0)
        return status;
    pawl_ending_begin_(&rt->ending, &rt->outside);
    pawl_block_end_(rt);
    for (uint32_t i = 0; i < rt->workers; i++)
        pawl_worker_call_(&rt->worker[i]);
    wait_for_spawns(rt);
    if ((rt->flags & PAWL_RT_CALLER) != 0)
        pawl_worker_loop_(&rt->worker[0], ended);
    join_all(rt);
    pawl_rcu_synchronize(); /* calls from outside that made the last things happen have left */
    destroy(rt, rt->workers);
    return 0;
}

struct pawl_rt *pawl_rt_here(void)
{
    const struct pawl_worker *worker = pawl_worker_here_();

    return worker != NULL ? worker->rt : NULL;
}

uint32_t pawl_rt_workers(const struct pawl_rt *rt)
{
    return rt->workers;
}

const char *pawl_rt_engine(const struct pawl_rt *rt)
{
    return rt->worker[0].engine->class->name;
}

const char *pawl_rt_engine_reason(const struct pawl_rt *rt)
{
    return rt->worker[0].engine_why;
}
