/* SPDX-License-Identifier: MIT */
/* RC11's condition on sequentially consistent accesses and fences, as bit matrices.
 *
 *   scb      = po U (po!=loc ; hb ; po!=loc) U hb|loc U co U fr
 *   psc_base = ([Esc] U [Fsc];hb?) ; scb ; ([Esc] U hb?;[Fsc])
 *   psc_F    = [Fsc] ; (hb U hb;eco;hb) ; [Fsc]
 *   acyclic(psc_base U psc_F)
 *
 * Sets of events are rows of bits. Everything is computed as predecessors: the clocks of an event say
 * directly what happens before it.
 * Source: O. Lahav, V. Vafeiadis, J. Kang, C. Hur, D. Dreyer, "Repairing sequential consistency in
 * C/C++11", 2017.
 */
#include "model.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

static struct {
    int n, words, nsc;
    int capacity;  /* events that the rows below have room for */
    uint64_t *hb;  /* hb[e]: strictly before e */
    uint64_t *scb; /* scb[e]: predecessors by scb */
    uint64_t *eco; /* eco[w], w a write: predecessors by eco; a read has those of its source, and that */
    uint64_t *po;  /* po[e]: strictly before e in its thread */
    uint64_t *different;     /* different[e]: x po y, both up to e in its thread, of different locations */
    uint64_t *location;      /* location[l]: all its events */
    uint64_t *psc;           /* psc[e], e an SC event: predecessors by psc */
    uint64_t *sc, *fence;    /* all SC events; all SC fences */
    uint64_t *light, *heavy; /* ... of these, the halves of asymmetric ones */
    uint64_t *scratch[3];
    bool have_scb[MAX_EVENTS], have_eco[MAX_EVENTS];
    int16_t of_thread[MAX_THREADS][MAX_EVENTS];
    int thread_n[MAX_THREADS], nthreads; /* threads beyond have no events */
} m;

static bool lifted; /* transactions are looked at as a whole */

static uint64_t *row(uint64_t *matrix, int e)
{
    return matrix + (size_t)e * (size_t)m.words;
}

static void set_bit(uint64_t *r, int e)
{
    r[e >> 6] |= UINT64_C(1) << (e & 63);
}

static bool has_bit(const uint64_t *r, int e)
{
    return r[e >> 6] >> (e & 63) & 1;
}

static void or_row(uint64_t *to, const uint64_t *from)
{
    for (int w = 0; w < m.words; w++)
        to[w] |= from[w];
}

/* Iterate the events of a row. */
static int next_bit(const uint64_t *r, int from)
{
    for (int w = from >> 6; w < m.words; w++) {
        uint64_t bits = r[w];
        if (w == from >> 6)
            bits &= ~UINT64_C(0) << (from & 63);
        if (bits)
            return w * 64 + __builtin_ctzll(bits);
    }
    return -1;
}

static uint64_t *grown(uint64_t *old, int rows)
{
    free(old);
    size_t words = (size_t)(m.capacity + 63) / 64;
    uint64_t *new = malloc((size_t)rows * words * sizeof *new);
    if (!new)
        abort();
    return new;
}

static void make_room(int n)
{
    if (n > m.capacity) {
        m.capacity = n + n / 2 + 64;
        uint64_t **matrix[] = {&m.hb, &m.scb, &m.eco, &m.po, &m.different, &m.psc};
        for (size_t i = 0; i < sizeof matrix / sizeof matrix[0]; i++)
            *matrix[i] = grown(*matrix[i], m.capacity);
        m.location = grown(m.location, MAX_LOCATIONS);
        m.sc = grown(m.sc, 1);
        m.fence = grown(m.fence, 1);
        m.light = grown(m.light, 1);
        m.heavy = grown(m.heavy, 1);
        m.scratch[0] = grown(m.scratch[0], 1);
        m.scratch[1] = grown(m.scratch[1], 1);
        m.scratch[2] = grown(m.scratch[2], 1);
    }
    m.n = n;
    m.words = (n + 63) / 64;
}

