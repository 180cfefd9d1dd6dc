/* SPDX-License-Identifier: MIT */
/* What comes when the rounds of loops go on, each of which lets another thread go on:
 *
 *     T1: lock; while (!a) { unlock; lock; }      T2: lock; while (!b) { unlock; lock; }
 *
 * T1 came round and holds the lock, for which T2 waits. T1's next round lets it go on: maybe to a store of `a`, maybe only round
 * its own loop. So these rounds are run: whoever waits for longest goes on as soon as it can, every read reads the last write,
 * and no other way is explored (the exploration comes to those by itself). If all who wait come round, and find everything as
 * it was, then they will for ever, fair as each is to the others. If any of them does something else, then this was an execution
 * like others that wait for what another brings.
 */
#include "run.h"
#include "section.h"

enum { EVENTS_AHEAD = 1000 };

/* Somebody waits for a round, and nobody could go on otherwise. */
static bool only_rounds_are_left(void)
{
    bool waits = false;
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k];
        enum thread_state state = run.thread[tid].state;
        bool for_rounds = run_waits_for_rounds(tid);
        if (state != THREAD_DONE && state != THREAD_SPINNING && !for_rounds && !run_stuck(tid))
            return false;
        waits |= for_rounds;
    }
    return waits;
}

static bool all_stuck(void)
{
    for (int k = 0; k < run.nthreads; k++)
        if (run.thread[run.by_key[k]].state != THREAD_DONE && !run_stuck(run.by_key[k]))
            return false;
    return true;
}

static bool can_go_on(int tid)
{
    const struct event *read = &run.g->ev[run.thread[tid].last];
    int last = run.g->loc[read->loc].co_last;
    u128 value = last == INIT_WRITE ? run.loc[read->loc].init : run.g->ev[last].val;
    return await_satisfied(read->await, value, read->aux);
}

/* The one that waits for longest. */
static bool let_go(void)
{
    int first = -1;
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k];
        const struct thread *t = &run.thread[tid];
        if (t->state == THREAD_AWAITING && can_go_on(tid) && (first < 0 || t->last < run.thread[first].last))
            first = tid;
    }
    if (first >= 0)
        run_read_again(first);
    return first >= 0;
}

/* Who waits finds what is there now. */
static void look_again(void)
{
    for (int k = 0; k < run.nthreads; k++)
        if (run.thread[run.by_key[k]].state == THREAD_AWAITING)
            run_read_again(run.by_key[k]);
}

static bool lets_another_go(int tid)
{
    for (int k = 0; k < run.nthreads; k++) {
        const struct thread *other = &run.thread[run.by_key[k]];
        if (other->state == THREAD_AWAITING && run_gives_up(tid, run.g->ev[other->last].loc) > 0)
            return true;
    }
    return false;
}

/* The one that came round least often goes on. */
static bool resume(void)
{
    struct thread *least = NULL;
    for (int k = 0; k < run.nthreads; k++) {
        int tid = run.by_key[k];
        struct thread *t = &run.thread[tid];
        if (t->state == THREAD_SPINNING && lets_another_go(tid) &&
            (!least || t->came_round < least->came_round))
            least = t;
    }
    if (least)
        least->state = THREAD_RUNNING;
    return least;
}

/* What a round that changes nothing consists of. */
static bool part_of_a_round(const struct op *op)
{
    return op->type == EV_READ || op->type == EV_FENCE || (op->type == EV_WRITE && (op->flags & EV_OBJECT));
}

static bool extend(int tid)
{
    const struct thread *t = &run.thread[tid];
    if (!part_of_a_round(&t->op) || t->executed + 1 >= options.max_events || run.g->n + 1 >= MAX_EVENTS)
        return false;
    run.acting = tid;
    return explore_extend(tid);
}

/* About to take what another waits for already. */
static bool gives_way(int tid)
{
    const struct op *op = &run.thread[tid].op;
    if (op->type != EV_READ || op->await == AWAIT_NOTHING)
        return false;
    int loc = run_location(tid, op, false);
    for (int k = 0; k < run.nthreads; k++) {
        const struct thread *t = &run.thread[run.by_key[k]];
        if (t->state == THREAD_AWAITING && run.g->ev[t->last].loc == loc)
            return true;
    }
    return false;
}

/* Not one that gives way, if there are others. */
static int choose(void)
{
    int chosen = run_choose();
    if (chosen < 0 || run_urgency(&run.thread[chosen]) > 0)
        return chosen;
    for (int k = 0; k < run.nthreads && gives_way(chosen); k++)
        if (run_can_extend(&run.thread[run.by_key[k]]))
            chosen = run.by_key[k];
    return chosen;
}

static bool step(void)
{
    if (run_one())
        return true;
    int tid = choose();
    if (tid >= 0 && run_urgency(&run.thread[tid]) > 0)
        return extend(tid);
    if (let_go())
        return true;
    if (tid >= 0)
        return (gives_way(tid) && resume()) || extend(tid);
    look_again();
    return !all_stuck() && resume();
}

enum run_end ahead_look(void)
{
    if (explore_oracle() || section_used || !only_rounds_are_left())
        return END_BLOCKED;
    for (int k = 0; k < run.nthreads; k++)
        run.thread[run.by_key[k]].came_round = run.thread[run.by_key[k]].state == THREAD_SPINNING;
    run.ahead = run.looked_ahead = true;
    int end = run.g->n + EVENTS_AHEAD;
    while (run.bug == BUG_NONE && run.g->n < end && step())
        ;
    bool stuck = run.bug == BUG_NONE && run_choose() < 0 && all_stuck();
    run.ahead = false;
    return run.bug != BUG_NONE ? END_ERROR : stuck ? END_STUCK : END_BLOCKED;
}
