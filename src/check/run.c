/* SPDX-License-Identifier: MIT */
/* One execution: first the events that the graph already has, again, then new ones until nothing is left
 * to do. The same program on the same graph does the same: what differs is reported as nondeterminism.
 *
 * The order of an execution is always an order of program order and reads-from. Memory holds, for each
 * atomic location, the write that is last in coherence order among those executed: what a plain read that
 * races with nothing must see.
 */
#include "run.h"
#include "hooks.h"
#include "section.h"
#include "symmetry.h"
#include "volatile.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct run run = {.current = -1};
struct options options;

void bug(enum bug_kind kind, uint64_t pc, const char *format, ...)
{
    int tid = run.current;
    if (run.bug == BUG_NONE) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(run.bug_text, sizeof run.bug_text, format, arguments);
        va_end(arguments);
        run.bug = kind;
        run.bug_pc = pc;
    }
    if (tid >= 0 && run.active)
        fiber_leave(tid);
}

/* The accesses of a transaction to the program's memory come from section.c. */
static void forbid_in_section(const struct op *op)
{
    bool own = op->type == EV_FENCE || op->type == EV_CHOICE ||
               ((op->type == EV_READ || op->type == EV_WRITE) && !(op->flags & EV_OBJECT));
    if (!own && section_open())
        bug(BUG_MISUSE, op->pc, "T%d: %s inside a transaction", run.current, report_operation(op->name));
}

u128 run_op(const struct op *op)
{
    int tid = run.current;
    struct thread *t = &run.thread[tid];
    volatile_settle();
    forbid_in_section(op);
    t->op = *op;
    t->state = THREAD_AT_OP;
    fiber_note_depth(tid);
    fiber_leave(tid);
    return t->result;
}

void run_refuse_thread(int tid)
{
    run.thread[tid].state = THREAD_REFUSED;
    section_undo(tid);
}

void run_refuse(void)
{
    int tid = run.current;
    run_refuse_thread(tid);
    fiber_leave(tid);
    fatal("a refused thread was resumed");
}

uint64_t run_changes_of_others(int tid)
{
    return run.changes - run.thread[tid].changes;
}

void run_spin(int from_idx, uint64_t changes)
{
    int tid = run.current;
    struct thread *t = &run.thread[tid];
    t->spin_from = from_idx;
    if (explore_oracle()) {
        t->spin_waits = true;
        t->spin_writes = changes;
        t->nloads = 0;
        return;
    }
    t->state = THREAD_SPINNING;
    t->came_round++;
    fiber_leave(tid);
    t->round_from = from_idx + 1; /* rounds_resume() let it go on */
    t->nloads = 0;
}

bool run_all_sync(void)
{
    return options.model != MODEL_RC11;
}

const struct view *run_clock(int tid)
{
    static const struct view nothing;
    int last = run.thread[tid].last;
    return last == NO_EVENT ? &nothing : &run.g->ev[last].hb;
}

static void sort_in(int tid)
{
    int at = run.nthreads++;
    while (at > 0 && memcmp(run.g->thread[tid].key, run.g->thread[run.by_key[at - 1]].key, MAX_THREADS) < 0) {
        run.by_key[at] = run.by_key[at - 1];
        at--;
    }
    run.by_key[at] = tid;
}

static void thread_main(void)
{
    struct thread *t = self();
    sync_thread_exit(run.current, t->start(t->argument));
}

/* The read of a read-modify-write whose write comes next. Between the two, whom a signal wakes is chosen, and who is about
 * to sleep on a futex looks at its word. */
static int first_half(const struct graph *g, int last)
{
    while (last >= 0 && (g->ev[last].type != EV_READ || !(g->ev[last].flags & (EV_RMW | EV_CAS))))
        last = g->ev[last].po_prev;
    return last;
}

