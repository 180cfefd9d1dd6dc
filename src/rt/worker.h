/* SPDX-License-Identifier: MIT */
/* A worker and its runtime: what the rooms of libpawl-rt share.
 *
 * The turn of a worker:
 *
 *     inbox -> tasks, some 50 us of them -> timers that are due -> the engine: what happened meanwhile
 *
 * and if there was nothing to do in all of it: search (the shared queues, then the others' deques), and sleep in the
 * engine until a timer, an event, or a notification.
 *
 * `inside` is 1 while the worker's own structures are being changed, and 0 while it runs functions of others (tasks,
 * messages, timers, completions). A signal handler that interrupts it inside must not touch them: its wakes go to the
 * shared queue, as those of other threads do. */
#ifndef PAWL_RT_WORKER_H
#define PAWL_RT_WORKER_H

#include "dump.h"
#include "ending.h"
#include "engine.h"
#include "fiber.h"
#include "idle.h"
#include "inject.h"
#include "message.h"
#include "place.h"
#include "pool.h"
#include "wheel.h"

#include <pawl/deque.h>
#include <pawl/mpsc.h>
#include <pawl/mutex.h>
#include <pawl/park.h>
#include <pawl/rt.h>
#include <pthread.h>

struct pawl_worker;

enum {
    PAWL_WORKER_DEQUE_ = 256
}; /* tasks; what is more goes to the shared queue, so that none of them grows */

/* The worker writes, others may look: how much it has done. */
struct pawl_worker_counts {
    PAWL_ATOMIC(uint64_t) tasks;
    struct pawl_tally tally; /* tasks that it spawned; that completed here */
    PAWL_ATOMIC(uint64_t)
    messages, injected, steals, stolen, searches, parks, wakes, turns, polls, events, timers;
};

struct pawl_worker {
    /* read by all */
    struct pawl_rt *rt PAWL_LINE_PAIR_ALIGNED;
    struct pawl_engine *engine;
    const char *engine_why; /* it is this one */
    uint32_t index;
    int cpu;                 /* where it is meant to run */
    uint32_t node;           /* its queue of rt->inject */
    const uint32_t *victims; /* the others, the nearest first */
    const uint32_t
        *rings; /* rings[i]: how many of them are in the first i + 1 circles of distance; the last: all */
    /* others write */
    struct pawl_sleeper sleeper PAWL_LINE_PAIR_ALIGNED;
    struct pawl_mpsc inbox;
    /* the owner's, but for thieves */
    struct pawl_deque deque[2]; /* urgent, ordinary */
    /* the owner's */
    PAWL_ATOMIC(uint32_t) inside PAWL_LINE_PAIR_ALIGNED; /* see above; a handler reads it */
    bool searching;                                      /* counted in rt->idle */
    bool closing;                                        /* it has seen that the runtime closes */
    bool awaits_grace;                                   /* its thread closes the runtime: rt->grace */
    bool quiet;                                          /* counted in rt->ending */
    uint64_t now;                                        /* CLOCK_MONOTONIC in ns, once a turn */
    uint64_t slice_end;                                  /* of tasks: pawl_clock_cycles() */
    struct pawl_task *running;
    struct pawl_task *lifo;               /* made ready last; nobody steals it */
    struct pawl_task *again, **again_end; /* those that let others go first */
    struct pawl_message *later, **later_end;
    uint64_t picks;
    uint32_t lifo_streak, unpolled;
    bool gave_way; /* the tasks of other threads have had their batch before the next of `again` */
    uint32_t random;
    struct pawl_worker_counts counts;
    struct pawl_wheel wheel;
    struct pawl_fiber_queue fibers;
    /* tasks that have waited here first: completions elsewhere take them out */
    struct pawl_mutex live_lock PAWL_LINE_PAIR_ALIGNED;
    struct pawl_task *live;
    pthread_t thread;
    bool has_thread;
    int status; /* of its start */
} PAWL_LINE_PAIR_ALIGNED;

enum pawl_rt_go {
    PAWL_RT_WAIT_, /* not all workers have started */
    PAWL_RT_GO_,
    PAWL_RT_GIVE_UP_, /* one of them could not */
};

struct pawl_rt {
    /* read by all */
    struct pawl_worker *worker;
    struct pawl_inject *inject; /* a shared queue for each node */
    uint64_t generation;        /* of the process: see fork */
    uint32_t workers, nodes;
    uint32_t flags;
    struct pawl_ending ending;
    uint64_t grace; /* worker 0's: the ticket of the grace period behind which the runtime may end */
    uint64_t cycles_a_slice;
    struct pawl_place place;
    const char *engine_wish;
    char name[8];
    pthread_t opener;
    PAWL_ATOMIC(struct pawl_stacks *) stacks; /* K: of the fibers */
    PAWL_ATOMIC(struct pawl_pool *) pool;     /* K: of calls that block */
    size_t stack_bytes;                       /* as configured; 0: the default; the two below likewise */
    uint32_t block_threads, block_queue;
    /* who sleeps, who searches */
    struct pawl_idle idle PAWL_LINE_PAIR_ALIGNED;
    /* others' */
    struct pawl_tally outside PAWL_LINE_PAIR_ALIGNED;      /* by threads that are no workers; and holds */
    struct pawl_eventcount changed PAWL_LINE_PAIR_ALIGNED; /* of what follows */
    PAWL_ATOMIC(uint32_t) started;                         /* O: workers that have an engine, or a status */
    PAWL_ATOMIC(uint32_t) go;                              /* O: enum pawl_rt_go */
    PAWL_ATOMIC(uint32_t) stop;                            /* by pawl_rt_stop() */
    int dump_signal;                                       /* as configured */
    struct pawl_dumper dumper;                             /* worker 0's */
} PAWL_LINE_PAIR_ALIGNED;

