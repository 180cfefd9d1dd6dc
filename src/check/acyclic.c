/* SPDX-License-Identifier: MIT */
/* The two multi-copy-atomic models: an execution is consistent when one order of all events exists.
 *
 * SC    acyclic(po U rf U co U fr)
 * TSO   acyclic(ppo U rfe U co U fr), where ppo is program order without write-to-read pairs, except
 *       across a fence or a locked instruction: a seq_cst fence, a read-modify-write, a seq_cst store
 *       (which x86 compilers make an xchg), and the creation and end of threads.
 *
 * Fences of weaker orders are nothing on x86. Coherence (sc per location) holds by construction.
 * Source: S. Owens, S. Sarkar, P. Sewell, "A better x86 memory model: x86-TSO", 2009; J. Alglave,
 * L. Maranget, M. Tautschnig, "Herding cats", 2014.
 */
#include "model.h"
#include "run.h"

#include <string.h>

enum { EDGES_PER_EVENT = 6 };

static struct {
    int n;
    int16_t to[MAX_EVENTS * EDGES_PER_EVENT];
    int32_t next[MAX_EVENTS * EDGES_PER_EVENT];
} edges;
static int32_t edge_first[MAX_EVENTS];
static uint16_t indegree[MAX_EVENTS];

static bool lifted; /* transactions are looked at as a whole */

/* A transaction is then one node: the event that began it. */
static int node(const struct graph *g, int id)
{
    return !lifted || g->ev[id].section == NO_EVENT ? id : g->ev[id].section;
}

static void edge(const struct graph *g, int from, int to)
{
    if (from < 0 || to < 0)
        return;
    from = node(g, from);
    to = node(g, to);
    if (from == to)
        return;
    edges.to[edges.n] = (int16_t)to;
    edges.next[edges.n] = edge_first[from];
    edge_first[from] = edges.n++;
    indegree[to]++;
}

/* The write that comes directly after `w` in coherence order. */
static int co_successor(const struct graph *g, const struct event *read)
{
    if (read->rf >= 0)
        return g->ev[read->rf].co_next;
    int first = g->loc[read->loc].co_first;
    return first == INIT_WRITE ? NO_EVENT : first;
}

static void communication(const struct graph *g, int id, bool external_only)
{
    const struct event *e = &g->ev[id];
    if (e->type == EV_WRITE) {
        edge(g, e->co_prev, id);
    } else if (e->type == EV_READ) {
        if (e->rf >= 0 && !(external_only && g->ev[e->rf].tid == e->tid))
            edge(g, e->rf, id);
        edge(g, id, co_successor(g, e));
    } else if (e->type == EV_JOIN) {
        edge(g, e->rf, id);
    }
}

/* What the next event of a thread is ordered after: its last read or fence (which is ordered after all
 * reads before it), and its last write (ordered after all writes before it). */
struct tso_thread {
    int read, write;
};

static bool drains(const struct event *e)
{
    if (e->type == EV_READ)
        return false;
    if (e->type == EV_WRITE)
        return (e->flags & (EV_RMW | EV_OBJECT)) || e->order == SEQ_CST;
    return e->type != EV_FENCE || e->order == SEQ_CST;
}

/* The read half of a locked instruction waits for the store buffer too. lock cmpxchg is locked whether
 * it succeeds or not. */
static bool locked_read(const struct event *e)
{
    return e->flags & (EV_RMW | EV_CAS | EV_OBJECT);
}

static void preserved_program_order(const struct graph *g, int id, struct tso_thread *t)
{
    const struct event *e = &g->ev[id];
    if (e->idx == 0) {
        t->read = e->po_prev; /* the creation of the thread */
        t->write = NO_EVENT;
    }
    if (e->type == EV_CHOICE)
        return;
    edge(g, t->read, id);
    if (e->type == EV_READ) {
        if (locked_read(e))
            edge(g, t->write, id);
        t->read = id;
        if (locked_read(e))
            t->write = NO_EVENT; /* everything later is ordered after this read, and so after the buffer */
        return;
    }
    if (e->type == EV_FENCE && e->order != SEQ_CST)
        return;
    edge(g, t->write, id);
    if (e->type == EV_WRITE)
        t->write = id;
    if (drains(e))
        t->read = t->write = id;
}