/* What a reader that acquires gets through write `e`. */
void write_clocks(const struct graph *g, int tid, struct event *e, const struct op *op)
{
    const struct thread *t = &run.thread[tid];
    e->rel = order_releases(e->order) || run_all_sync() ? e->hb : t->released;
    if (!(e->flags & EV_RMW))
        return;
    e->rf = (int16_t)(op->half ? run.event_of[tid][op->half - 1] : first_half(g, t->last));
    if (e->rf < 0)
        return; /* a replay file that no execution wrote */
    int source = g->ev[e->rf].rf;
    if (source != INIT_WRITE)
        view_join(&e->rel, &g->ev[source].rel);
    if (op->half) /* who reads from a transaction has seen its end */
        e->rel.of[tid] = e->porf.of[tid] = (uint16_t)(e->idx + 1 + op->ahead);
}

static void start_thread(int tid, int create)
{
    struct thread *t = &run.thread[tid];
    if (create != NO_EVENT) {
        u128 how = run.thread[run.g->ev[create].tid].op.aux;
        t->start = (void *(*)(void *))(uintptr_t)how;
        t->argument = (void *)(uintptr_t)(how >> 64);
    }
    t->state = THREAD_RUNNING;
    t->executed = 0;
    t->last = create;
    t->section = NO_EVENT;
    t->nloads = t->round_from = t->came_round = 0;
    t->spin_waits = t->may_expire = false;
    t->plain_accesses = 0;
    frames_begin(tid);
    memset(&t->acquire_pending, 0, sizeof t->acquire_pending);
    memset(&t->released, 0, sizeof t->released);
    sort_in(tid);
    fiber_prepare(tid, thread_main);
}

static void reset(struct graph *g)
{
    run.g = g;
    run.number++;
    run.bug = BUG_NONE;
    run.exited = false;
    run.looked_ahead &= options.replay != NULL; /* the file says it */
    run.norder = 0;
    run.changes = 0;
    run.output_used = 0;
    run.race[0].valid = run.race[1].valid = false;
    run.nthreads = 0;
    for (int t = 0; t < MAX_THREADS; t++) {
        struct thread *thread = &run.thread[t];
        thread->state = THREAD_NONE;
        thread->planned = thread->stores = 0;
        thread->changes = 0;
        thread->detached = thread->joined = false;
        thread->executed = 0;
    }
    for (int id = 0; id < g->n; id++) {
        const struct event *e = &g->ev[id];
        struct thread *t = &run.thread[e->tid];
        run.event_of[e->tid][t->planned++] = (int16_t)id;
        if (e->type == EV_WRITE && !(e->flags & (EV_RMW | EV_OBJECT)))
            t->stores = t->planned;
    }
    for (int l = 0; l < g->nloc; l++)
        run.loc[l].bound = false;
    memory_reset();
    fiber_reset_tls();
    sync_reset();
    volatile_reset();
    section_reset();
    hooks_reset();
    symmetry_reset();
}

/* ---- locations ---- */

static u128 load_memory(uintptr_t addr, int size)
{
    u128 v = 0;
    memcpy(&v, (const void *)addr, (size_t)size);
    return v;
}

static int bind(int l, const struct op *op, int16_t *head)
{
    run.loc[l].bound = true;
    run.loc[l].dead = false;
    run.loc[l].in_memory = INIT_WRITE;
    run.loc[l].init = op->flags & EV_OBJECT ? 0 : load_memory(op->addr, op->size);
    run.loc[l].unwritten = !(op->flags & EV_OBJECT) && memory_unwritten(op->addr, op->size);
    run.loc[l].next = *head;
    *head = (int16_t)l;
    return l;
}

static int new_location(const struct op *op, uint16_t generation)
{
    struct graph *g = run.g;
    bool object = op->flags & EV_OBJECT;
    for (int l = 0; l < g->nloc; l++)
        if (g->loc[l].addr == op->addr && g->loc[l].generation == generation && g->loc[l].size == op->size &&
            g->loc[l].object == object && !run.loc[l].bound)
            return l;
    if (g->nloc == MAX_LOCATIONS) {
        bug(BUG_LIMIT, op->pc, "more than %d atomic variables in one execution", MAX_LOCATIONS);
        return -1;
    }
    run.loc[g->nloc].bound = false;
    g->loc[g->nloc] = (struct location){op->addr,   generation, op->size, object,
                                        INIT_WRITE, INIT_WRITE, NO_EVENT, NO_EVENT};
    return g->nloc++;
}

