/* SPDX-License-Identifier: MIT */
/* Whether a thread that waits can still be let go by a write that the graph has. */
#include "object.h"
#include "run.h"

#include <limits.h>

/* A read that no write in the graph can satisfy any more: everything after its source in coherence order
 * has the same value. */
static bool last_word(const struct event *read)
{
    int w = read->rf == INIT_WRITE ? run.g->loc[read->loc].co_first : run.g->ev[read->rf].co_next;
    for (; w >= 0; w = run.g->ev[w].co_next)
        if (run.g->ev[w].val != read->val)
            return false;
    return true;
}

/* The same for what a blocking operation read: no later value lets it go on. */
static bool no_release(const struct event *read)
{
    int w = read->rf == INIT_WRITE ? run.g->loc[read->loc].co_first : run.g->ev[read->rf].co_next;
    for (; w >= 0; w = run.g->ev[w].co_next)
        if (await_satisfied(read->await, run.g->ev[w].val, read->aux))
            return false;
    return true;
}

/* It came round while nothing but rounds happened, and now waits in one. */
static bool waits_in_a_round(const struct thread *t)
{
    return run.ahead && t->state == THREAD_AWAITING && t->came_round > 0;
}

static bool goes_round(const struct thread *t)
{
    return t->state == THREAD_SPINNING || t->spin_waits || waits_in_a_round(t);
}

static bool in_a_round(const struct event *e)
{
    const struct thread *t = &run.thread[e->tid];
    return goes_round(t) && e->idx >= t->spin_from;
}

int run_gives_up(int tid, int loc)
{
    const struct thread *t = &run.thread[tid];
    int holds = 0, least = INT_MAX;
    for (int k = 0; k < t->executed; k++) {
        const struct event *e = &run.g->ev[run.event_of[tid][k]];
        if (e->type == EV_WRITE && e->loc == loc)
            holds += gives_back(e) ? -1 : 1;
        if (k >= t->spin_from && holds < least)
            least = holds;
    }
    return holds - (least < holds ? least : holds);
}

/* What a write in a round leaves for others. Who shared a rwlock then may have given it back since, or goes round too: what all
 * these do not give back is left. */
static u128 left_by(const struct event *write)
{
    if (write->detail != NAME_RWUNLOCK)
        return write->val;
    u128 left = run.g->ev[run.g->loc[write->loc].co_last].val;
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k], shares = goes_round(&run.thread[tid]) ? run_gives_up(tid, write->loc) : 0;
        if (shares > 0)
            left = left == RWLOCK_WRITER ? 0 : left - (u128)shares;
    }
    return left;
}

/* A thread that goes round a loop lets it go on once in every round, though at this moment, somewhere in the loop, it holds
 * what is waited for. */
static bool let_go_in_a_round(int tid, int loc, int await, u128 aux)
{
    for (int w = loc < 0 ? NO_EVENT : run.g->loc[loc].ev_first; w != NO_EVENT; w = run.g->ev[w].loc_next) {
        const struct event *e = &run.g->ev[w];
        if (e->type == EV_WRITE && e->tid != tid && in_a_round(e) && await_satisfied(await, left_by(e), aux))
            return true;
    }
    return false;
}

/* An attempt would end otherwise at what another thread's round writes meanwhile. */
static bool may_end_otherwise(const struct event *attempt)
{
    for (int w = run.g->loc[attempt->loc].ev_first; w != NO_EVENT; w = run.g->ev[w].loc_next) {
        const struct event *e = &run.g->ev[w];
        if (e->type == EV_WRITE && e->tid != attempt->tid && in_a_round(e) &&
            event_would_write(attempt, left_by(e)) != event_writes(attempt))
            return true;
    }
    return false;
}

/* What took a lock in a loop that gives it back: nobody else has taken it since, but in rounds that changed nothing. */
static bool last_taker(const struct event *read)
{
    int w = read->rf == INIT_WRITE ? run.g->loc[read->loc].co_first : run.g->ev[read->rf].co_next;
    for (; w >= 0; w = run.g->ev[w].co_next) {
        const struct event *e = &run.g->ev[w];
        if (e->tid != read->tid && !in_a_round(e))
            return false;
    }
    return true;
}

static bool waits_for_a_round(int tid)
{
    const struct op *op = &run.thread[tid].op;
    return op->await != AWAIT_NOTHING &&
           let_go_in_a_round(tid, run_location(tid, op, false), op->await, op->aux);
}

/* The next round of this loop finds all as the last one did. */
static bool finds_the_same(const struct event *read)
{
    if (gives_back(read))
        return true;
    bool took = (read->flags & EV_OBJECT) && event_writes(read);
    if ((read->flags & EV_CAS) && (read->flags & EV_OBJECT) && may_end_otherwise(read))
        return false;
    if (took)
        return last_taker(read);
    return last_word(read) && !let_go_in_a_round(read->tid, read->loc, AWAIT_NOT_EQUAL, read->val);
}

static bool round_is_vain(int tid)
{
    const struct thread *t = &run.thread[tid];
    int end = t->executed - waits_in_a_round(t);
    for (int k = t->spin_from; k < end; k++) {
        const struct event *e = &run.g->ev[run.event_of[tid][k]];
        if (e->type == EV_READ && !finds_the_same(e))
            return false;
    }
    return true;
}

bool run_waits_for_rounds(int tid)
{
    const struct thread *t = &run.thread[tid];
    if (t->state != THREAD_AWAITING || t->may_expire)
        return false;
    const struct event *read = &run.g->ev[t->last];
    return no_release(read) && let_go_in_a_round(tid, read->loc, read->await, read->aux);
}

bool run_stuck(int tid)
{
    const struct thread *t = &run.thread[tid];
    if (t->may_expire)
        return false;
    /* Joins a thread that does not end; or, among interleavings, waits for a value. */
    if (t->state == THREAD_AT_OP && !t->spin_waits)
        return t->op.type != EV_READ || !waits_for_a_round(tid);
    if (t->state == THREAD_AWAITING && !run_waits_for_rounds(tid))
        return no_release(&run.g->ev[t->last]);
    return goes_round(t) && round_is_vain(tid);
}
