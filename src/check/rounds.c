/* SPDX-License-Identifier: MIT */
/* Rounds of loops that changed nothing: did it make a difference to other threads that there was this round? */
#include "run.h"

static bool made_difference(int tid, int from, int to, unsigned through);

/* The thread's next event, from this one on, with which it went on behind a round that changed nothing; NULL: none. The event has
 * where that round began. */
static const struct event *next_round(int tid, int at)
{
    for (; at < run.thread[tid].executed; at++)
        if (run.g->ev[run.event_of[tid][at]].round)
            return &run.g->ev[run.event_of[tid][at]];
    return NULL;
}

/* What another thread did because of a round makes a difference, unless it is itself part of a round that changed nothing; if
 * others have noticed that one, then they have noticed this too. */
static bool noticed(const struct event *by, unsigned through)
{
    const struct thread *t = &run.thread[by->tid];
    const struct event *end = next_round(by->tid, by->idx + 1);
    if (end && by->idx >= end->round - 1)
        return made_difference(by->tid, end->round - 1, end->idx, through);
    if (t->state == THREAD_SPINNING && by->idx >= t->spin_from)
        return made_difference(by->tid, t->spin_from, t->executed, through);
    return true;
}

bool gives_back(const struct event *e)
{
    return e->detail == NAME_UNLOCK || e->detail == NAME_RWUNLOCK;
}

/* A lock that `id` took: did another thread find it taken before it was given back? Who only waited for it did not. Others may
 * have shared it: what they wrote meanwhile says that it is taken, too. Giving back a part, within a round that ends before
 * event `to`, counts as taking the rest. */
static bool was_seen(int id, int to, unsigned through)
{
    const struct event *taken = &run.g->ev[id];
    bool holds = !gives_back(taken); /* ... maybe into the next round */
    int given_back = taken->co_next;
    while (given_back >= 0 &&
           (run.g->ev[given_back].tid != taken->tid || (run.g->ev[given_back].idx >= to && !holds)))
        given_back = run.g->ev[given_back].co_next;
    int end = given_back >= 0 ? run.g->ev[given_back].co_pos : holds ? MAX_EVENTS : taken->co_pos + 1;
    for (int r = run.g->loc[taken->loc].ev_first; r != NO_EVENT; r = run.g->ev[r].loc_next) {
        const struct event *read = &run.g->ev[r];
        if (read->type != EV_READ || read->rf < 0 || through >> read->tid & 1 ||
            read->await != AWAIT_NOTHING || event_writes(read))
            continue;
        int found = run.g->ev[read->rf].co_pos;
        if (found >= taken->co_pos && found < end && noticed(read, through))
            return true;
    }
    return false;
}

/* The round gave back what its thread held when it began. */
static bool gave_up(int tid, int from, int at)
{
    const struct event *given = &run.g->ev[run.event_of[tid][at]];
    for (int k = from; k < at; k++) {
        const struct event *e = &run.g->ev[run.event_of[tid][k]];
        if (e->type == EV_WRITE && e->loc == given->loc)
            return false;
    }
    return gives_back(given);
}

/* Another thread took it then, before the next round could, and not for a round that made no difference either; and what
 * somebody has written since, which needed that, the round could not read. */
static bool was_answered(int tid, int from, int at, unsigned through)
{
    int taken = run.g->ev[run.event_of[tid][at]].co_next;
    if (taken < 0 || through >> run.g->ev[taken].tid & 1 || !noticed(&run.g->ev[taken], through))
        return false;
    for (int k = from; k < at; k++) {
        const struct event *read = &run.g->ev[run.event_of[tid][k]];
        if (read->type != EV_READ || read->await != AWAIT_NOTHING || event_writes(read))
            continue;
        int w = read->rf == INIT_WRITE ? run.g->loc[read->loc].co_first : run.g->ev[read->rf].co_next;
        for (; w >= 0; w = run.g->ev[w].co_next) {
            const struct event *e = &run.g->ev[w];
            if (!(through >> e->tid & 1) && e->val != read->val && view_has(&e->porf, &run.g->ev[taken]) &&
                noticed(e, through))
                return true;
        }
    }
    return false;
}

/* To threads other than those that `through` has: a chain of rounds which have seen each other leads to somebody else. */
static bool made_difference(int tid, int from, int to, unsigned through)
{
    for (int k = from; k < to; k++) {
        int id = run.event_of[tid][k];
        if (run.g->ev[id].type != EV_WRITE || !(run.g->ev[id].flags & EV_OBJECT))
            continue;
        if (was_seen(id, to, through | 1U << tid) ||
            (gave_up(tid, from, k) && was_answered(tid, from, k, through | 1U << tid)))
            return true;
    }
    return false;
}

static bool round_was_seen(int tid, int from, int to)
{
    return made_difference(tid, from, to, 0);
}

static bool all_were_seen(int tid)
{
    for (const struct event *end = next_round(tid, 0); end; end = next_round(tid, end->idx + 1))
        if (!round_was_seen(tid, end->round - 1, end->idx))
            return false;
    return true;
}

/* A loop that only takes and gives back is not run again; unless others have seen it do so, and may do now what they would
 * not have done while nobody was there; or unless it gave back what it had, and others used that to write what it looks at.
 * Then it made a difference that there was this round, and the next one is another. When nothing else is left to do; and not
 * where an earlier round is no longer seen by anybody, since what that has to show is shown without the round. */
bool rounds_resume(void)
{
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k];
        struct thread *t = &run.thread[tid];
        bool seen = t->state == THREAD_SPINNING && round_was_seen(tid, t->spin_from, t->executed);
        seen = seen && all_were_seen(tid);
        if (seen) {
            t->state = THREAD_RUNNING;
            return true;
        }
    }
    return false;
}

bool rounds_idle(void)
{
    for (int k = 0; k < run.nthreads; k++)
        if (!all_were_seen(run.by_key[k]))
            return true;
    return false;
}
