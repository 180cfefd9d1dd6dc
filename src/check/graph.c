/* SPDX-License-Identifier: MIT */
/* Building and cutting execution graphs. */
#include "graph.h"

#include <string.h>

void graph_clear(struct graph *g)
{
    g->n = 0;
    g->nloc = 0;
    memset(g->thread, 0, sizeof g->thread);
    for (int t = 0; t < MAX_THREADS; t++)
        g->thread[t].create = NO_EVENT;
    g->thread[0].exists = true;
}

void graph_copy(struct graph *to, const struct graph *from)
{
    to->n = from->n;
    to->nloc = from->nloc;
    memcpy(to->thread, from->thread, sizeof to->thread);
    memcpy(to->loc, from->loc, sizeof to->loc[0] * (size_t)from->nloc);
    memcpy(to->ev, from->ev, sizeof to->ev[0] * (size_t)from->n);
}

void graph_base_clocks(const struct graph *g, struct event *e)
{
    if (e->po_prev == NO_EVENT) {
        memset(&e->hb, 0, sizeof e->hb);
        memset(&e->porf, 0, sizeof e->porf);
    } else {
        e->hb = g->ev[e->po_prev].hb;
        e->porf = g->ev[e->po_prev].porf;
    }
    e->hb.of[e->tid] = (uint16_t)(e->idx + 1);
    e->porf.of[e->tid] = (uint16_t)(e->idx + 1);
}

struct event *graph_append(struct graph *g, int tid, int po_prev)
{
    if (g->n == MAX_EVENTS)
        return NULL;
    struct event *e = &g->ev[g->n];
    memset(e, 0, offsetof(struct event, hb));
    memset(&e->rel, 0, sizeof e->rel);
    e->tid = (uint8_t)tid;
    bool first = po_prev == NO_EVENT || g->ev[po_prev].tid != tid;
    e->idx = (uint16_t)(first ? 0 : g->ev[po_prev].idx + 1);
    e->po_prev = (int16_t)po_prev;
    e->rf = e->co_prev = e->co_next = e->loc_next = e->section = NO_EVENT;
    graph_base_clocks(g, e);
    g->n++;
    return e;
}

void graph_link(struct graph *g, int id)
{
    struct location *l = &g->loc[g->ev[id].loc];
    if (l->ev_last == NO_EVENT)
        l->ev_first = (int16_t)id;
    else
        g->ev[l->ev_last].loc_next = (int16_t)id;
    l->ev_last = (int16_t)id;
}

void graph_unlink_last(struct graph *g)
{
    int last = --g->n, before = NO_EVENT;
    struct location *l = &g->loc[g->ev[last].loc];
    for (int id = l->ev_first; id != last; id = g->ev[id].loc_next)
        before = id;
    l->ev_last = (int16_t)before;
    if (before == NO_EVENT)
        l->ev_first = NO_EVENT;
    else
        g->ev[before].loc_next = NO_EVENT;
}

void graph_set_rf(struct graph *g, int id, int w, u128 init_value, bool all_sync)
{
    struct event *e = &g->ev[id];
    const struct event *from = w == INIT_WRITE ? NULL : &g->ev[w];
    e->rf = (int16_t)w;
    e->val = from ? from->val : init_value;
    e->order = (e->flags & EV_CAS) && !event_writes(e) ? e->order_fail : e->order_ok;
    graph_base_clocks(g, e);
    if (!from)
        return;
    if (all_sync || order_acquires(e->order))
        view_join(&e->hb, &from->rel);
    view_join(&e->porf, &from->porf);
}

static int co_pos(const struct graph *g, int w)
{
    return w == INIT_WRITE ? 0 : g->ev[w].co_pos;
}

static void co_renumber(struct graph *g, int from, int pos)
{
    for (int w = from; w != NO_EVENT; w = g->ev[w].co_next)
        g->ev[w].co_pos = (uint16_t)pos++;
}

void graph_co_insert(struct graph *g, int id, int after)
{
    struct event *e = &g->ev[id];
    struct location *l = &g->loc[e->loc];
    int next = after == INIT_WRITE ? (l->co_first == INIT_WRITE ? NO_EVENT : l->co_first)
                                   : g->ev[after].co_next;
    e->co_prev = (int16_t)after;
    e->co_next = (int16_t)next;
    if (after == INIT_WRITE)
        l->co_first = (int16_t)id;
    else
        g->ev[after].co_next = (int16_t)id;
    if (next == NO_EVENT)
        l->co_last = (int16_t)id;
    else
        g->ev[next].co_prev = (int16_t)id;
    co_renumber(g, id, co_pos(g, after) + 1);
}

void graph_co_remove(struct graph *g, int id)
{
    struct event *e = &g->ev[id];
    struct location *l = &g->loc[e->loc];
    if (e->co_prev == INIT_WRITE)
        l->co_first = (int16_t)(e->co_next == NO_EVENT ? INIT_WRITE : e->co_next);
    else
        g->ev[e->co_prev].co_next = e->co_next;
    if (e->co_next == NO_EVENT)
        l->co_last = e->co_prev;
    else
        g->ev[e->co_next].co_prev = e->co_prev;
    co_renumber(g, e->co_next, e->co_pos);
    e->co_prev = e->co_next = NO_EVENT;
    e->co_pos = 0;
}

