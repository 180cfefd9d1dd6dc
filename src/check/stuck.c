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

bool run_stuck(int tid)
{
    const struct thread *t = &run.thread[tid];
    if (t->may_expire)
        return false;
    if (t->state == THREAD_AT_OP && !t->spin_waits)
        return true; /* joins a thread that does not end; or, among interleavings, waits for a value */
    if (t->state == THREAD_AWAITING)
        return no_release(&run.g->ev[t->last]);
    if (t->state != THREAD_SPINNING && !t->spin_waits)
        return false;
    for (int k = t->spin_from; k < t->executed; k++) {
        const struct event *e = &run.g->ev[run.event_of[tid][k]];
        if (e->type == EV_READ && !last_word(e))
            return false;
    }
    return true;
}
