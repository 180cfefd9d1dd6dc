/* SPDX-License-Identifier: MIT */
/* Whether a thread that waits can still be let go by a write that the graph has. */
#include "run.h"

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

static bool goes_round(const struct thread *t)
{
    return t->state == THREAD_SPINNING || t->spin_waits;
}

/* A thread that goes round a loop lets it go on once in every round, though at this moment, somewhere in the loop, it holds
 * what is waited for. */
static bool let_go_in_a_round(int tid, int loc, int await, u128 aux)
{
    for (int w = loc < 0 ? NO_EVENT : run.g->loc[loc].ev_first; w != NO_EVENT; w = run.g->ev[w].loc_next) {
        const struct event *e = &run.g->ev[w];
        const struct thread *t = &run.thread[e->tid];
        if (e->type == EV_WRITE && e->tid != tid && goes_round(t) && e->idx >= t->spin_from &&
            await_satisfied(await, e->val, aux))
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
        const struct thread *t = &run.thread[e->tid];
        if (e->tid != read->tid && !(goes_round(t) && e->idx >= t->spin_from))
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

bool run_stuck(int tid)
{
    const struct thread *t = &run.thread[tid];
    if (t->may_expire)
        return false;
    /* Joins a thread that does not end; or, among interleavings, waits for a value. */
    if (t->state == THREAD_AT_OP && !t->spin_waits)
        return t->op.type != EV_READ || !waits_for_a_round(tid);
    if (t->state == THREAD_AWAITING) {
        const struct event *read = &run.g->ev[t->last];
        return no_release(read) && !let_go_in_a_round(tid, read->loc, read->await, read->aux);
    }
    if (!goes_round(t))
        return false;
    for (int k = t->spin_from; k < t->executed; k++) {
        const struct event *e = &run.g->ev[run.event_of[tid][k]];
        if (e->type != EV_READ)
            continue;
        bool took = (e->flags & EV_OBJECT) && event_writes(e);
        bool given_back = !took && let_go_in_a_round(tid, e->loc, AWAIT_NOT_EQUAL, e->val);
        if (given_back || !(took ? last_taker(e) : last_word(e)))
            return false;
    }
    return true;
}