static bool has_location(const struct event *e)
{
    return e->type == EV_READ || e->type == EV_WRITE;
}

static bool same_location(const struct event *a, const struct event *b)
{
    return has_location(a) && has_location(b) && a->loc == b->loc;
}

/* A light fence is one among heavy ones. */
static bool is_sc(const struct event *e)
{
    if (e->type == EV_FENCE && e->flags & EV_LIGHT)
        return true;
    return e->order == SEQ_CST && (has_location(e) || e->type == EV_FENCE);
}

static void collect(const struct graph *g)
{
    size_t bytes = (size_t)m.words * sizeof(uint64_t);
    memset(m.location, 0, bytes * (size_t)g->nloc);
    memset(m.sc, 0, bytes);
    memset(m.fence, 0, bytes);
    memset(m.light, 0, bytes);
    memset(m.heavy, 0, bytes);
    memset(m.thread_n, 0, sizeof m.thread_n);
    m.nsc = m.nthreads = 0;
    for (int id = 0; id < g->n; id++) {
        const struct event *e = &g->ev[id];
        m.of_thread[e->tid][m.thread_n[e->tid]++] = (int16_t)id;
        m.nthreads = e->tid < m.nthreads ? m.nthreads : e->tid + 1;
        m.have_scb[id] = m.have_eco[id] = false;
        if (has_location(e))
            set_bit(row(m.location, e->loc), id);
        if (!is_sc(e))
            continue;
        if (e->flags & EV_LIGHT && e->type == EV_FENCE)
            set_bit(m.light, id);
        if (e->flags & EV_HEAVY && e->type == EV_FENCE)
            set_bit(m.heavy, id);
        set_bit(m.sc, id);
        m.nsc++;
        if (e->type == EV_FENCE)
            set_bit(m.fence, id);
    }
}

/* A clock may count events of a committing transaction that are still to be added. */
static int counted(int tid, int n)
{
    return n < m.thread_n[tid] ? n : m.thread_n[tid];
}

/* po and `different`, thread by thread; then hb, a union of thread prefixes. */
static void order_rows(const struct graph *g)
{
    size_t bytes = (size_t)m.words * sizeof(uint64_t);
    for (int t = 0; t < m.nthreads; t++) {
        int before = -1;
        for (int k = 0; k < m.thread_n[t]; k++) {
            int id = m.of_thread[t][k];
            uint64_t *po = row(m.po, id), *different = row(m.different, id);
            memset(po, 0, bytes);
            memset(different, 0, bytes);
            if (before >= 0) {
                or_row(po, row(m.po, before));
                set_bit(po, before);
                or_row(different, row(m.different, before));
            }
            const struct event *e = &g->ev[id];
            for (int w = 0; w < m.words; w++)
                different[w] |= po[w] & ~(has_location(e) ? row(m.location, e->loc)[w] : 0);
            before = id;
        }
    }
    for (int id = 0; id < g->n; id++) {
        uint64_t *hb = row(m.hb, id);
        const struct event *e = &g->ev[id];
        memset(hb, 0, bytes);
        for (int t = 0; t < m.nthreads; t++) {
            int k = t == e->tid ? e->idx : counted(t, e->hb.of[t]);
            if (k == 0)
                continue;
            int last = m.of_thread[t][k - 1];
            or_row(hb, row(m.po, last));
            set_bit(hb, last);
        }
    }
}

/* Everything coherence-before write `w`: earlier writes, and the reads that read from them. */
static const uint64_t *eco_row(const struct graph *g, int w)
{
    uint64_t *r = row(m.eco, w);
    int pos = g->ev[w].co_pos;
    if (m.have_eco[w])
        return r;
    m.have_eco[w] = true;
    memset(r, 0, (size_t)m.words * sizeof(uint64_t));
    for (int id = g->loc[g->ev[w].loc].ev_first; id != NO_EVENT; id = g->ev[id].loc_next) {
        const struct event *e = &g->ev[id];
        int at = e->type == EV_WRITE ? e->co_pos : e->rf == INIT_WRITE ? 0 : g->ev[e->rf].co_pos;
        if (id != w && at < pos)
            set_bit(r, id);
    }
    return r;
}