static bool acyclic(int n)
{
    static int16_t ready[MAX_EVENTS];
    int head = 0, tail = 0;
    for (int id = 0; id < n; id++)
        if (indegree[id] == 0)
            ready[tail++] = (int16_t)id;
    while (head < tail) {
        int id = ready[head++];
        for (int k = edge_first[id]; k >= 0; k = edges.next[k])
            if (--indegree[edges.to[k]] == 0)
                ready[tail++] = edges.to[k];
    }
    return tail == n;
}

/* ---- light and heavy fences ---- */

static int16_t fence[ASYMMETRIC_MAX];
static int nfences;

static bool is_light(const struct event *e)
{
    return e->type == EV_FENCE && (e->flags & EV_LIGHT);
}

static bool is_heavy(const struct event *e)
{
    return e->type == EV_FENCE && (e->flags & EV_HEAVY) && e->order == SEQ_CST;
}

/* False when there are no two kinds of them, and so nothing to ask. */
static bool collect_fences(const struct graph *g)
{
    bool light = false, heavy = false;
    nfences = 0;
    for (int id = 0; id < g->n; id++) {
        if (!is_light(&g->ev[id]) && !is_heavy(&g->ev[id]))
            continue;
        if (nfences == ASYMMETRIC_MAX)
            fatal("more than %d light and heavy fences in one execution", ASYMMETRIC_MAX);
        fence[nfences++] = (int16_t)id;
        light |= is_light(&g->ev[id]);
        heavy |= is_heavy(&g->ev[id]);
    }
    return light && heavy;
}

/* Everything that the events after the fence lead to. */
static void reach(const struct graph *g, int from, bool reached[])
{
    static int16_t stack[MAX_EVENTS];
    int n = 0;
    memset(reached, 0, sizeof reached[0] * (size_t)g->n);
    for (int id = from; id < g->n; id++) {
        const struct event *e = &g->ev[id];
        if (id != from && (e->tid != g->ev[from].tid || e->idx < g->ev[from].idx))
            continue;
        if (id == from && is_light(e))
            continue;
        stack[n++] = (int16_t)node(g, id);
        reached[node(g, id)] = true;
    }
    while (n > 0) {
        int id = stack[--n];
        for (int k = edge_first[id]; k >= 0; k = edges.next[k])
            if (!reached[edges.to[k]]) {
                reached[edges.to[k]] = true;
                stack[n++] = edges.to[k];
            }
    }
}

/* Is something that comes before the fence among what is reached? */
static bool leads_before(const struct graph *g, int to, const bool reached[])
{
    if (!is_light(&g->ev[to]))
        return reached[to];
    for (int id = 0; id < to; id++)
        if (g->ev[id].tid == g->ev[to].tid && reached[node(g, id)])
            return true;
    return false;
}

static bool fences_consistent(const struct graph *g)
{
    static bool reached[MAX_EVENTS];
    uint64_t heavy = 0, leads[ASYMMETRIC_MAX] = {0};
    for (int x = 0; x < nfences; x++) {
        heavy |= (uint64_t)is_heavy(&g->ev[fence[x]]) << x;
        reach(g, fence[x], reached);
        for (int y = 0; y < nfences; y++)
            if (x != y && leads_before(g, fence[y], reached))
                leads[x] |= UINT64_C(1) << y;
    }
    return asymmetric_consistent(nfences, heavy, leads);
}

bool multi_copy_atomic_consistent(const struct graph *g, bool tso, bool whole_sections)
{
    lifted = whole_sections;
    struct tso_thread thread[MAX_THREADS];
    edges.n = 0;
    memset(edge_first, -1, sizeof edge_first[0] * (size_t)g->n);
    memset(indegree, 0, sizeof indegree[0] * (size_t)g->n);
    for (int id = 0; id < g->n; id++) {
        communication(g, id, tso);
        if (tso)
            preserved_program_order(g, id, &thread[g->ev[id].tid]);
        else
            edge(g, g->ev[id].po_prev, id);
    }
    return acyclic(g->n) && (!tso || !collect_fences(g) || fences_consistent(g));
}