/* Who sleeps on a condition variable or in a barrier looks at the one that it came to: its thread's last event there
 * tells which, though it may have been destroyed and another one made in its place. -1: the one that is there now. */
static int life_slept_in(int tid, const struct op *op)
{
    bool sleeps = op->type == EV_READ && (op->flags & EV_OBJECT) && !(op->flags & (EV_RMW | EV_CAS)) &&
                  (op->name == NAME_COND_WAIT || op->name == NAME_BARRIER);
    int id = sleeps ? run.thread[tid].last : NO_EVENT;
    while (id != NO_EVENT && (run.g->ev[id].type != EV_WRITE || run.g->ev[id].detail != op->name))
        id = run.g->ev[id].po_prev;
    return id == NO_EVENT ? -1 : run.g->loc[run.g->ev[id].loc].generation;
}

int run_location(int tid, const struct op *op, bool reads_first)
{
    int16_t *head = race_locations(op->addr);
    bool object = op->flags & EV_OBJECT;
    uint16_t generation = 0;
    int slept_in = life_slept_in(tid, op);
    for (int l = *head; l >= 0; l = run.loc[l].next) {
        const struct location *loc = &run.g->loc[l];
        if (loc->object != object || loc->addr >= op->addr + op->size || op->addr >= loc->addr + loc->size)
            continue;
        bool same = loc->addr == op->addr && loc->size == op->size;
        if (same && (slept_in < 0 ? !run.loc[l].dead : loc->generation == slept_in))
            return l;
        generation += same;
        if (run.loc[l].dead || object)
            continue;
        char place[256];
        memory_describe(place, sizeof place, op->addr);
        bug(BUG_MIXED_SIZE, op->pc,
            "atomic access of %d bytes to %s, which overlaps an atomic variable of %d bytes "
            "used before: accesses of mixed sizes are outside the memory model",
            op->size, place, loc->size);
        return -1;
    }
    if (reads_first && !object && !heap_check(op->addr, op->size, false, true, op->pc))
        return -1;
    int l = new_location(op, generation);
    return l < 0 ? l : bind(l, op, head);
}

/* ---- executing events ---- */

static void store_memory(int id)
{
    const struct event *e = &run.g->ev[id];
    const struct location *l = &run.g->loc[e->loc];
    int shown = run.loc[e->loc].in_memory;
    u128 before = shown == INIT_WRITE ? run.loc[e->loc].init : run.g->ev[shown].val;
    run.changes += before != e->val;
    run.thread[e->tid].changes += before != e->val;
    if (shown != INIT_WRITE && run.g->ev[shown].co_pos > e->co_pos)
        return;
    run.loc[e->loc].in_memory = id;
    if (!l->object)
        memcpy((void *)l->addr, &e->val, l->size);
}

static void commit_access(int tid, int id)
{
    struct thread *t = &run.thread[tid];
    const struct event *e = &run.g->ev[id];
    const struct location *l = &run.g->loc[e->loc];
    if (e->type == EV_WRITE)
        store_memory(id);
    else if (e->rf != INIT_WRITE)
        view_join(&t->acquire_pending, &run.g->ev[e->rf].rel);
    if (e->detail != NAME_FUTEX_WAIT &&
        e->detail != NAME_FUTEX_WAKE) /* of which the address is a name only */
        race_atomic(tid, id, l->addr, l->size, e->type == EV_WRITE, e->pc);
    if (e->type == EV_READ && e->rf == INIT_WRITE && run.loc[e->loc].unwritten)
        memory_read_unwritten(l->addr, l->size, e->pc);
    if (e->type == EV_READ && !await_satisfied(e->await, e->val, e->aux))
        t->state = THREAD_AWAITING;
}

