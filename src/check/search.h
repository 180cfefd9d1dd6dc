/* SPDX-License-Identifier: MIT */
/* The parts of the exploration: the queue of graphs, the paths of the oracles, revisits, and what adds events. */
#ifndef PAWL_CHECK_SEARCH_H
#define PAWL_CHECK_SEARCH_H

#include "run.h"

/* ---- queue.c: graphs still to be continued, last in first out ---- */

void queue_push(const struct graph *g);
/* False when it is empty. */
bool queue_pop(struct graph *g);

/* ---- path.c: choices where the exploration is not the optimal one ---- */

/* Begin execution number `i`, from 0. */
void path_begin(bool random, long i);
/* The next path of choices, depth first; false when there is none. */
bool path_next(void);
/* Back to the optimal one. */
bool optimal(void);
/* One of `n`. */
int path_choose(int n);
/* Interleavings of steps that read the latest values only. */
bool path_latest_only(void);

/* ---- revisit.c ---- */

static inline int position(const struct graph *g, int w)
{
    return w == INIT_WRITE ? 0 : g->ev[w].co_pos;
}

/* --symmetry: not a permutation of what is explored elsewhere. */
bool sorted(const struct graph *g);
/* All places of the last event, a write, of which positions below `min` are excluded by coherence. */
int places(const struct graph *g, int min, int place[]);
/* Offers the last event, a write, to every read that was added before it. */
void revisit_all(const struct graph *g);

/* ---- extend.c, commit.c ---- */

/* Makes the new event `id` what `op` asks for. */
void fill_event(struct event *e, int id, const struct op *op, int section);
/* Before the first write of a transaction: the thread goes no further. */
bool cannot_commit(int tid);

#endif
