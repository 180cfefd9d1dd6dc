/* SPDX-License-Identifier: MIT */
/* The oracles: interleavings, depth first with or without all values, and random ones. They share the adding of an event
 * with the optimal exploration and nothing else. */
#include "search.h"

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

int path_choose(int n)
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

bool path_next(void)
{
    while (path.length > 0 && path.taken[path.length - 1] + 1 == path.of[path.length - 1])
        path.length--;
    if (path.length == 0)
        return false;
    path.taken[path.length - 1]++;
    return true;
}

bool optimal(void)
{
    return !path.depth_first && !path.random;
}

bool explore_oracle(void)
{
    return !optimal();
}

bool path_latest_only(void)
{
    return run.ahead || (path.depth_first && !options.all_values);
}

/* ---- scheduling ---- */

/* Commutes with whatever other threads do: no choice is needed before it. (A transaction is all in one place.) */
static bool invisible(const struct op *op)
{
    return op->type != EV_READ && op->type != EV_WRITE && op->name != NAME_BEGIN;
}

/* Another round of its loop would be as the last one. */
static bool round_is_vain(int tid)
{
    return run.thread[tid].spin_waits && run.thread[tid].spin_writes == run_changes_of_others(tid);
}

/* The oracles do not let a thread read what it waits for not to see. */
static bool enabled(int tid)
{
    const struct op *op = &run.thread[tid].op;
    if (round_is_vain(tid))
        return false;
    if (op->type != EV_READ || op->await == AWAIT_NOTHING)
        return true;
    int l = run_location(tid, op, false);
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
        if (invisible(&run.thread[runnable[i]].op) && !round_is_vain(runnable[i]))
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
        chosen = able[path_choose(nable)];
    path.preemptions += last_able && chosen != path.last_tid;
    path.last_tid = chosen;
    return chosen;
}

void path_begin(bool random, long i)
{
    path.depth_first = !random;
    path.random = random;
    path.length = i == 0 ? 0 : path.length;
    path.depth = 0;
    path.last_tid = -1;
    path.preemptions = 0;
    path.state = options.seed + (uint64_t)i * UINT64_C(0x2545f4914f6cdd1d);
    draw_priorities(i);
}
