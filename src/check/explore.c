/* SPDX-License-Identifier: MIT */
/* Which executions to run: all of them, each once.
 *
 * An execution starts from a graph on the queue, does again what the graph holds, and adds events; where an
 * event can be added in several ways it takes one and queues the others. A read takes each write that
 * coherence leaves it; a write takes each place in coherence order, and is then offered to the reads that
 * were added before it ("backward revisit": the read gets it as its source, and what was added
 * after the read without being needed by the write is removed). A graph must come out of one revisit only:
 * the removed events must be exactly those that the exploration would add in that place by itself,
 * each reading from, or being, the last write in coherence order of what was there before it or is needed
 * by the write. So nothing is explored twice, and no set of visited executions is kept.
 *
 * Source: M. Kokologiannakis, I. Marmanis, V. Gladstein, V. Vafeiadis, "Truly stateless, optimal dynamic
 * partial order reduction", 2022. The oracles (plain interleavings, with and without all values; random
 * choice) share the adding of an event and nothing else.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

/* ---- queue of graphs, last in first out ---- */

struct pending {
    struct pending *next;
    int n, nloc;
    struct graph_thread thread[MAX_THREADS];
    char rest[]; /* locations, then events */
};

static struct pending *queue;
static int queued;
static struct graph current, cut;

static void push(const struct graph *g)
{
    size_t locs = sizeof g->loc[0] * (size_t)g->nloc, events = sizeof g->ev[0] * (size_t)g->n;
    struct pending *p = malloc(sizeof *p + locs + events);
    if (!p)
        fatal("out of memory with %d executions queued", queued);
    p->n = g->n;
    p->nloc = g->nloc;
    memcpy(p->thread, g->thread, sizeof p->thread);
    memcpy(p->rest, g->loc, locs);
    memcpy(p->rest + locs, g->ev, events);
    p->next = queue;
    queue = p;
    queued++;
}

static void pop(struct graph *g)
{
    struct pending *p = queue;
    size_t locs = sizeof g->loc[0] * (size_t)p->nloc;
    queue = p->next;
    queued--;
    g->n = p->n;
    g->nloc = p->nloc;
    memcpy(g->thread, p->thread, sizeof p->thread);
    memcpy(g->loc, p->rest, locs);
    memcpy(g->ev, p->rest + locs, sizeof g->ev[0] * (size_t)p->n);
    free(p);
}

int explore_pending(void)
{
    return queued;
}

/* Every workers-th graph of the queue stays. */
void explore_keep_share(int worker, int workers)
{
    struct pending **at = &queue;
    for (int i = 0; *at; i++) {
        struct pending *p = *at;
        if (i % workers == worker) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        queued--;
        free(p);
    }
}

/* ---- choices of the oracles ---- */

enum { CHANGES = 3 };

static struct {
    bool depth_first, random;
    int depth, length; /* of the path of choices */
    int taken[MAX_EVENTS * 2], of[MAX_EVENTS * 2];
    int last_tid;
    long preemptions;
    uint64_t state;
    /* PCT: threads run by priority, and at a few random steps the one that runs falls behind all others. */
    bool by_priority;
    uint64_t priority[MAX_THREADS];
    int steps, longest, change_at[CHANGES];
} path;

