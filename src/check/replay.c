/* SPDX-License-Identifier: MIT */
/* A failing execution as a text file: a line for each location and each event, in the order of execution.
 *
 *   pawl-check replay 2 <model> <found by looking ahead>
 *   location <address> <generation> <size> <object>
 *   event <type> <thread> ... <previous event> <source> <location> <coherence position> <round> <value, two halves> ...
 *
 * Clocks are not written: they follow from the rest.
 */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT_VERSION = 2 };

/* Events in the order of their lines. Those that could not be executed come last. */
static int order_lines(int event_at[MAX_EVENTS], int line_of[MAX_EVENTS])
{
    int n = 0;
    for (int id = 0; id < run.g->n; id++)
        line_of[id] = NO_EVENT;
    for (; n < run.norder; n++) {
        event_at[n] = run.order[n];
        line_of[run.order[n]] = n;
    }
    for (int id = 0; id < run.g->n; id++)
        if (line_of[id] == NO_EVENT) {
            event_at[n] = id;
            line_of[id] = n++;
        }
    return n;
}

void replay_save(const char *path)
{
    static int event_at[MAX_EVENTS], line_of[MAX_EVENTS];
    FILE *to = fopen(path, "w");
    if (!to)
        fatal("cannot write %s: %s", path, strerror(errno));
    const struct graph *g = run.g;
    int n = order_lines(event_at, line_of);
    fprintf(to, "pawl-check replay %d %d %d\n", FORMAT_VERSION, (int)options.model, run.looked_ahead);
    for (int l = 0; l < g->nloc; l++)
        fprintf(to, "location %" PRIxPTR " %u %u %d\n", g->loc[l].addr, g->loc[l].generation, g->loc[l].size,
                g->loc[l].object);
    for (int i = 0; i < n; i++) {
        const struct event *e = &g->ev[event_at[i]];
        fprintf(to,
                "event %u %u %u %u %u %u %u %u %d %d %u %u %u %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64
                "\n",
                e->type, e->tid, e->order, e->flags, e->order_ok, e->order_fail, e->await, e->detail,
                e->po_prev < 0 ? e->po_prev : line_of[e->po_prev], e->rf < 0 ? e->rf : line_of[e->rf], e->loc,
                e->co_pos, e->round, (uint64_t)e->val, (uint64_t)(e->val >> 64), (uint64_t)e->aux,
                (uint64_t)(e->aux >> 64));
    }
    if (fclose(to))
        fatal("cannot write %s: %s", path, strerror(errno));
}

static void __attribute__((noreturn)) bad(const char *path, int line)
{
    fatal("%s:%d: not a line of a replay file of this version", path, line);
}

static bool read_location(const char *line, struct graph *g)
{
    unsigned generation, size;
    int object;
    uintptr_t addr;
    if (g->nloc == MAX_LOCATIONS ||
        sscanf(line, "location %" SCNxPTR " %u %u %d", &addr, &generation, &size, &object) != 4 || size > 16)
        return false;
    g->loc[g->nloc++] = (struct location){addr,       (uint16_t)generation, (uint8_t)size, object != 0,
                                          INIT_WRITE, INIT_WRITE,           NO_EVENT,      NO_EVENT};
    return true;
}

static bool read_event(const char *line, struct graph *g)
{
    unsigned type, tid, order, flags, ok, fail, await, detail, loc, co_pos, round;
    int po_prev, rf;
    uint64_t v[4];
    if (sscanf(line,
               "event %u %u %u %u %u %u %u %u %d %d %u %u %u %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
               &type, &tid, &order, &flags, &ok, &fail, &await, &detail, &po_prev, &rf, &loc, &co_pos, &round,
               &v[0], &v[1], &v[2], &v[3]) != 17)
        return false;
    if (type > EV_CHOICE || tid >= MAX_THREADS || order > SEQ_CST || ok > SEQ_CST || fail > SEQ_CST ||
        detail >= NAMES || po_prev >= g->n || rf < NO_EVENT || rf >= MAX_EVENTS ||
        (int)loc >= MAX_LOCATIONS || po_prev < NO_EVENT || po_prev == INIT_WRITE)
        return false;
    struct event *e = graph_append(g, (int)tid, po_prev);
    if (!e)
        return false;
    e->type = (uint8_t)type;
    e->order = (uint8_t)order;
    e->flags = (uint8_t)flags;
    e->order_ok = (uint8_t)ok;
    e->order_fail = (uint8_t)fail;
    e->await = (uint8_t)await;
    e->detail = (uint8_t)detail;
    e->rf = (int16_t)rf;
    e->loc = (uint16_t)loc;
    e->co_pos = (uint16_t)co_pos;
    e->round = (uint16_t)(round <= e->idx ? round : 0);
    e->val = (u128)v[0] | (u128)v[1] << 64;
    e->aux = (u128)v[2] | (u128)v[3] << 64;
    return true;
}

