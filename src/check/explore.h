/* SPDX-License-Identifier: MIT */
#ifndef PAWL_CHECK_EXPLORE_H
#define PAWL_CHECK_EXPLORE_H

#include "graph.h"
#include "run.h"

/* What to do after each execution; false stops the exploration. */
typedef bool execution_fn(enum run_end end);

/* Explore until nothing is left, or until so many graphs are queued. False when it was stopped. Another
 * call goes on with what is queued. */
bool explore_until(execution_fn *after, int enough);
/* Graphs on the queue. */
int explore_pending(void);
/* Of the graphs on the queue keep every workers-th, beginning with number `worker`. */
void explore_keep_share(int worker, int workers);
/* Call this between two executions. */
extern void (*explore_between)(void);
/* The graph that has been on the queue for longest, as bytes for another process, which are the caller's to free; and
 * back. */
void *explore_give(size_t *bytes);
void explore_receive(void *given);
/* Run one graph (replay). */
enum run_end explore_one(struct graph *g);

#endif