/* The worker that the calling thread is; NULL: none. Never inlined: a fiber may come back on another thread. */
struct pawl_worker *pawl_worker_here_(void);

/* Runs the message on the worker, in its next turn; wakes it if it sleeps. Any thread, signal handlers too. */
void pawl_worker_send_(struct pawl_worker *worker, struct pawl_message *message);

/* The same for the worker itself: cheaper, and behind everything that is ready now. Its own thread, outside of signal
 * handlers. */
void pawl_worker_later_(struct pawl_worker *worker, struct pawl_message *message);

/* For the engines: the wait has ended. Before the first function of others is called in a turn that may have waited. */
void pawl_worker_woke_(struct pawl_worker *worker);

/* Whether the runtime closes: operations begin no more. Any thread. */
static inline bool pawl_rt_closing_(const struct pawl_rt *rt)
{
    return pawl_ending_begun_(&rt->ending);
}

/* Something outside of the workers (a job in the pool) still belongs to the runtime: close waits for the release. hold
 * returns 0, or -EPIPE: it closes (not to workers). release is the last touch of the runtime, unless a worker makes
 * it. Any thread. */
int pawl_rt_hold_(struct pawl_rt *rt);
/* Whether the caller may begin something: the runtime is open, or it is a function that one of its workers runs. For
 * threads that are no workers, and handlers, that says something until the end of their section of RCU. */
bool pawl_rt_may_begin_(const struct pawl_rt *rt);
void pawl_rt_release_(struct pawl_rt *rt);
/* So many holds more: by who has one, or is on a worker, or in a section of RCU in which the runtime was open. */
static inline void pawl_rt_hold_more_(struct pawl_rt *rt, uint32_t n)
{
    /* relaxed: the section orders it, or the messages or Q that publish what the caller does; see <ending.h> */
    pawl_fetch_add_relaxed(&rt->outside.began, (uint64_t)n);
}
/* How many holds and tasks have not ended; 0 is certain. */
uint64_t pawl_rt_alive_(const struct pawl_rt *rt);

PAWL_COLD void pawl_worker_forked_(void) __attribute__((noreturn));

/* The number of forks that this process is away from the one that was started first. */
uint64_t pawl_rt_generation_(void);

/* ---- between the files of the scheduler ---- */

/* Runs until `until(rt)`, or the end of the runtime. */
void pawl_worker_loop_(struct pawl_worker *worker, bool (*until)(const struct pawl_rt *rt));
/* Makes the calling thread the worker, or none. */
void pawl_worker_enter_(struct pawl_worker *worker);
int pawl_worker_init_(struct pawl_worker *worker, struct pawl_rt *rt, uint32_t index);
void pawl_worker_destroy_(struct pawl_worker *worker);
/* Ends its sleep, if it sleeps. Any thread, signal handlers. */
void pawl_worker_call_(struct pawl_worker *worker);

/* The task is owed a run: to the worker itself (inside), or to the shared queues (in a section of RCU, for which
 * pawl_rt_close() waits: the runtime may end as soon as the task is visible). */
void pawl_worker_ready_(struct pawl_worker *worker, struct pawl_task *task);
void pawl_rt_inject_(struct pawl_rt *rt, struct pawl_task *task);
/* The worker itself has something to do: it will not sleep in this turn. */
bool pawl_worker_has_work_(const struct pawl_worker *worker);
/* Something was made visible that any worker may take: lets one come and look, unless one is looking. */
void pawl_rt_work_(struct pawl_rt *rt);
/* One run. By the worker, inside. */
void pawl_task_run_(struct pawl_worker *worker, struct pawl_task *task);
/* A task to run, or NULL. Inside. */
struct pawl_task *pawl_worker_next_(struct pawl_worker *worker);
bool pawl_worker_search_(struct pawl_worker *worker);
/* Whether there is anything that pawl_worker_search_() could find. */
bool pawl_worker_anything_(const struct pawl_worker *worker);
/* Closing: a worker that has nothing left counts itself as quiet; the last one ends the runtime. */
void pawl_rt_quiet_(struct pawl_rt *rt);
/* Cancels all that wait here. */
void pawl_worker_cancel_all_(struct pawl_worker *worker);

static inline void pawl_worker_in_(struct pawl_worker *worker)
{
    pawl_store_relaxed(&worker->inside, 1u); /* relaxed, here and below: for handlers of the same thread */
    pawl_fence_compiler();
}

static inline void pawl_worker_out_(struct pawl_worker *worker)
{
    pawl_fence_compiler();
    pawl_store_relaxed(&worker->inside, 0u);
}

/* A function of others has come back: the same, and in this process. */
static inline void pawl_worker_back_(struct pawl_worker *worker)
{
    pawl_worker_in_(worker);
    if (PAWL_UNLIKELY(worker->rt->generation != pawl_rt_generation_()))
        pawl_worker_forked_();
}

static inline bool pawl_worker_is_in_(const struct pawl_worker *worker)
{
    return pawl_load_relaxed(&worker->inside) != 0;
}

/* The worker's own counters: relaxed, one writer; a reader may be a little late. */
static inline void pawl_count_(PAWL_ATOMIC(uint64_t) * counter, uint64_t by)
{
    pawl_store_relaxed(counter, pawl_load_relaxed(counter) + by);
}

#endif