/* Coherence, all four shapes at once: what happens before has been seen, and what has been seen (as a
 * write, or as what a read read) bounds from below. */
int graph_min_pos(const struct graph *g, int loc, const struct view *hb)
{
    int min = 0;
    for (int id = g->loc[loc].ev_first; id != NO_EVENT; id = g->ev[id].loc_next) {
        const struct event *e = &g->ev[id];
        bool unplaced = e->type == EV_WRITE ? e->co_pos == 0 : e->rf == NO_EVENT; /* the event being added */
        if (unplaced || !view_has(hb, e))
            continue;
        int pos = e->type == EV_WRITE ? e->co_pos : co_pos(g, e->rf);
        min = pos > min ? pos : min;
    }
    return min;
}

bool graph_rmw_follows(const struct graph *g, int loc, int w)
{
    int next = w == INIT_WRITE ? g->loc[loc].co_first : g->ev[w].co_next;
    if (next < 0 || !(g->ev[next].flags & EV_RMW))
        return false;
    return g->ev[g->ev[next].rf].rf == w;
}

void graph_restrict(struct graph *to, const struct graph *from, const bool keep[])
{
    static int16_t map_store[MAX_EVENTS + 2];
    int16_t *map = map_store + 2; /* map[NO_EVENT] and map[INIT_WRITE] map to themselves */
    map[NO_EVENT] = NO_EVENT;
    map[INIT_WRITE] = INIT_WRITE;

    to->n = 0;
    to->nloc = from->nloc;
    for (int id = 0; id < from->n; id++)
        map[id] = (int16_t)(keep[id] ? to->n++ : NO_EVENT);
    for (int l = 0; l < from->nloc; l++) {
        to->loc[l] = from->loc[l];
        to->loc[l].co_first = to->loc[l].co_last = INIT_WRITE;
        to->loc[l].ev_first = to->loc[l].ev_last = NO_EVENT;
    }
    for (int t = 0; t < MAX_THREADS; t++) {
        to->thread[t] = from->thread[t];
        if (t == 0 || !from->thread[t].exists)
            continue;
        to->thread[t].create = map[from->thread[t].create];
        to->thread[t].exists = to->thread[t].create != NO_EVENT;
    }
    for (int id = 0; id < from->n; id++) {
        if (!keep[id])
            continue;
        struct event *e = &to->ev[map[id]];
        *e = from->ev[id];
        e->po_prev = map[e->po_prev];
        e->rf = map[e->rf];
        e->section = map[e->section];
        e->co_prev = e->co_next = e->loc_next = NO_EVENT;
        if (e->type == EV_READ || e->type == EV_WRITE)
            graph_link(to, map[id]);
    }
    for (int l = 0; l < from->nloc; l++) {
        int last = INIT_WRITE;
        for (int w = from->loc[l].co_first; w >= 0; w = from->ev[w].co_next) {
            if (!keep[w])
                continue;
            graph_co_insert(to, map[w], last);
            last = map[w];
        }
    }
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h ^= x + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

/* A commutative sum over events, each hashed with what identifies it independently of its stamp. */
void graph_hash(const struct graph *g, uint64_t hash[2])
{
    uint64_t name[MAX_THREADS];
    for (int t = 0; t < MAX_THREADS; t++) {
        name[t] = 1;
        for (int k = 0; k < MAX_THREADS; k++)
            name[t] = mix(name[t], g->thread[t].key[k]);
    }
    hash[0] = hash[1] = 0;
    for (int id = 0; id < g->n; id++) {
        const struct event *e = &g->ev[id];
        uint64_t h = mix(mix(mix(name[e->tid], e->idx), e->type), e->order);
        /* What an object holds follows from the rest, and has threads' numbers in it, which depend on who is created first. */
        bool access = (e->type == EV_READ || e->type == EV_WRITE) && !(e->flags & EV_OBJECT);
        if (e->type == EV_CHOICE || access)
            h = mix(mix(h, (uint64_t)e->val), (uint64_t)(e->val >> 64));
        int source = e->type == EV_READ ? e->rf : e->type == EV_WRITE ? e->co_prev : NO_EVENT;
        if (source >= 0)
            h = mix(mix(h, name[g->ev[source].tid]), g->ev[source].idx);
        else
            h = mix(h, source == INIT_WRITE);
        hash[0] += h;
        hash[1] += mix(h, 0x2545f4914f6cdd1du);
    }
}

bool event_would_write(const struct event *read, u128 value)
{
    bool unless = read->flags & EV_UNLESS;
    return (read->flags & EV_RMW) || ((read->flags & EV_CAS) && (value == read->aux) != unless);
}

bool event_writes(const struct event *read)
{
    return event_would_write(read, read->val);
}

bool await_satisfied(int await, u128 value, u128 aux)
{
    switch (await) {
    case AWAIT_EQUAL:
        return value == aux;
    case AWAIT_NOT_EQUAL:
        return value != aux;
    case AWAIT_BIT_CLEAR:
        return !(value & aux);
    case AWAIT_MORE:
        return (int64_t)value > (int64_t)aux;
    default:
        return true;
    }
}
