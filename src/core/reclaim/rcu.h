/* SPDX-License-Identifier: MIT */
/* Inside RCU: what a domain has beside its readers' half. */
#ifndef PAWL_CORE_RECLAIM_RCU_H
#define PAWL_CORE_RECLAIM_RCU_H

#include "grace.h"

#include <pawl/percpu.h>
#include <pawl/rcu.h>
#include <pthread.h>

/* One for each CPU up to that many; beyond, CPUs share them. */
#define RCU_CHAINS 64u

/* Callbacks: one list a CPU, and rounds that empty them. A round takes all lists, waits for a grace period,
 * calls what it took. Rounds are numbered like grace periods, and pawl_rcu_barrier waits for one as
 * synchronize does for those. */
struct rcu_calls {
    /* line pair 1: read by every call */
    PAWL_ATOMIC(struct pawl_percpu *) lists; /* a struct pawl_percpu_list a slice; NULL: not opened yet */
    PAWL_ATOMIC(uint32_t) idle;              /* 1: nobody works; the next call must see to that */
    PAWL_ATOMIC(uint32_t) limit;
    PAWL_ATOMIC(struct pawl_retired *) spill; /* calls that found their list detached, or none */
    /* line pair 2: written once in 64 calls, and a round */
    PAWL_ATOMIC(uint64_t) called PAWL_LINE_PAIR_ALIGNED; /* but for the rest that each thread keeps */
    PAWL_ATOMIC(uint64_t) invoked;
    PAWL_ATOMIC(uint64_t) starting;
    PAWL_ATOMIC(uint64_t) done;
    PAWL_ATOMIC(uint64_t) wanted;    /* a barrier waits for this round: no nap before it */
    struct pawl_eventcount wake;     /* the worker sleeps here */
    struct pawl_eventcount progress; /* callers wait here for `done` and `invoked` */
    struct pawl_percpu_list *taking; /* the list that is detached now; under `runner` */
    pthread_mutex_t runner;          /* of rounds */
    pthread_mutex_t start;           /* of the three below */
    bool have_worker;
    PAWL_ATOMIC(bool) stop;
    pthread_t worker;
    /* Taken by the round, not called yet; under `runner`. Several, because to join two someone must walk to the
     * end of one, and each step of that is a line that another CPU wrote last. */
    struct pawl_retired *running[RCU_CHAINS];
};

/* The writers' half of a domain. */
struct rcu_writers {
    struct pawl_grace_period period;
    struct rcu_calls calls;
};

static inline struct rcu_calls *rcu_calls_of(const struct pawl_rcu *rcu)
{
    return &((struct rcu_writers *)(void *)rcu->grace.period)->calls;
}

void pawl_rcu_calls_init(struct rcu_calls *calls);
/* Stops the worker and calls what is queued, until callbacks call no more. */
void pawl_rcu_calls_finish(struct pawl_rcu *rcu);
/* Afterwards. */
void pawl_rcu_calls_destroy(struct rcu_calls *calls);
void pawl_rcu_calls_forked(struct rcu_calls *calls, const struct pawl_grace *grace);
/* Thread `number` is gone: its rest of calls counts. */
void pawl_rcu_calls_leave(struct rcu_calls *calls, PAWL_ATOMIC(uint64_t) * rest);

/* Takes an online thread offline for as long as it waits. Returns whether it was; give that to
 * pawl_rcu_stop_waiting.
 * Aborts, naming `function`, inside a section. */
bool pawl_rcu_start_waiting(struct pawl_rcu *rcu, const char *function);
void pawl_rcu_stop_waiting(bool was_online);

/* Whether the calling thread may wait for a grace period of this domain. */
bool pawl_rcu_may_wait(const struct pawl_rcu *rcu);

#endif