static void add_eco(const struct graph *g, uint64_t *to, int id)
{
    const struct event *e = &g->ev[id];
    if (!has_location(e))
        return;
    int w = e->type == EV_WRITE ? id : e->rf;
    if (w == INIT_WRITE)
        return;
    or_row(to, eco_row(g, w));
    if (e->type == EV_READ)
        set_bit(to, w);
}

/* x po!=loc y hb z po!=loc e: the latest z before e on another location sees the most. Before all others stands the
 * beginning of the thread, which is no event: behind its creation, and on no location. */
static void add_around(const struct graph *g, uint64_t *r, int id)
{
    const struct event *e = &g->ev[id];
    int z = NO_EVENT;
    for (int k = e->idx; k-- > 0 && z == NO_EVENT;)
        if (!same_location(&g->ev[m.of_thread[e->tid][k]], e))
            z = m.of_thread[e->tid][k];
    bool begins = z == NO_EVENT;
    if (begins)
        z = g->thread[e->tid].create;
    if (z == NO_EVENT)
        return;
    for (int t = 0; t < m.nthreads; t++) {
        int k = t == g->ev[z].tid ? g->ev[z].idx + begins : counted(t, g->ev[z].hb.of[t]);
        if (k > 0)
            or_row(r, row(m.different, m.of_thread[t][k - 1]));
    }
}

static const uint64_t *scb_row(const struct graph *g, int id)
{
    uint64_t *r = row(m.scb, id);
    if (m.have_scb[id])
        return r;
    m.have_scb[id] = true;
    const struct event *e = &g->ev[id];
    memcpy(r, row(m.po, id), (size_t)m.words * sizeof(uint64_t));
    add_around(g, r, id);
    if (!has_location(e))
        return r;
    for (int w = 0; w < m.words; w++)
        r[w] |= row(m.hb, id)[w] & row(m.location, e->loc)[w];
    if (e->type == EV_WRITE)
        or_row(r, eco_row(g, id));
    return r;
}

/* Fences f with f hb x, for some x of the row. */
static void add_fences_before(uint64_t *to, const uint64_t *r)
{
    for (int x = next_bit(r, 0); x >= 0; x = next_bit(r, x + 1)) {
        const uint64_t *hb = row(m.hb, x);
        for (int w = 0; w < m.words; w++)
            to[w] |= hb[w] & m.fence[w];
    }
}

/* What happens before fence `b`. The fence that begins a transaction stands for the whole of it. */
static const uint64_t *before_fence(const struct graph *g, int b)
{
    const struct event *e = &g->ev[b];
    if (e->section != b || !lifted)
        return row(m.hb, b);
    uint64_t *r = m.scratch[2];
    memcpy(r, row(m.hb, b), (size_t)m.words * sizeof(uint64_t));
    for (int k = e->idx + 1; k < m.thread_n[e->tid]; k++) {
        int id = m.of_thread[e->tid][k];
        if (g->ev[id].section != b)
            break;
        or_row(r, row(m.hb, id));
        set_bit(r, id);
    }
    return r;
}

static void psc_row(const struct graph *g, int b)
{
    size_t bytes = (size_t)m.words * sizeof(uint64_t);
    uint64_t *psc = row(m.psc, b), *e1 = m.scratch[0], *e2 = m.scratch[1];
    bool fence = has_bit(m.fence, b);
    const uint64_t *hb = fence ? before_fence(g, b) : NULL;
    memset(psc, 0, bytes);
    memset(e1, 0, bytes);
    memset(e2, 0, bytes);
    set_bit(e2, b);
    if (fence)
        or_row(e2, hb);
    for (int e = next_bit(e2, 0); e >= 0; e = next_bit(e2, e + 1))
        or_row(e1, scb_row(g, e));
    for (int w = 0; w < m.words; w++)
        psc[w] |= e1[w] & m.sc[w];
    add_fences_before(psc, e1);
    if (!fence)
        return;

    memset(e1, 0, bytes);
    for (int e = next_bit(hb, 0); e >= 0; e = next_bit(hb, e + 1))
        add_eco(g, e1, e);
    add_fences_before(psc, e1);
    for (int w = 0; w < m.words; w++)
        psc[w] |= hb[w] & m.fence[w];
    if (g->ev[b].section == b && lifted)
        psc[b >> 6] &= ~(UINT64_C(1) << (b & 63)); /* within the transaction */
}

