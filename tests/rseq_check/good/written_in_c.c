/* SPDX-License-Identifier: MIT */
/* Plain-C sequences of every shape that <pawl/restartable.h> offers: a word, a private store, a loop, early
 * ways out. It is checked, and not run. */
#include <pawl/restartable.h>

struct node {
    struct node *next;
};

struct slice {
    PAWL_ATOMIC(long) hits;
    PAWL_ATOMIC(struct node *) free;
    PAWL_ATOMIC(unsigned long) count;
    void *item[24];
};

PAWL_RESTARTABLE(long, add, (struct pawl_percpu * pc, long n), (pc, n))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);

    PAWL_RS_COMMIT(slice->hits, PAWL_RS_LOAD(slice->hits) + n);
    return 0;
}

PAWL_RESTARTABLE(long, push, (struct pawl_percpu * pc, struct node *node), (pc, node))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);

    PAWL_RS_SCRATCH(node->next, PAWL_RS_LOAD(slice->free));
    PAWL_RS_COMMIT(slice->free, node);
    return 0;
}

PAWL_RESTARTABLE(struct node *, pop, (struct pawl_percpu * pc), (pc))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    struct node *node = PAWL_RS_LOAD(slice->free);

    if (!node)
        return NULL;
    PAWL_RS_COMMIT(slice->free, PAWL_RS_LOAD(node->next));
    return node;
}

PAWL_RESTARTABLE(long, push_many, (struct pawl_percpu * pc, void *const *items, unsigned long wanted),
                 (pc, items, wanted))
{
    struct slice *slice = PAWL_RS_BEGIN(pc, struct slice);
    unsigned long count = PAWL_RS_LOAD(slice->count);
    unsigned long moved = 24 - count < wanted ? 24 - count : wanted;

    for (unsigned long i = 0; i < moved; i++)
        PAWL_RS_SCRATCH(slice->item[count + i], items[i]);
    PAWL_RS_COMMIT(slice->count, count + moved);
    return (long)moved;
}

long use(struct pawl_percpu *pc, struct node *node, void *const *items, unsigned long count);

long use(struct pawl_percpu *pc, struct node *node, void *const *items, unsigned long count)
{
    return add(pc, 1) + push(pc, node) + (pop(pc) != NULL) + push_many(pc, items, count);
}
