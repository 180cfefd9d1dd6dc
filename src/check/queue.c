/* SPDX-License-Identifier: MIT */
/* Graphs still to be continued. */
#include "explore.h"
#include "search.h"

#include <stdlib.h>
#include <string.h>

struct pending {
    struct pending *next;
    int n, nloc;
    struct graph_thread thread[MAX_THREADS];
    char rest[]; /* locations, then events */
};

static struct pending *queue;
static int queued;

static size_t pending_bytes(int nloc, int n)
{
    return sizeof(struct pending) + sizeof(struct location) * (size_t)nloc + sizeof(struct event) * (size_t)n;
}

void queue_push(const struct graph *g)
{
    size_t locs = sizeof g->loc[0] * (size_t)g->nloc, events = sizeof g->ev[0] * (size_t)g->n;
    struct pending *p = malloc(pending_bytes(g->nloc, g->n));
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

bool queue_pop(struct graph *g)
{
    if (!queue)
        return false;
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
    return true;
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

void *explore_give(size_t *bytes)
{
    struct pending **at = &queue;
    while ((*at)->next)
        at = &(*at)->next;
    struct pending *p = *at;
    *at = NULL;
    queued--;
    *bytes = pending_bytes(p->nloc, p->n);
    return p;
}

void explore_receive(void *given)
{
    struct pending *p = given;
    p->next = queue;
    queue = p;
    queued++;
}