/* The light and heavy fences that lead to `to`, over other SC events only. */
static void asymmetric_before(int to, uint64_t *found, uint64_t *seen)
{
    size_t bytes = (size_t)m.words * sizeof(uint64_t);
    memcpy(seen, row(m.psc, to), bytes);
    memset(found, 0, bytes);
    for (bool more = true; more;) {
        more = false;
        for (int e = next_bit(seen, 0); e >= 0; e = next_bit(seen, e + 1)) {
            if (has_bit(found, e))
                continue;
            set_bit(found, e);
            more = true;
            if (!has_bit(m.light, e) && !has_bit(m.heavy, e))
                or_row(seen, row(m.psc, e));
        }
    }
    for (int w = 0; w < m.words; w++)
        found[w] &= m.light[w] | m.heavy[w];
}

static bool asymmetric_fences_consistent(void)
{
    int fence[ASYMMETRIC_MAX], n = 0;
    uint64_t heavy = 0, leads[ASYMMETRIC_MAX] = {0}, *found = m.scratch[0];
    for (int e = next_bit(m.sc, 0); e >= 0; e = next_bit(m.sc, e + 1)) {
        if (!has_bit(m.light, e) && !has_bit(m.heavy, e))
            continue;
        if (n == ASYMMETRIC_MAX)
            fatal("more than %d light and heavy fences in one execution", ASYMMETRIC_MAX);
        heavy |= (uint64_t)has_bit(m.heavy, e) << n;
        fence[n++] = e;
    }
    if (heavy == 0)
        return true;
    for (int y = 0; y < n; y++) {
        asymmetric_before(fence[y], found, m.scratch[1]);
        for (int x = 0; x < n; x++)
            if (x != y && has_bit(found, fence[x]))
                leads[x] |= UINT64_C(1) << y;
    }
    return asymmetric_consistent(n, heavy, leads);
}

/* A light fence is nothing to all the others. */
static void forget_light(void)
{
    for (int w = 0; w < m.words; w++)
        m.sc[w] &= ~m.light[w];
    m.nsc = 0;
    for (int e = next_bit(m.sc, 0); e >= 0; e = next_bit(m.sc, e + 1))
        m.nsc++;
}

/* Take away SC events without predecessors until none is left, or a cycle. */
static bool sc_events_acyclic(void)
{
    uint64_t *alive = m.sc;
    int left = m.nsc;
    for (bool progress = true; progress && left > 0;) {
        progress = false;
        for (int e = next_bit(alive, 0); e >= 0; e = next_bit(alive, e + 1)) {
            uint64_t any = 0;
            for (int w = 0; w < m.words; w++)
                any |= row(m.psc, e)[w] & alive[w];
            if (any)
                continue;
            alive[e >> 6] &= ~(UINT64_C(1) << (e & 63));
            left--;
            progress = true;
        }
    }
    return left == 0;
}

static int count_sc(const struct graph *g)
{
    int n = 0;
    for (int id = 0; id < g->n; id++)
        n += is_sc(&g->ev[id]);
    return n;
}

bool psc_consistent(const struct graph *g, bool whole_sections)
{
    lifted = whole_sections;
    if (count_sc(g) < 2)
        return true;
    make_room(g->n);
    collect(g);
    order_rows(g);
    for (int e = next_bit(m.sc, 0); e >= 0; e = next_bit(m.sc, e + 1))
        psc_row(g, e);
    bool light = next_bit(m.light, 0) >= 0;
    if (light && !asymmetric_fences_consistent())
        return false;
    if (light)
        forget_light();
    return sc_events_acyclic();
}
