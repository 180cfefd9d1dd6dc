/* SPDX-License-Identifier: MIT */
#include "symmetry.h"

#include <string.h>

static struct {
    int16_t event[MAX_THREADS][MAX_EVENTS];
    int n[MAX_THREADS];
    int next[MAX_THREADS]; /* the symmetric thread created next; -1: none */
} look;
static const char *told_apart[MAX_THREADS];

/* The threads of the graph and their events. */
static void look_at(const struct graph *g)
{
    memset(look.n, 0, sizeof look.n);
    memset(look.next, -1, sizeof look.next);
    for (int id = 0; id < g->n; id++)
        look.event[g->ev[id].tid][look.n[g->ev[id].tid]++] = (int16_t)id;
    for (int t = 0; t < MAX_THREADS; t++) {
        int before = -1; /* the thread that the event before created */
        for (int k = 0; k < look.n[t]; k++) {
            const struct event *e = &g->ev[look.event[t][k]];
            if (e->type == EV_CREATE && before >= 0 && g->ev[g->thread[before].create].aux == e->aux)
                look.next[before] = (int)e->val;
            before = e->type == EV_CREATE ? (int)e->val : -1;
        }
    }
}

static int source_position(const struct graph *g, const struct event *read)
{
    return read->rf == INIT_WRITE ? 0 : g->ev[read->rf].co_pos;
}

enum comparison { EQUAL, SORTED, INVERTED, UNKNOWN };

static enum comparison compared(int earlier, int later)
{
    return earlier == later ? EQUAL : earlier < later ? SORTED : INVERTED;
}

/* The events of the earlier and the later thread at one place. */
static enum comparison compare(const struct graph *g, int x, int y)
{
    const struct event *a = &g->ev[x], *b = &g->ev[y];
    if (a->type != b->type || a->detail != b->detail)
        return UNKNOWN;
    switch (a->type) {
    case EV_READ:
        return a->loc == b->loc ? compared(source_position(g, a), source_position(g, b)) : UNKNOWN;
    case EV_WRITE:
        return a->loc == b->loc ? compared(a->co_pos, b->co_pos) : UNKNOWN;
    case EV_CHOICE:
        return compared(-(int)a->val, -(int)b->val);
    case EV_FENCE:
    case EV_END:
        return EQUAL;
    default:
        return UNKNOWN;
    }
}

bool symmetry_sorted(const struct graph *g)
{
    look_at(g);
    for (int t = 0; t < MAX_THREADS; t++)
        for (int u = look.next[t]; u >= 0; u = look.next[u]) {
            enum comparison order = EQUAL;
            for (int k = 0; order == EQUAL && k < look.n[t] && k < look.n[u]; k++)
                order = compare(g, look.event[t][k], look.event[u][k]);
            if (order == INVERTED)
                return false;
        }
    return true;
}

/* The last position that an event may take which must not come after this one. What a read-modify-write reads is
 * taken; and a write is not where another one is. */
static int last_place(const struct graph *g, const struct event *other)
{
    bool taken = event_writes(other);
    switch (other->type) {
    case EV_READ:
        return source_position(g, other) - taken;
    case EV_WRITE:
        return other->co_pos - 1;
    default:
        return -(int)other->val;
    }
}

bool symmetry_limit(const struct graph *g, int e, const bool here[], int *limit)
{
    const struct event *event = &g->ev[e];
    bool limited = false;
    look_at(g);
    for (int u = look.next[event->tid]; u >= 0; u = look.next[u]) {
        if (look.n[u] <= event->idx || !here[look.event[u][event->idx]])
            continue;
        enum comparison order = EQUAL;
        for (int k = 0; order == EQUAL && k < event->idx; k++)
            order = compare(g, look.event[event->tid][k], look.event[u][k]);
        const struct event *other = &g->ev[look.event[u][event->idx]];
        if (order != EQUAL || compare(g, e, look.event[u][event->idx]) == UNKNOWN)
            continue;
        int at = last_place(g, other);
        *limit = limited && *limit < at ? *limit : at;
        limited = true;
    }
    return limited;
}

/* ---- is it so? ---- */

void symmetry_reset(void)
{
    memset(told_apart, 0, sizeof told_apart);
}

void symmetry_told_apart(int tid, const char *what)
{
    told_apart[tid] = what;
}

static void __attribute__((noreturn)) differ(int t, int u, const char *why)
{
    fatal("T%d and T%d are not symmetric: %s. Without --symmetry they need not be", t, u, why);
}

/* What a thread does between joining two of them is seen by the one and not by the other. */
static void check_joins(int first)
{
    int parent = run.g->ev[run.g->thread[first].create].tid, joins = 0, from = -1, to = -1, members = 0;
    for (int u = first; u >= 0; u = look.next[u])
        members++;
    for (int k = 0; k < look.n[parent]; k++) {
        const struct event *e = &run.g->ev[look.event[parent][k]];
        for (int u = first; e->type == EV_JOIN && u >= 0; u = look.next[u])
            if ((int)e->val == u) {
                from = joins++ ? from : k;
                to = k;
            }
    }
    bool together = to - from + 1 == joins, all = joins == members || to + 1 == look.n[parent];
    if (joins && !(together && all))
        differ(first, look.next[first], "they are not joined one directly after the other");
}

void symmetry_check(void)
{
    bool follows[MAX_THREADS] = {false};
    look_at(run.g);
    for (int t = 0; t < MAX_THREADS; t++)
        if (look.next[t] >= 0)
            follows[look.next[t]] = true;
    for (int t = 0; t < MAX_THREADS; t++) {
        if (look.next[t] < 0)
            continue;
        for (int u = t; u >= 0; u = look.next[u])
            if (told_apart[u])
                differ(t, look.next[t], told_apart[u]);
        if (!follows[t])
            check_joins(t);
    }
}
