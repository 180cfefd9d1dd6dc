/* SPDX-License-Identifier: MIT */
/* The end of a transaction: can it be? */
#include "search.h"
#include "section.h"

static struct graph trial;

static int source_of(const struct graph *g, int tid, const struct op *op)
{
    return g->ev[run.event_of[tid][op->half - 1]].rf;
}

/* Add a write of a committing transaction to the trial, in no place yet. */
static int try_write(int tid, int po_prev, const struct op *op)
{
    struct event *e = graph_append(&trial, tid, po_prev);
    int id = trial.n - 1;
    fill_event(e, id, op, run.thread[tid].section);
    e->loc = trial.ev[run.event_of[tid][op->half - 1]].loc;
    write_clocks(&trial, tid, e, op);
    graph_link(&trial, id);
    return id;
}

/* All writes, each behind its source. `offer`: and before that to the reads that came before it. */
static void try_all(int tid, const struct op *op, int n, bool offer)
{
    int last = run.thread[tid].last;
    for (int i = 0; i < n; i++) {
        last = try_write(tid, last, &op[i]);
        if (offer)
            revisit_all(&trial);
        graph_co_insert(&trial, last, source_of(&trial, tid, &op[i]));
    }
}

/* Before the first write of a transaction: can they all be? When one of its reads has been overtaken, by another
 * transaction or read-modify-write that read the same store, its write is offered to the read of the other
 * one, which then comes second. Here the thread goes no further, but the others do: what they write may yet
 * change what it reads. */
bool cannot_commit(int tid)
{
    const struct thread *t = &run.thread[tid];
    int n, overtaken = -1;
    const struct op *op = section_commits(tid, &n);
    if (run.g->ev[t->last].type == EV_WRITE && run.g->ev[t->last].section == t->section)
        return false; /* it has begun to */
    if (run.g->n + n > MAX_EVENTS)
        return false; /* append() will report it */
    for (int i = 0; i < n; i++) {
        const struct event *read = &run.g->ev[run.event_of[tid][op[i].half - 1]];
        if (graph_min_pos(run.g, read->loc, &run.g->ev[t->last].hb) > position(run.g, read->rf))
            return true;
        if (graph_rmw_follows(run.g, read->loc, read->rf))
            overtaken = i;
    }
    graph_copy(&trial, run.g);
    if (overtaken >= 0) {
        struct op first = op[overtaken];
        first.ahead = (uint16_t)n;
        try_write(tid, t->last, &first);
        revisit_all(&trial);
        return true;
    }
    try_all(tid, op, n, false);
    if (model_consistent(&trial, options.model))
        return false;
    graph_copy(&trial, run.g);
    try_all(tid, op, n, true);
    return true;
}
