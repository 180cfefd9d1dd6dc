/* SPDX-License-Identifier: MIT */
/* Which executions exist. */
#include "model.h"
#include "run.h"

static bool consistent(const struct graph *g, enum model model, bool whole_sections)
{
    return model == MODEL_RC11 ? psc_consistent(g, whole_sections)
                               : multi_copy_atomic_consistent(g, model == MODEL_TSO, whole_sections);
}

bool model_consistent(const struct graph *g, enum model model)
{
    return consistent(g, model, false);
}

/* Somebody else's read-modify-write comes directly after what the transaction read: it cannot commit. */
static bool overtaken(const struct graph *g, const struct event *read)
{
    if (!graph_rmw_follows(g, read->loc, read->rf))
        return false;
    int next = read->rf == INIT_WRITE ? g->loc[read->loc].co_first : g->ev[read->rf].co_next;
    return g->ev[next].section != read->section;
}

/* What the transaction saw before it went on, with what it had seen at its end: nothing that happens before its last
 * event comes, in coherence order, after what one of its reads read. */
static bool isolated(const struct graph *g, int last)
{
    int section = g->ev[last].section;
    bool aborted = g->ev[last].type == EV_FENCE && g->ev[last].detail == NAME_ABORT;
    struct view before = g->ev[last].hb;
    before.of[g->ev[last].tid] = g->ev[section].idx;
    for (int id = last; id != section; id = g->ev[id].po_prev) {
        const struct event *e = &g->ev[id];
        int source = e->type == EV_READ && e->rf != INIT_WRITE ? g->ev[e->rf].co_pos : 0;
        if (e->type == EV_READ &&
            (graph_min_pos(g, e->loc, &before) > source || (!aborted && overtaken(g, e))))
            return false;
    }
    return true;
}

bool sections_consistent(const struct graph *g, enum model model)
{
    int16_t last[MAX_THREADS];
    bool any = false;
    for (int t = 0; t < MAX_THREADS; t++)
        last[t] = NO_EVENT;
    for (int id = 0; id < g->n; id++) {
        const struct event *e = &g->ev[id];
        int before = last[e->tid];
        if (before != NO_EVENT && g->ev[before].section != e->section && !isolated(g, before))
            return false;
        last[e->tid] = (int16_t)(e->section == NO_EVENT ? NO_EVENT : id);
        any |= e->section != NO_EVENT;
    }
    for (int t = 0; t < MAX_THREADS; t++)
        if (last[t] != NO_EVENT && !isolated(g, last[t]))
            return false;
    return !any || consistent(g, model, true);
}
