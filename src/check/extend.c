/* SPDX-License-Identifier: MIT */
/* Adding the event that a thread stands before, in every way in which it can be. */
#include "search.h"

#include <string.h>

void fill_event(struct event *e, int id, const struct op *op, int section)
{
    e->type = op->type;
    e->order = e->order_ok = op->order;
    e->order_fail = op->order_fail;
    e->flags = op->flags;
    e->await = op->await;
    e->detail = op->name;
    e->pc = op->pc;
    e->val = op->val;
    e->aux = op->aux;
    e->round = (uint16_t)run.thread[e->tid].round_from;
    e->section = (int16_t)(op->type == EV_FENCE && op->name == NAME_BEGIN ? id : section);
}

static int append(int tid, const struct op *op)
{
    const struct thread *t = &run.thread[tid];
    struct event *e = graph_append(run.g, tid, t->last);
    if (!e || e->idx >= options.max_events) {
        run.g->n -= e != NULL;
        bug(BUG_LIMIT, op->pc,
            "T%d reached %d events: a loop without end that is not a plain wait (it stores, counts, or looks at "
            "the clock in every round), or a test too large; raise --max-events (at most %d)",
            tid, t->executed, MAX_EVENTS);
        return -1;
    }
    int id = run.g->n - 1;
    fill_event(e, id, op, t->section);
    run.event_of[tid][run.thread[tid].planned++] = (int16_t)id;
    return id;
}

/* The oracles keep a read-modify-write whole: it reads nothing that another one has already replaced. */
static bool oracle_may_read(const struct graph *g, int id, int w)
{
    const struct event *e = &g->ev[id];
    if (!await_satisfied(e->await, e->val, e->aux))
        return false;
    return !event_writes(e) || !graph_rmw_follows(g, e->loc, w);
}

static bool extend_read(int tid, const struct op *op)
{
    struct graph *g = run.g;
    int l = run_location(tid, op, true);
    if (l < 0)
        return false;
    int id = append(tid, op);
    if (id < 0)
        return false;
    g->ev[id].loc = (uint16_t)l;
    graph_link(g, id);

    int candidate[MAX_EVENTS], n = 0, last = g->loc[l].co_last;
    u128 init = run.loc[l].init;
    bool sync = run_all_sync();
    int min = graph_min_pos(g, l, &g->ev[id].hb);
    for (int w = last; position(g, w) >= min; w = g->ev[w].co_prev) {
        graph_set_rf(g, id, w, init, sync);
        const struct event *e = &g->ev[id];
        bool possible = w == last || model_consistent(g, options.model);
        if (!optimal()) {
            if (possible && oracle_may_read(g, id, w))
                candidate[n++] = w;
        } else if (possible && sorted(g)) {
            /* A blocked read is a step towards its own revisit, which needs it to read the last write. */
            if (n == 0)
                candidate[n++] = w;
            else if (await_satisfied(e->await, e->val, e->aux))
                queue_push(g);
        }
        if (w == INIT_WRITE || path_latest_only())
            break;
    }
    if (!optimal() && n == 0)
        fatal("internal error: a read without a source (please report it with the program)");
    if (n == 0)
        return false; /* the symmetric execution is explored */
    graph_set_rf(g, id, candidate[optimal() ? 0 : path_choose(n)], init, sync);
    run_commit(tid, id);
    return true;
}

/* A write that has no place. Of a symmetric thread, the others may still make one. They may also write what was read
 * between the two halves of a read-modify-write: each value of that comes with the write that is offered from here. */
static bool goes_no_further(int tid)
{
    const struct event *before = &run.g->ev[run.thread[tid].last], *e = &run.g->ev[run.g->n - 1];
    bool looked = (e->flags & EV_RMW) && before->type == EV_READ && e->po_prev != e->rf;
    if (!options.symmetry && !looked)
        return false;
    graph_unlink_last(run.g);
    run.thread[tid].planned--;
    run_refuse_thread(tid);
    return true;
}