/* Of two that wait for the same end, one comes second; and a thread may be detached while another waits for its end. */
static void commit_join(int tid, const struct event *e)
{
    struct thread *ended = &run.thread[(int)e->val];
    if (ended->joined || ended->detached)
        bug(BUG_MISUSE, e->pc, "T%d joins T%d, which %s", tid, (int)e->val,
            ended->joined ? "another thread joined as well" : "was detached while it waited");
    ended->joined = true;
}

/* The thread went on at this event, where it had come round; what it remembers begins here. */
static void commit_round(struct thread *t)
{
    t->round_from = 0;
    if (t->nloads > 0) {
        t->load[0] = t->load[t->nloads - 1];
        t->nloads = 1;
    }
}

void run_commit(int tid, int id)
{
    struct thread *t = &run.thread[tid];
    const struct event *e = &run.g->ev[id];
    if (e->round)
        commit_round(t);
    t->executed++;
    t->last = id;
    t->result = e->val;
    t->state = THREAD_RUNNING;
    t->spin_waits = false;
    run.order[run.norder++] = id;
    switch (e->type) {
    case EV_READ:
    case EV_WRITE:
        commit_access(tid, id);
        break;
    case EV_FENCE:
        if (order_releases(e->order))
            t->released = e->hb;
        t->section = e->detail == NAME_COMMIT || e->detail == NAME_ABORT ? NO_EVENT : e->section;
        break;
    case EV_CREATE:
        start_thread((int)e->val, id);
        break;
    case EV_JOIN:
        commit_join(tid, e);
        break;
    case EV_END:
        t->state = e->aux ? THREAD_EXITED : THREAD_DONE;
        break;
    default:
        break;
    }
}

void run_read_again(int tid)
{
    struct thread *t = &run.thread[tid];
    struct event *e = &run.g->ev[t->last];
    int at = run.norder - 1;
    while (run.order[at] != t->last)
        at--;
    memmove(&run.order[at], &run.order[at + 1], sizeof run.order[0] * (size_t)(--run.norder - at));
    t->executed--;
    graph_set_rf(run.g, t->last, run.g->loc[e->loc].co_last, run.loc[e->loc].init, run_all_sync());
    run_commit(tid, t->last);
}

static void differs(int tid, const char *what)
{
    bug(BUG_NONDETERMINISM, run.thread[tid].op.pc,
        "T%d, event %d: %s differs from the last time this execution was "
        "run up to here. The program depends on something besides its own memory: time, random numbers, "
        "input, an "
        "address, or memory that it never wrote",
        tid, run.thread[tid].executed, what);
}

/* A plain write that the event is not ordered with came first this time, and gave the memory a new life? */
static bool races_with_new_life(int tid, const struct event *e)
{
    int id = run.event_of[tid][run.thread[tid].executed];
    const struct location *l = &run.g->loc[e->loc];
    if (l->addr != run.thread[tid].op.addr)
        return false;
    race_atomic(tid, id, l->addr, l->size, e->type == EV_WRITE, e->pc);
    if (run.bug == BUG_NONE)
        return false;
    run.order[run.norder++] = id; /* the report shows it */
    return true;
}

static bool same_event(int tid, const struct event *e)
{
    const struct op *op = &run.thread[tid].op;
    if (e->type != op->type) {
        differs(tid, "the kind of operation");
        return false;
    }
    if (e->type != EV_READ && e->type != EV_WRITE)
        return true;
    int l = run_location(tid, op, e->type == EV_READ && e->rf == INIT_WRITE);
    if (l < 0)
        return false;
    if (l != e->loc) {
        if (!races_with_new_life(tid, e))
            differs(tid, "the variable");
        return false;
    }
    bool same = e->type == EV_WRITE ? e->val == op->val : e->rf != INIT_WRITE || e->val == run.loc[l].init;
    if (!same)
        differs(tid, "the value");
    return same;
}