/* What the event names is there: the write it reads, the end it waits for, a thread not created before. */
static bool names_what_is(const struct graph *g, const struct event *e)
{
    const struct event *source = e->rf < 0 ? NULL : &g->ev[e->rf];
    switch (e->type) {
    case EV_READ:
        return source ? source->type == EV_WRITE && source->loc == e->loc : e->rf == INIT_WRITE;
    case EV_CREATE:
        return e->val > 0 && e->val < MAX_THREADS && !g->thread[(int)e->val].exists;
    case EV_JOIN:
        return source && source->type == EV_END && source->tid == e->val;
    default:
        return true;
    }
}

/* Coherence order from the positions. */
static bool link_writes(struct graph *g)
{
    static uint16_t position[MAX_EVENTS];
    for (int id = 0; id < g->n; id++) {
        struct event *e = &g->ev[id];
        bool access = e->type == EV_READ || e->type == EV_WRITE;
        position[id] = e->co_pos;
        e->co_pos = 0;
        if (e->rf >= g->n || (access && e->loc >= g->nloc) || !names_what_is(g, e))
            return false;
        if (access)
            graph_link(g, id);
        if (e->type == EV_CREATE) {
            g->thread[(int)e->val].exists = true;
            g->thread[(int)e->val].create = (int16_t)id;
        }
    }
    for (int pos = 1; pos <= g->n; pos++)
        for (int id = 0; id < g->n; id++)
            if (g->ev[id].type == EV_WRITE && position[id] == pos) {
                int last = g->loc[g->ev[id].loc].co_last;
                if ((last == INIT_WRITE ? 0 : g->ev[last].co_pos) + 1 != pos)
                    return false;
                graph_co_insert(g, id, last);
            }
    return true;
}

/* The clocks of an event that is about to be executed again: everything it depends on has been. */
void replay_clocks(int tid, int id)
{
    struct event *e = &run.g->ev[id];
    const struct thread *t = &run.thread[tid];
    graph_base_clocks(run.g, e);
    switch (e->type) {
    case EV_READ:
        graph_set_rf(run.g, id, e->rf, run.loc[e->loc].init, run_all_sync());
        break;
    case EV_WRITE:
        write_clocks(run.g, tid, e, &t->op);
        break;
    case EV_FENCE:
        if (order_acquires(e->order))
            view_join(&e->hb, &t->acquire_pending);
        break;
    case EV_JOIN:
        view_join(&e->hb, &run.g->ev[e->rf].hb);
        view_join(&e->porf, &run.g->ev[e->rf].porf);
        break;
    default:
        break;
    }
}

/* From a transaction's beginning to its end. */
static void find_sections(struct graph *g)
{
    int open[MAX_THREADS];
    for (int t = 0; t < MAX_THREADS; t++)
        open[t] = NO_EVENT;
    for (int id = 0; id < g->n; id++) {
        struct event *e = &g->ev[id];
        if (e->type == EV_FENCE && e->detail == NAME_BEGIN)
            open[e->tid] = id;
        e->section = (int16_t)open[e->tid];
        if (e->type == EV_FENCE && (e->detail == NAME_COMMIT || e->detail == NAME_ABORT))
            open[e->tid] = NO_EVENT;
    }
}

/* Threads' keys are only an order: here the order of their numbers. */
static void name_threads(struct graph *g)
{
    for (int t = 1; t < MAX_THREADS; t++)
        g->thread[t].key[0] = (uint8_t)t;
}

void replay_load(const char *path, struct graph *g)
{
    char line[512];
    int version, model = 0, ahead = 0, n = 1;
    FILE *from = fopen(path, "r");
    if (!from)
        fatal("cannot read %s: %s", path, strerror(errno));
    if (!fgets(line, sizeof line, from) ||
        sscanf(line, "pawl-check replay %d %d %d", &version, &model, &ahead) != 3 ||
        version != FORMAT_VERSION || model < 0 || model > MODEL_TSO)
        bad(path, 1);
    options.model = (enum model)model;
    run.looked_ahead = ahead != 0;
    while (fgets(line, sizeof line, from)) {
        n++;
        if (!(line[0] == 'l' ? read_location(line, g) : read_event(line, g)))
            bad(path, n);
    }
    fclose(from);
    find_sections(g);
    if (!link_writes(g))
        bad(path, n);
    name_threads(g);
}
