/* SPDX-License-Identifier: MIT */
/* A queue of tasks that all workers of a node share: what comes from other threads, and what did not fit elsewhere.
 *
 * Two parts. In front a stack that anybody may push to, a signal handler too: its push is a CAS, and it is only ever
 * taken as a whole, so that nothing is ever seen twice. Behind it a list, oldest first, under a lock that only workers
 * take, and never wait for. A worker takes its share of the list; when that has run out, it turns the stack
 * around to be the next list. */
#ifndef PAWL_RT_INJECT_H
#define PAWL_RT_INJECT_H

#include <pawl/lock.h>
#include <pawl/task.h>

struct pawl_inject_half {
    PAWL_ATOMIC(struct pawl_task *) top PAWL_LINE_PAIR_ALIGNED; /* I: came last */
    struct pawl_spin lock PAWL_LINE_PAIR_ALIGNED;
    PAWL_ATOMIC(uint64_t) count; /* in the list: written under the lock */
    struct pawl_task *first;
};

struct pawl_inject {
    struct pawl_inject_half half[2]; /* urgent, ordinary */
};

void pawl_inject_init_(struct pawl_inject *inject);

/* Lock-free. Any thread, signal handlers too. */
void pawl_inject_push_(struct pawl_inject_half *half, struct pawl_task *task);

/* tasks[0..n) = the oldest, n <= max and about a `share`-th of what is there, but at least one. Returns n; 0: there is
 * nothing, or another worker is just taking (which then sees to what it leaves). *left: something is left. */
uint32_t pawl_inject_take_(struct pawl_inject_half *half, struct pawl_task **tasks, uint32_t max,
                           uint32_t share, bool *left);

static inline bool pawl_inject_empty_(const struct pawl_inject_half *half)
{
    /* relaxed, both: stale is what the fences of <idle.h> exclude where it matters */
    return pawl_load_relaxed(&half->top) == NULL && pawl_load_relaxed(&half->count) == 0;
}

#endif
