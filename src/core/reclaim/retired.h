/* SPDX-License-Identifier: MIT */
/* Lists of retired objects that one thread owns, and the stack of those whose thread has ended.
 *
 * In a child that is forked while another thread of the parent is at work here, each list is whole from
 * `first` on, and no object is in two lists: it is linked before it is put in, and taken out of one before it
 * is put into the next. `last`
 * and `count` may be late: retired_mend(). What was between two lists is lost to the child, which leaks
 * it. */
#ifndef PAWL_CORE_RECLAIM_RETIRED_H
#define PAWL_CORE_RECLAIM_RETIRED_H

#include <pawl/reader.h>
#include <stdbool.h>
#include <stdint.h>

struct retired_list {
    struct pawl_retired *first;
    struct pawl_retired *last; /* means nothing while `first` is NULL */
    uint64_t count;
};

static inline struct pawl_retired *retired_next(const struct pawl_retired *retired)
{
    return (struct pawl_retired *)(void *)retired->link.next;
}

static inline void retired_link(struct pawl_retired *retired, struct pawl_retired *next)
{
    retired->link.next = next != NULL ? &next->link : NULL;
}

static inline void retired_push(struct retired_list *list, struct pawl_retired *retired)
{
    retired_link(retired, list->first);
    if (list->first == NULL)
        list->last = retired;
    pawl_fence_compiler(); /* the link before the head: for a child that is forked in between */
    list->first = retired;
    list->count++;
}

static inline struct pawl_retired *retired_pop(struct retired_list *list)
{
    struct pawl_retired *retired = list->first;

    if (retired != NULL) {
        list->first = retired_next(retired);
        list->count--;
    }
    return retired;
}

/* Empties the list and returns what it held. */
static inline struct retired_list retired_take(struct retired_list *from)
{
    struct retired_list taken = *from;

    from->first = NULL;
    from->count = 0;
    pawl_fence_compiler(); /* out of one list before it gets into another */
    return taken;
}

/* Moves all of `from` to `to`. */
static inline void retired_move(struct retired_list *to, struct retired_list *from)
{
    struct retired_list taken = retired_take(from);

    if (taken.first == NULL)
        return;
    retired_link(taken.last, to->first);
    if (to->first == NULL)
        to->last = taken.last;
    to->count += taken.count;
    pawl_fence_compiler(); /* linked before it is put there */
    to->first = taken.first;
}

static inline void retired_mend(struct retired_list *list)
{
    list->count = 0;
    for (struct pawl_retired *r = list->first; r != NULL; r = retired_next(r)) {
        list->last = r;
        list->count++;
    }
}

/* ---- orphans: what threads left behind ---- */

typedef PAWL_ATOMIC(struct pawl_retired *) retired_stack;

static inline void retired_abandon(retired_stack *orphans, struct retired_list *list)
{
    struct pawl_retired *head;

    if (list->first == NULL)
        return;
    retired_mend(list);
    head = pawl_load_relaxed(orphans); /* relaxed: a guess that the CAS validates */
    do
        retired_link(list->last, head);
    while (!pawl_cas_weak_release(orphans, &head,
                                  list->first)); /* release O: publishes the chain to its adopter */
    list->first = NULL;
    list->count = 0;
}

/* Moves all orphans to `list`. */
static inline void retired_adopt(retired_stack *orphans, struct retired_list *list)
{
    struct retired_list chain = {NULL, NULL, 0};

    if (pawl_load_relaxed(orphans) == NULL) /* relaxed: adopted a little later, then */
        return;
    chain.first = pawl_exchange_acquire(orphans,
                                        NULL); /* acquire O: pairs with the release in retired_abandon() */
    retired_mend(&chain);
    retired_move(list, &chain);
}

/* When a domain is closed. Returns whether there were any: what reclaims them may retire more. */
static inline bool retired_reclaim(retired_stack *orphans)
{
    struct retired_list list = {NULL, NULL, 0};
    struct pawl_retired *retired;

    retired_adopt(orphans, &list);
    if (list.first == NULL)
        return false;
    while ((retired = retired_pop(&list)) != NULL)
        retired->reclaim(retired);
    return true;
}

#endif