static bool extend_write(int tid, const struct op *op)
{
    static int place[MAX_EVENTS], consistent[MAX_EVENTS];
    struct graph *g = run.g;
    if (op->half && cannot_commit(tid)) {
        run_refuse_thread(tid);
        return true;
    }
    int l = run_location(tid, op, false);
    if (l < 0)
        return false;
    int id = append(tid, op);
    if (id < 0)
        return false;
    struct event *e = &g->ev[id];
    e->loc = (uint16_t)l;
    write_clocks(g, tid, e, op);
    graph_link(g, id);
    revisit_all(g);

    int n = places(g, graph_min_pos(g, l, &e->hb), place), nconsistent = 0, last = g->loc[l].co_last;
    for (int i = 0; i < n; i++) {
        if (path_latest_only() && place[i] != last)
            break;
        graph_co_insert(g, id, place[i]);
        if ((place[i] == last || model_consistent(g, options.model)) && (!optimal() || sorted(g)))
            consistent[nconsistent++] = place[i];
        if (optimal() && nconsistent > 1 && consistent[nconsistent - 1] == place[i])
            queue_push(g);
        graph_co_remove(g, id);
    }
    if (nconsistent == 0)
        return goes_no_further(tid);
    graph_co_insert(g, id, consistent[optimal() ? 0 : path_choose(nconsistent)]);
    run_commit(tid, id);
    return true;
}

static bool extend_choice(int tid, const struct op *op)
{
    struct graph *g = run.g;
    int n = (int)op->val, id = append(tid, op);
    if (id < 0)
        return false;
    struct event *e = &g->ev[id];
    int chosen = optimal() ? n : path_choose(n);
    /* The smallest is last, and stays. */
    for (int v = n - 1; v >= 0 && optimal(); v--) {
        e->val = (u128)v;
        if (!sorted(g))
            continue;
        if (chosen < n) {
            e->val = (u128)chosen;
            queue_push(g);
        }
        chosen = v;
    }
    if (chosen == n)
        return false; /* the symmetric execution is explored */
    e->val = (u128)chosen;
    run_commit(tid, id);
    return true;
}

static bool extend_create(int tid, const struct op *op)
{
    struct graph *g = run.g;
    int child = 1;
    while (child < MAX_THREADS && g->thread[child].exists)
        child++;
    if (child == MAX_THREADS) {
        bug(BUG_LIMIT, op->pc, "more than %d threads: the checker supports that many, the first one included",
            MAX_THREADS);
        return false;
    }
    int id = append(tid, op);
    if (id < 0)
        return false;
    g->ev[id].val = (u128)child;
    struct graph_thread *t = &g->thread[child];
    memcpy(t->key, g->thread[tid].key, sizeof t->key);
    int level = 0, siblings = 1;
    while (level < MAX_THREADS - 1 && t->key[level])
        level++;
    for (int k = 0; k < run.thread[tid].executed; k++)
        siblings += g->ev[run.event_of[tid][k]].type == EV_CREATE;
    t->key[level] = (uint8_t)siblings;
    t->exists = true;
    t->create = (int16_t)id;
    run.thread[child].planned = 0;
    run_commit(tid, id);
    return true;
}

static bool extend_join(int tid, const struct op *op)
{
    struct graph *g = run.g;
    int id = append(tid, op);
    if (id < 0)
        return false;
    struct event *e = &g->ev[id];
    e->rf = (int16_t)run.thread[(int)op->val].last;
    view_join(&e->hb, &g->ev[e->rf].hb);
    view_join(&e->porf, &g->ev[e->rf].porf);
    run_commit(tid, id);
    return true;
}

static bool extend_fence(int tid, const struct op *op)
{
    int id = append(tid, op);
    if (id < 0)
        return false;
    if (order_acquires(op->order))
        view_join(&run.g->ev[id].hb, &run.thread[tid].acquire_pending);
    run_commit(tid, id);
    return true;
}

static bool extend_end(int tid, const struct op *op)
{
    int id = append(tid, op);
    if (id >= 0)
        run_commit(tid, id);
    return id >= 0;
}

bool explore_extend(int tid)
{
    const struct op *op = &run.thread[tid].op;
    switch (op->type) {
    case EV_READ:
        return extend_read(tid, op);
    case EV_WRITE:
        return extend_write(tid, op);
    case EV_CHOICE:
        return extend_choice(tid, op);
    case EV_CREATE:
        return extend_create(tid, op);
    case EV_JOIN:
        return extend_join(tid, op);
    case EV_FENCE:
        return extend_fence(tid, op);
    default:
        return extend_end(tid, op);
    }
}