static bool source_executed(const struct event *e)
{
    if ((e->type != EV_READ && e->type != EV_JOIN) || e->rf < 0)
        return true;
    const struct event *source = &run.g->ev[e->rf];
    const struct thread *t = &run.thread[source->tid];
    if (source->idx >= t->executed)
        return false;
    /* Of a transaction, all that the graph has. */
    return source->section == NO_EVENT || source->tid == e->tid || t->executed == t->planned ||
           run.g->ev[run.event_of[source->tid][t->executed]].section != source->section;
}

/* May the next event of this thread be executed again? A transaction begins when all that it reads is there: nobody
 * runs before it ends. One that the graph has only a part of begins last (`part`). */
static bool replayable(int tid, bool part)
{
    const struct thread *t = &run.thread[tid];
    const struct event *e = &run.g->ev[run.event_of[tid][t->executed]];
    if (e->detail != NAME_BEGIN || e->type != EV_FENCE)
        return source_executed(e);
    bool whole = false;
    for (int k = t->executed + 1; k < t->planned; k++) {
        const struct event *inside = &run.g->ev[run.event_of[tid][k]];
        if (inside->section != e->section) {
            whole = true;
            break;
        }
        if (!source_executed(inside))
            return false;
        whole = inside->type == EV_FENCE;
    }
    return whole || part;
}

static void replay_event(int tid)
{
    struct thread *t = &run.thread[tid];
    int id = run.event_of[tid][t->executed];
    struct event *e = &run.g->ev[id];
    run.acting = tid;
    if (t->op.half && e->type == EV_WRITE)
        section_prefer(tid, run.g->loc[e->loc].addr);
    if (!same_event(tid, e))
        return;
    e->pc = t->op.pc;
    if (options.replay)
        replay_clocks(tid, id);
    run_commit(tid, id);
}

/* A replay file has its events in the order in which they are to be executed. */
static bool comes_before(int tid, int other)
{
    return options.replay &&
           run.event_of[tid][run.thread[tid].executed] < run.event_of[other][run.thread[other].executed];
}

/* Executes one event that the graph has. False when none can be. */
static bool replay_one(void)
{
    int chosen = -1, part = -1, waiting = 0;
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k];
        struct thread *t = &run.thread[tid];
        if (t->executed >= t->planned)
            continue;
        if (t->state != THREAD_AT_OP) {
            differs(tid, "where it blocks");
            return true;
        }
        waiting++;
        if (t->section != NO_EVENT && replayable(tid, false)) {
            chosen = tid;
            break;
        }
        if ((chosen < 0 || comes_before(tid, chosen)) && replayable(tid, false))
            chosen = tid;
        if (chosen >= 0 && !section_used && !options.replay)
            break;
        if (chosen < 0 && part < 0 && replayable(tid, true))
            part = tid;
    }
    if (waiting == 0)
        return false;
    if (chosen < 0 && part < 0)
        fatal(options.replay
                  ? "a replay file that no execution wrote: its events wait for each other"
                  : "internal error: a graph that cannot be executed (please report it with the program)");
    replay_event(chosen >= 0 ? chosen : part);
    return true;
}

/* Has written a part of what its transaction writes. */
static bool in_commit(const struct thread *t)
{
    if (t->section == NO_EVENT || (t->state != THREAD_AT_OP && t->state != THREAD_RUNNING))
        return false;
    const struct event *last = &run.g->ev[t->last];
    return last->type == EV_WRITE && last->section == t->section;
}

/* New code of a thread waits until the commit of another is whole: it may have read from it, and what it says then about
 * what it saw is judged by all of it (forgive()). */
static bool waits_for_commit(int tid)
{
    if (!section_used || run.thread[tid].executed < run.thread[tid].planned)
        return false;
    for (int k = 0; k < run.nthreads; k++)
        if (run.by_key[k] != tid && in_commit(&run.thread[run.by_key[k]]))
            return true;
    return false;
}

bool run_one(void)
{
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k];
        if (run.thread[tid].state != THREAD_RUNNING || waits_for_commit(tid))
            continue;
        run.current = run.acting = tid;
        fiber_enter(tid);
        run.current = -1;
        return true;
    }
    return false;
}