static uint64_t random_bits(void)
{
    path.state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = path.state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int choose(int n)
{
    if (n <= 1)
        return 0;
    if (path.random)
        return (int)(random_bits() % (uint64_t)n);
    if (path.depth == MAX_EVENTS * 2)
        fatal("more than %d choices in one execution", MAX_EVENTS * 2);
    if (path.depth == path.length) {
        path.taken[path.length] = 0;
        path.of[path.length++] = n;
    }
    return path.taken[path.depth++];
}

static bool next_path(void)
{
    while (path.length > 0 && path.taken[path.length - 1] + 1 == path.of[path.length - 1])
        path.length--;
    if (path.length == 0)
        return false;
    path.taken[path.length - 1]++;
    return true;
}

static bool optimal(void)
{
    return !path.depth_first && !path.random;
}

bool explore_oracle(void)
{
    return !optimal();
}

/* ---- adding events ---- */

static int append(int tid, const struct op *op)
{
    const struct thread *t = &run.thread[tid];
    struct event *e = graph_append(run.g, tid, t->last);
    if (!e || e->idx >= options.max_events) {
        run.g->n -= e != NULL;
        bug(BUG_LIMIT, op->pc,
            "T%d reached %d events: a loop without end that is not a plain wait, or a test too large; "
            "raise --max-events (at most %d)",
            tid, t->executed, MAX_EVENTS);
        return -1;
    }
    int id = run.g->n - 1;
    e->type = op->type;
    e->order = e->order_ok = op->order;
    e->order_fail = op->order_fail;
    e->flags = op->flags;
    e->await = op->await;
    e->detail = op->name;
    e->pc = op->pc;
    e->val = op->val;
    e->aux = op->aux;
    run.event_of[tid][run.thread[tid].planned++] = (int16_t)id;
    return id;
}

static int position(const struct graph *g, int w)
{
    return w == INIT_WRITE ? 0 : g->ev[w].co_pos;
}

static int before(const struct graph *g, int w)
{
    return g->ev[w].co_prev;
}

static bool would_write(const struct event *read)
{
    return (read->flags & EV_RMW) || ((read->flags & EV_CAS) && read->val == read->aux);
}

/* The oracles keep a read-modify-write whole: it reads nothing that another one has already replaced. */
static bool oracle_may_read(const struct graph *g, int id, int w)
{
    const struct event *e = &g->ev[id];
    if (!await_satisfied(e->await, e->val, e->aux))
        return false;
    return !would_write(e) || !graph_rmw_follows(g, e->loc, w);
}

static bool extend_read(int tid, const struct op *op)
{
    struct graph *g = run.g;
    int l = run_location(op, true);
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
    for (int w = last; position(g, w) >= min; w = before(g, w)) {
        graph_set_rf(g, id, w, init, sync);
        const struct event *e = &g->ev[id];
        if (optimal()) {
            /* A blocked read is a step towards its own revisit, which needs it to read the last write. */
            if (w != last && await_satisfied(e->await, e->val, e->aux) && model_consistent(g, options.model))
                push(g);
        } else if (oracle_may_read(g, id, w) && (w == last || model_consistent(g, options.model))) {
            candidate[n++] = w;
        }
        if (w == INIT_WRITE || (path.depth_first && !options.all_values))
            break;
    }
    if (!optimal() && n == 0)
        fatal("internal error: a read without a source (please report it with the program)");
    graph_set_rf(g, id, optimal() ? last : candidate[choose(n)], init, sync);
    run_commit(tid, id);
    return true;
}

/* Events of the current graph that `a` cannot exist without. */
static bool in_prefix(const struct graph *g, const struct event *a, int id)
{
    return view_has(&a->porf, &g->ev[id]);
}

/* No write of the events up to `e`, or needed by `a`, comes after `w` in coherence order. */
static bool last_in_coherence(const struct graph *g, const struct event *a, int w, int loc, int e)
{
    int next = w == INIT_WRITE ? g->loc[loc].co_first : g->ev[w].co_next;
    for (; next >= 0; next = g->ev[next].co_next)
        if (next <= e || in_prefix(g, a, next))
            return false;
    return true;
}

/* Would the exploration add `e` like this by itself, given what was there before it and what `a` needs? */
static bool added_maximally(const struct graph *g, const struct event *a, int e)
{
    const struct event *event = &g->ev[e];
    switch (event->type) {
    case EV_CHOICE:
        return event->val == 0;
    case EV_READ:
        if (event->rf > e && !in_prefix(g, a, event->rf))
            return false;
        return last_in_coherence(g, a, event->rf, event->loc, e);
    case EV_WRITE:
        for (int r = g->loc[event->loc].ev_first; r != NO_EVENT && r < e; r = g->ev[r].loc_next)
            if (g->ev[r].type == EV_READ && g->ev[r].rf == e)
                return false; /* it revisited that read itself */
        return last_in_coherence(g, a, e, event->loc, e);
    default:
        return true;
    }
}

/* Write `a` (the last event of `g`, not yet in coherence order) behind `after`, if that can be. */
static bool may_follow(const struct graph *g, int after)
{
    return !graph_rmw_follows(g, g->ev[g->n - 1].loc, after);
}

/* All places of the last event, a write, of which positions below `min` are excluded by coherence. */
static int places(const struct graph *g, int min, int place[])
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
        if ((last || await_satisfied(read->await, read->val, read->aux)) &&
            model_consistent(&cut, options.model))
            push(&cut);
        read->rf = NO_EVENT;
        graph_co_remove(&cut, a);
    }
}

static bool extend_write(int tid, const struct op *op)
{
    static int place[MAX_EVENTS], consistent[MAX_EVENTS];
    struct graph *g = run.g;
    int l = run_location(op, false);
    if (l < 0)
        return false;
    int id = append(tid, op);
    if (id < 0)
        return false;
    struct event *e = &g->ev[id];
    e->loc = (uint16_t)l;
    write_clocks(tid, e);
    graph_link(g, id);

    if (optimal())
        for (int r = g->loc[l].ev_first; r != NO_EVENT; r = g->ev[r].loc_next)
            if (g->ev[r].type == EV_READ && !in_prefix(g, e, r))
                revisit(g, r);

    int n = places(g, graph_min_pos(g, l, &e->hb), place), nconsistent = 0, last = g->loc[l].co_last;
    for (int i = 0; i < n; i++) {
        if (path.depth_first && !options.all_values && place[i] != last)
            break;
        graph_co_insert(g, id, place[i]);
        if (place[i] == last || model_consistent(g, options.model))
            consistent[nconsistent++] = place[i];
        if (optimal() && nconsistent > 1 && consistent[nconsistent - 1] == place[i])
            push(g);
        graph_co_remove(g, id);
    }
    if (nconsistent == 0)
        return false;
    graph_co_insert(g, id, consistent[optimal() ? 0 : choose(nconsistent)]);
    run_commit(tid, id);
    return true;
}

