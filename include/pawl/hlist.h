/* SPDX-License-Identifier: MIT */
/* Linked lists that are read under RCU while they change: the chains of hash tables, and any short list.
 *
 * Purpose    Objects in a list that many threads walk and few change. The links stand in the objects: nothing is
 *            allocated, and an object is unlinked without looking for it. Take it for chains,
 *            registries, subscribers; not for lookups by key among many.
 * Model      A head is one word, so that arrays of heads are small. A node knows its successor and the word that
 *            points to it:
 *
 *              head         node A            node B
 *              first ----->  next ----------->  next -----> NULL
 *                ^-- pprev --'     ^-- pprev --'
 *
 *            Walks see every node that is linked during the whole walk, exactly once and in order; one that is linked or
 *            unlinked meanwhile is seen or not. A walk that stands on a node that is unlinked goes on from there.
 * Writers    exclude each other by means of their own: a lock, or one thread. They need no read section.
 * Readers    are inside a section of RCU (or an epoch, or whatever keeps nodes alive) from the first step to the last
 *            use of a node. An unlinked node may be freed, or linked again anywhere, after a grace period only.
 * Progress   Wait-free, all of it.
 * Ordering   L: linking releases, steps acquire: who finds a node sees what was stored in it before. Unlinking orders
 *            nothing: readers may find the node until the grace period is over.
 * Signals    Walks may run in signal handlers.
 * Memory     8 bytes a head, 16 a node.
 * Cost       A step: one load. Linking: 4 stores, two lines beside the node's own. No atomic read-modify-write.
 * Source     hlist of the Linux kernel (include/linux/rculist.h) for the shape; the code is ours.
 */
#ifndef PAWL_HLIST_H
#define PAWL_HLIST_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>

PAWL_BEGIN_DECLS

struct pawl_hlist_node {
    PAWL_ATOMIC(struct pawl_hlist_node *) next;
    PAWL_ATOMIC(struct pawl_hlist_node *) * pprev; /* writers' alone; NULL: not linked */
};

/* All zero is an empty list. */
struct pawl_hlist_head {
    PAWL_ATOMIC(struct pawl_hlist_node *) first;
};

/* All zero is a node that is not linked. */
PAWL_API PAWL_INLINE void pawl_hlist_node_init(struct pawl_hlist_node *node)
{
    pawl_store_relaxed(&node->next, (struct pawl_hlist_node *)NULL); /* relaxed: nobody can reach it */
    node->pprev = NULL;
}

/* ---- readers ---- */

/* The first node, or NULL. acquire L: pairs with the releases that link. */
PAWL_API PAWL_INLINE struct pawl_hlist_node *pawl_hlist_first(const struct pawl_hlist_head *head)
{
    return pawl_load_acquire(&head->first);
}

/* The node behind this one, or NULL. acquire L: as above. */
PAWL_API PAWL_INLINE struct pawl_hlist_node *pawl_hlist_next(const struct pawl_hlist_node *node)
{
    return pawl_load_acquire(&node->next);
}

/* Whether there is none, at this moment. */
PAWL_API PAWL_INLINE bool pawl_hlist_empty(const struct pawl_hlist_head *head)
{
    return pawl_load_relaxed(&head->first) == NULL; /* relaxed: nothing is read through it */
}

/* The object whose `member` is the node; NULL for NULL. */
#define pawl_hlist_entry(node, type, member) ((type *)pawl_hlist_object_((node), offsetof(type, member)))

PAWL_API PAWL_INLINE void *pawl_hlist_object_(struct pawl_hlist_node *node, size_t offset)
{
    return node == NULL ? NULL : (void *)((char *)(void *)node - offset);
}

/* Every object of a list: `item` is a variable of type `type *`.
 *     pawl_rcu_read_lock();
 *     pawl_hlist_each (item, head, struct route, link)
 *         ...
 *     pawl_rcu_read_unlock();
 * A writer may unlink `item` in the loop, and go on: what it must not do is free it at once. */
#define pawl_hlist_each(item, head, type, member)                                         \
    for ((item) = pawl_hlist_entry(pawl_hlist_first(head), type, member); (item) != NULL; \
         (item) = pawl_hlist_entry(pawl_hlist_next(&(item)->member), type, member))

/* ---- writers ---- */

/* Whether the node is in a list. */
PAWL_API PAWL_INLINE bool pawl_hlist_linked(const struct pawl_hlist_node *node)
{
    return node->pprev != NULL;
}

/* Links a node that is not linked where *link points now. */
PAWL_API PAWL_INLINE void pawl_hlist_link_(struct pawl_hlist_node *node,
                                           PAWL_ATOMIC(struct pawl_hlist_node *) * link)
{
    struct pawl_hlist_node *next = pawl_load_relaxed(link); /* relaxed: writers exclude each other */

    pawl_store_relaxed(&node->next, next); /* relaxed: the next store publishes it */
    node->pprev = link;
    pawl_store_release(link, node); /* L: publishes the node, pairs with the acquire of a step */
    if (next != NULL)
        next->pprev = &node->next;
}

/* At the head. */
PAWL_API PAWL_INLINE void pawl_hlist_add(struct pawl_hlist_head *head, struct pawl_hlist_node *node)
{
    pawl_hlist_link_(node, &head->first);
}

/* Behind, and before, a node that is linked. */
PAWL_API PAWL_INLINE void pawl_hlist_add_behind(struct pawl_hlist_node *linked, struct pawl_hlist_node *node)
{
    pawl_hlist_link_(node, &linked->next);
}

PAWL_API PAWL_INLINE void pawl_hlist_add_before(struct pawl_hlist_node *linked, struct pawl_hlist_node *node)
{
    pawl_hlist_link_(node, linked->pprev);
}

/* Unlinks. The node keeps its successor, for walks that stand on it. */
PAWL_API PAWL_INLINE void pawl_hlist_del(struct pawl_hlist_node *node)
{
    struct pawl_hlist_node *next = pawl_load_relaxed(&node->next); /* relaxed: writers exclude each other */

    /* release L: a reader goes from here to `next`, which it may not have met before */
    pawl_store_release(node->pprev, next);
    if (next != NULL)
        next->pprev = node->pprev;
    node->pprev = NULL;
}

/* Puts `fresh`, which is not linked, in the place of `node` in one step: a walk sees one or the other. */
PAWL_API PAWL_INLINE void pawl_hlist_replace(struct pawl_hlist_node *node, struct pawl_hlist_node *fresh)
{
    struct pawl_hlist_node *next = pawl_load_relaxed(&node->next); /* relaxed: writers exclude each other */

    pawl_store_relaxed(&fresh->next, next); /* relaxed: the next store publishes it */
    fresh->pprev = node->pprev;
    pawl_store_release(node->pprev, fresh); /* L: publishes `fresh`, pairs with the acquire of a step */
    if (next != NULL)
        next->pprev = &fresh->next;
    node->pprev = NULL;
}

PAWL_END_DECLS
#endif