bool run_can_extend(const struct thread *t)
{
    if (t->state != THREAD_AT_OP)
        return false;
    return t->op.type != EV_JOIN || run.thread[(int)t->op.val].state == THREAD_DONE;
}

/* What a thread has begun that must be whole before others run: a commit, before a transaction that is open (which may
 * already have read from the former), before anything else. */
int run_urgency(const struct thread *t)
{
    bool second = t->op.type != EV_READ && (t->op.flags & EV_RMW) && !t->op.half;
    bool between = false;
    if (t->last != NO_EVENT) {
        const struct event *last = &run.g->ev[t->last];
        between = last->type == EV_READ && (last->flags & EV_RMW) && (last->flags & EV_OBJECT);
    }
    if (second || between)
        return 3; /* the second half of a read-modify-write follows the first */
    return in_commit(t) ? 2 : t->section != NO_EVENT;
}

int run_choose(void)
{
    int runnable[MAX_THREADS], n = 0, urgent = -1, most = 0;
    for (int k = 0; k < run.nthreads; k++) {
        const struct thread *t = &run.thread[run.by_key[k]];
        if (!run_can_extend(t))
            continue;
        int u = run_urgency(t);
        if (u > most) {
            most = u;
            urgent = run.by_key[k];
        }
        runnable[n++] = run.by_key[k];
    }
    if (urgent >= 0)
        return urgent;
    return n == 0 ? -1 : explore_pick(runnable, n);
}

/* What it waits for is not in the last write either: that it has seen that one is another execution, the same to all others. */
static bool waits_behind(const struct thread *t)
{
    if (t->state != THREAD_AWAITING)
        return false;
    const struct event *read = &run.g->ev[t->last];
    return read->rf != run.g->loc[read->loc].co_last;
}

/* exit(), and the return of main(), end the program; but only when nothing is left that another thread could
 * have done before. */
static enum run_end finish(void)
{
    if (run.looked_ahead)
        return END_STUCK;
    bool blocked = false, stuck = true, refused = false, behind = false;
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k];
        enum thread_state s = run.thread[tid].state;
        refused |= s == THREAD_REFUSED;
        run.exited |= s == THREAD_EXITED;
        if (s == THREAD_DONE || s == THREAD_EXITED || s == THREAD_REFUSED)
            continue;
        blocked = true;
        stuck &= run_stuck(tid);
        behind |= waits_behind(&run.thread[tid]);
    }
    if (refused || rounds_idle())
        return END_MOOT;
    if (!blocked)
        return END_COMPLETE;
    bool over = run.exited || run.thread[0].state == THREAD_DONE;
    if (!over)
        return stuck ? END_STUCK : ahead_look();
    if (!stuck)
        return END_BLOCKED;
    if (behind)
        return END_MOOT;
    run.exited = true; /* with threads that wait for ever: no concern of a program that is over */
    return END_COMPLETE;
}

/* A bug that shows only because a transaction saw what cannot be seen at one moment is none. */
static bool forgive(void)
{
    if (run.bug == BUG_NONDETERMINISM || !section_broken_at(run.thread[run.acting].last, NO_EVENT))
        return false;
    run.bug = BUG_NONE;
    run_refuse_thread(run.acting);
    return true;
}

enum run_end run_execute(void)
{
    reset(run.g);
    run.active = true;
    start_thread(0, NO_EVENT);
    enum run_end end;
    for (;;) {
        if (run.bug != BUG_NONE && !forgive()) {
            end = END_ERROR;
            break;
        }
        if (run_one() || replay_one())
            continue;
        int tid = run_choose();
        if (tid < 0 && !run.looked_ahead && rounds_resume())
            continue;
        if (tid < 0) {
            end = finish();
            break;
        }
        run.acting = tid;
        if (!explore_extend(tid) && run.bug == BUG_NONE) {
            end = END_MOOT;
            break;
        }
    }
    run.active = false;
    return end != END_ERROR && section_broken() ? END_MOOT : end;
}
