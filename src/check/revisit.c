/* SPDX-License-Identifier: MIT */
/* Writes that are added late are offered to the reads that came before. */
#include "search.h"
#include "symmetry.h"

#include <string.h>

static struct graph cut;

static int before(const struct graph *g, int w)
{
    return g->ev[w].co_prev;
}

bool sorted(const struct graph *g)
{
    return !options.symmetry || run.ahead || symmetry_sorted(g);
}

/* Events of the current graph that `a` cannot exist without. */
static bool in_prefix(const struct graph *g, const struct event *a, int id)
{
    return view_has(&a->porf, &g->ev[id]);
}

/* No write of the events up to `e`, or needed by `a`, comes after `w` in coherence order, up to position `limit`. */
static bool last_in_coherence(const struct graph *g, const struct event *a, int w, int e, int limit)
{
    int next = w == INIT_WRITE ? g->loc[g->ev[e].loc].co_first : g->ev[w].co_next;
    for (; next >= 0 && g->ev[next].co_pos <= limit; next = g->ev[next].co_next)
        if (next <= e || in_prefix(g, a, next))
            return false;
    return true;
}

/* How far could `e` have gone without coming after what a later symmetric thread has? */
static bool limited(const struct graph *g, const struct event *a, int e, int *limit)
{
    static bool here[MAX_EVENTS];
    *limit = MAX_EVENTS;
    if (!options.symmetry)
        return false;
    for (int id = 0; id < g->n; id++)
        here[id] = (id <= e || in_prefix(g, a, id)) && a != &g->ev[id];
    return symmetry_limit(g, e, here, limit);
}

/* The same for the read of a read-modify-write, to which what others have replaced is not free. When nothing is, it
 * reads what the later thread has replaced, and goes no further. */
static bool last_free(const struct graph *g, const struct event *a, int e, int limit)
{
    const struct event *read = &g->ev[e];
    static const struct view nothing;
    const struct view *past = read->po_prev == NO_EVENT ? &nothing : &g->ev[read->po_prev].hb;
    int lowest = graph_min_pos(g, read->loc, past), at = position(g, read->rf), w = g->loc[read->loc].co_last;
    if (at > limit + 1)
        return false;
    for (; position(g, w) >= lowest && (at > limit || position(g, w) > at); w = g->ev[w].co_prev) {
        int next = w == INIT_WRITE ? g->loc[read->loc].co_first : g->ev[w].co_next;
        bool here = w == INIT_WRITE || w <= e || in_prefix(g, a, w);
        bool taken = graph_rmw_follows(g, read->loc, w) && g->ev[next].rf != e &&
                     (next <= e || in_prefix(g, a, next));
        if (here && !taken && position(g, w) <= limit)
            return false;
        if (w == INIT_WRITE)
            break;
    }
    return true;
}

/* Would the exploration add `e` like this by itself, given what was there before it and what `a` needs? */
static bool added_maximally(const struct graph *g, const struct event *a, int e)
{
    const struct event *event = &g->ev[e];
    int limit;
    switch (event->type) {
    case EV_CHOICE:
        return (int)event->val == (limited(g, a, e, &limit) ? -limit : 0);
    case EV_READ:
        if (event->rf > e && !in_prefix(g, a, event->rf))
            return false;
        if (limited(g, a, e, &limit) && (event->flags & (EV_RMW | EV_CAS)))
            return last_free(g, a, e, limit);
        return last_in_coherence(g, a, event->rf, e, limit);
    case EV_WRITE:
        for (int r = g->loc[event->loc].ev_first; r != NO_EVENT && r < e; r = g->ev[r].loc_next)
            if (g->ev[r].type == EV_READ && g->ev[r].rf == e)
                return false; /* it revisited that read itself */
        if (event->flags & EV_RMW)
            return true; /* it has one place only, behind what its read reads */
        limited(g, a, e, &limit);
        return last_in_coherence(g, a, e, e, limit);
    default:
        return true;
    }
}

/* Write `a` (the last event of `g`, not yet in coherence order) behind `after`, if that can be. */
static bool may_follow(const struct graph *g, int after)
{
    return !graph_rmw_follows(g, g->ev[g->n - 1].loc, after);
}

int places(const struct graph *g, int min, int place[])
{
    const struct event *a = &g->ev[g->n - 1];
    int n = 0;
    if (a->flags & EV_RMW) {
        int source = g->ev[a->rf].rf;
        if (position(g, source) >= min && may_follow(g, source))
            place[n++] = source;
        return n;
    }
    for (int w = g->loc[a->loc].co_last; position(g, w) >= min; w = before(g, w)) {
        if (may_follow(g, w))
            place[n++] = w;
        if (w == INIT_WRITE)
            break;
    }
    return n;
}

static void revisit(const struct graph *g, int r)
{
    static bool keep[MAX_EVENTS];
    static int place[MAX_EVENTS];
    int a = g->n - 1;
    for (int e = 0; e < g->n; e++) {
        keep[e] = e < r || e == r || e == a || in_prefix(g, &g->ev[a], e);
        if ((e == r || !keep[e]) && !added_maximally(g, &g->ev[a], e))
            return;
    }
    graph_restrict(&cut, g, keep);
    a = cut.n - 1;
    /* r keeps what its own past has seen, but not what it read. */
    struct event *read = &cut.ev[r];
    read->rf = NO_EVENT;
    struct view past = read->hb;
    if (read->po_prev != NO_EVENT)
        past = cut.ev[read->po_prev].hb;
    else
        memset(&past, 0, sizeof past);
    int min = graph_min_pos(&cut, read->loc, &past);
    int min_a = graph_min_pos(&cut, read->loc, &cut.ev[a].hb);
    int n = places(&cut, min > min_a ? min : min_a, place);
    for (int i = 0; i < n; i++) {
        bool last = cut.loc[read->loc].co_last == place[i];
        graph_co_insert(&cut, a, place[i]);
        graph_set_rf(&cut, r, a, 0, run_all_sync());
        if ((last || await_satisfied(read->await, read->val, read->aux)) && sorted(&cut) &&
            model_consistent(&cut, options.model))
            queue_push(&cut);
        read->rf = NO_EVENT;
        graph_co_remove(&cut, a);
    }
}

void revisit_all(const struct graph *g)
{
    const struct event *a = &g->ev[g->n - 1];
    for (int r = optimal() && !run.ahead ? g->loc[a->loc].ev_first : NO_EVENT; r != NO_EVENT;
         r = g->ev[r].loc_next)
        if (g->ev[r].type == EV_READ && !in_prefix(g, a, r))
            revisit(g, r);
}