static bool extend_choice(int tid, const struct op *op)
{
    struct graph *g = run.g;
    int n = (int)op->val, id = append(tid, op);
    if (id < 0)
        return false;
    if (optimal())
        for (int v = n - 1; v > 0; v--) {
            g->ev[id].val = (u128)v;
            push(g);
        }
    g->ev[id].val = (u128)(optimal() ? 0 : choose(n));
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

/* ---- scheduling ---- */

/* Commutes with whatever other threads do: no choice is needed before it. */
static bool invisible(const struct op *op)
{
    return op->type != EV_READ && op->type != EV_WRITE;
}

/* The oracles do not let a thread read what it waits for not to see. */
static bool enabled(int tid)
{
    const struct op *op = &run.thread[tid].op;
    if (run.thread[tid].spin_waits && run.thread[tid].spin_writes == run.changes)
        return false;
    if (op->type != EV_READ || op->await == AWAIT_NOTHING)
        return true;
    int l = run_location(op, false);
    if (l < 0)
        return true; /* to report it */
    int w = run.g->loc[l].co_last;
    return await_satisfied(op->await, w == INIT_WRITE ? run.loc[l].init : run.g->ev[w].val, op->aux);
}

/* Every second random execution: S. Burckhardt and others, "A randomized scheduler with probabilistic
 * guarantees of finding bugs", 2010. */
static void draw_priorities(long execution)
{
    path.by_priority = path.random && execution % 2;
    path.longest = path.steps > path.longest ? path.steps : path.longest;
    path.steps = 0;
    if (!path.by_priority)
        return;
    for (int t = 0; t < MAX_THREADS; t++)
        path.priority[t] = CHANGES + random_bits() % UINT32_MAX;
    for (int c = 0; c < CHANGES; c++)
        path.change_at[c] = (int)(random_bits() % (uint64_t)(path.longest + 1));
}

static int highest_priority(const int *able, int n)
{
    int best = able[0];
    for (int i = 1; i < n; i++)
        if (path.priority[able[i]] > path.priority[best])
            best = able[i];
    for (int c = 0; c < CHANGES; c++)
        if (path.change_at[c] == path.steps)
            path.priority[best] = (uint64_t)c;
    return best;
}

int explore_pick(const int *runnable, int n)
{
    if (optimal())
        return runnable[0];
    int able[MAX_THREADS], nable = 0;
    bool last_able = false;
    for (int i = 0; i < n; i++) {
        if (invisible(&run.thread[runnable[i]].op))
            return runnable[i];
        if (!enabled(runnable[i]))
            continue;
        able[nable++] = runnable[i];
        last_able |= runnable[i] == path.last_tid;
    }
    if (nable == 0)
        return -1;
    int chosen;
    path.steps++;
    if (path.by_priority)
        chosen = highest_priority(able, nable);
    else if (last_able && options.bound >= 0 && path.preemptions >= options.bound)
        chosen = path.last_tid;
    else
        chosen = able[choose(nable)];
    path.preemptions += last_able && chosen != path.last_tid;
    path.last_tid = chosen;
    return chosen;
}

/* ---- the three ways through ---- */

static bool explore_graphs(execution_fn *after, int enough)
{
    while (queue && queued < enough) {
        pop(&current);
        run.g = &current;
        if (!after(run_execute()))
            return false;
    }
    return true;
}

static bool explore_paths(execution_fn *after, bool random)
{
    path.depth_first = !random;
    path.random = random;
    path.length = 0;
    for (long i = 0; !random || i < options.random; i++) {
        path.depth = 0;
        path.last_tid = -1;
        path.preemptions = 0;
        path.state = options.seed + (uint64_t)i * UINT64_C(0x2545f4914f6cdd1d);
        draw_priorities(i);
        graph_clear(&current);
        run.g = &current;
        if (!after(run_execute()))
            return false;
        if (!random && !next_path())
            return true;
    }
    return false;
}

bool explore_until(execution_fn *after, int enough)
{
    if (options.random > 0)
        return explore_paths(after, true);
    if (options.interleavings)
        return explore_paths(after, false);
    if (!queue) {
        graph_clear(&current);
        push(&current);
    }
    return explore_graphs(after, enough);
}

enum run_end explore_one(struct graph *g)
{
    graph_copy(&current, g);
    run.g = &current;
    return run_execute();
}
