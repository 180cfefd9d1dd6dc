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
#include "search.h"

static struct graph current;
void (*explore_between)(void);

static bool explore_graphs(execution_fn *after, int enough)
{
    while (explore_pending() < enough && queue_pop(&current)) {
        run.g = &current;
        if (!after(run_execute()))
            return false;
        if (explore_between)
            explore_between();
    }
    return true;
}

static bool explore_paths(execution_fn *after, bool random)
{
    for (long i = 0; !random || i < options.random; i++) {
        path_begin(random, i);
        graph_clear(&current);
        run.g = &current;
        if (!after(run_execute()))
            return false;
        if (!random && !path_next())
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
    if (explore_pending() == 0) {
        graph_clear(&current);
        queue_push(&current);
    }
    return explore_graphs(after, enough);
}

enum run_end explore_one(struct graph *g)
{
    graph_copy(&current, g);
    run.g = &current;
    return run_execute();
}
