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

#include <string.h>

enum { EDGES_PER_EVENT = 6 };

static struct {
    int n;
    int16_t to[MAX_EVENTS * EDGES_PER_EVENT];
    int32_t next[MAX_EVENTS * EDGES_PER_EVENT];
} edges;
static int32_t edge_first[MAX_EVENTS];
static uint16_t indegree[MAX_EVENTS];

static void edge(int from, int to)
{
    if (from < 0 || to < 0 || from == to)
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
        edge(e->co_prev, id);
    } else if (e->type == EV_READ) {
        if (e->rf >= 0 && !(external_only && g->ev[e->rf].tid == e->tid))
            edge(e->rf, id);
        edge(id, co_successor(g, e));
    } else if (e->type == EV_JOIN) {
        edge(e->rf, id);
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
    edge(t->read, id);
    if (e->type == EV_READ) {
        if (locked_read(e))
            edge(t->write, id);
        t->read = id;
        if (locked_read(e))
            t->write = NO_EVENT; /* everything later is ordered after this read, and so after the buffer */
        return;
    }
    if (e->type == EV_FENCE && e->order != SEQ_CST)
        return;
    edge(t->write, id);
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

bool multi_copy_atomic_consistent(const struct graph *g, bool tso)
{
    struct tso_thread thread[MAX_THREADS];
    edges.n = 0;
    memset(edge_first, -1, sizeof edge_first[0] * (size_t)g->n);
    memset(indegree, 0, sizeof indegree[0] * (size_t)g->n);
    for (int id = 0; id < g->n; id++) {
        communication(g, id, tso);
        if (tso)
            preserved_program_order(g, id, &thread[g->ev[id].tid]);
        else
            edge(g->ev[id].po_prev, id);
    }
    return acyclic(g->n);
}
