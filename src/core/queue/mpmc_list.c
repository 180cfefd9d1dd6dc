/* SPDX-License-Identifier: MIT */
/* The unbounded queue: bounded ones in a list.
 *
 *   push   into the segment at tail. Full: close it. Closed: link a new one behind it, with the element in it
 *   already, or
 *          go to the one that somebody else has linked; then move tail.
 *   pop    from the segment at head. Closed and empty: move head to the next one, if there is one.
 *   close  close the last segment, and link the END behind it, which nobody can replace.
 *
 * A segment is linked only behind one that is closed, so that all its elements are younger; and taken from
 * only when the one before is closed and empty. tail never stays behind head: who moves head moves tail
 * first, so an unlinked segment is reachable from neither. The tickets of a segment go on where those of the
 * one before ended: their difference is the size. */
#include <pawl/hazard.h>
#include <pawl/mpmc_list.h>

#include "mpmc.h"

#include <stdlib.h>

struct pawl_mpmc_list_segment_ {
    struct pawl_retired retired;
    PAWL_ATOMIC(struct pawl_mpmc_list_segment_ *) next; /* N: NULL, END, or the next one; changes once */
    struct pawl_mpmc queue;                             /* begins on a line pair of its own */
};

static struct pawl_mpmc_list_segment_ end_of_list; /* stands behind the last segment of a closed list */
#define END (&end_of_list)

PAWL_STATIC_ASSERT(offsetof(struct pawl_mpmc_list_segment_, queue) == PAWL_CACHELINE_PAIR,
                   "as the header says");

extern inline bool pawl_mpmc_list_closed(const struct pawl_mpmc_list *list);

/* ---- segments ---- */

static PAWL_ATOMIC(struct pawl_hazard *) the_domain; /* D: of all lists; opened by the first, never closed */

static struct pawl_hazard *open_domain(void)
{
    struct pawl_hazard *domain = pawl_load_acquire(&the_domain); /* D: with the CAS below */
    struct pawl_hazard *mine;

    if (domain != NULL)
        return domain;
    mine = pawl_hazard_open(offsetof(struct pawl_mpmc_list_segment_, retired));
    /* release D: publishes the domain. acquire D: somebody else's */
    if (mine == NULL || pawl_cas_acq_rel(&the_domain, &domain, mine))
        return mine;
    pawl_hazard_close(mine);
    return domain;
}

/* Of a list: it is there. relaxed: whoever has a list got it from who opened the domain. */
static struct pawl_hazard *domain(void)
{
    return pawl_load_relaxed(&the_domain);
}

static struct pawl_mpmc_list_segment_ *new_segment(struct pawl_mpmc_list *list, uint64_t ticket)
{
    size_t bytes = offsetof(struct pawl_mpmc_list_segment_, queue) +
                   pawl_mpmc_bytes(list->segment, list->element_bytes);
    struct pawl_mpmc_list_segment_ *segment = aligned_alloc(PAWL_CACHELINE_PAIR, bytes);

    if (segment == NULL)
        return NULL;
    pawl_store_relaxed(&segment->next,
                       (struct pawl_mpmc_list_segment_ *)NULL); /* relaxed: nobody has it yet */
    pawl_mpmc_init(&segment->queue, list->segment, list->element_bytes, PAWL_PRIVATE);
    pawl_mpmc_start_at_(&segment->queue, ticket);
    return segment;
}

static void free_segment(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct pawl_mpmc_list_segment_, retired));
}

struct pawl_mpmc_list *pawl_mpmc_list_open(size_t element_bytes, size_t segment)
{
    struct pawl_mpmc_list *list;
    struct pawl_mpmc_list_segment_ *first;

    if (segment == 0)
        segment = PAWL_MPMC_LIST_SEGMENT;
    if (pawl_mpmc_bytes(segment, element_bytes) == 0 || open_domain() == NULL)
        return NULL;
    list = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *list);
    if (list == NULL)
        return NULL;
    memset(list, 0, sizeof *list);
    list->element_bytes = element_bytes;
    list->segment = segment;
    pawl_handover_init(&list->handover, PAWL_PRIVATE);
    first = new_segment(list, 0);
    if (first == NULL) {
        free(list);
        errno = ENOMEM;
        return NULL;
    }
    pawl_store_relaxed(&list->head, first); /* relaxed, both: nobody has it yet */
    pawl_store_relaxed(&list->tail, first);
    return list;
}

void pawl_mpmc_list_free(struct pawl_mpmc_list *list)
{
    struct pawl_mpmc_list_segment_ *next;

    if (list == NULL)
        return;
    /* relaxed: nobody uses it any more */
    for (struct pawl_mpmc_list_segment_ *segment = pawl_load_relaxed(&list->head);
         segment != NULL && segment != END; segment = next) {
        next = pawl_load_relaxed(&segment->next);
        free(segment);
    }
    free(list);
    pawl_hazard_collect(domain());
}

/* ---- push ---- */

/* Behind `last`, which is closed: links `mine`, or finds what was linked. Returns what is behind it now. */
static struct pawl_mpmc_list_segment_ *link_behind(struct pawl_mpmc_list *list,
                                                   struct pawl_mpmc_list_segment_ *last,
                                                   struct pawl_mpmc_list_segment_ *mine)
{
    struct pawl_mpmc_list_segment_ *next = pawl_load_acquire(&last->next); /* N: with the CAS below */

    /* release N: publishes the segment. acquire N: somebody else's */
    if (next == NULL && mine != NULL && pawl_cas_acq_rel(&last->next, &next, mine))
        next = mine;
    if (next != NULL && next != END) {
        struct pawl_mpmc_list_segment_ *expected = last;

        /* release N: passes it on. Lost: somebody else has moved it, there or further */
        pawl_cas_release(&list->tail, &expected, next);
    }
    return next;
}

/* The segment at tail takes no more. Appends one with the first of the elements. Returns how many were
 * appended, 0 (look at tail again), -EPIPE, -ENOMEM. */
static ptrdiff_t append(struct pawl_mpmc_list *list, struct pawl_mpmc_list_segment_ *last,
                        const void *elements, size_t n)
{
    struct pawl_mpmc_list_segment_ *next, *mine;
    ptrdiff_t done;

    pawl_mpmc_close(&last->queue);
    next = link_behind(list, last, NULL);
    if (next != NULL)
        return next == END ? -EPIPE : 0;
    /* It is closed: the first ticket that is not filled stays so. */
    mine = new_segment(list, pawl_mpmc_seek_tail_(&last->queue, pawl_load_acquire(&last->queue.tail)));
    if (mine == NULL)
        return -ENOMEM;
    done = pawl_mpmc_push_n(&mine->queue, elements, n);
    next = link_behind(list, last, mine);
    if (next == mine)
        return done;
    free(mine);
    return next == END ? -EPIPE : 0;
}

static ptrdiff_t push_some(struct pawl_mpmc_list *list, struct pawl_hazard_slot *slot, const void *elements,
                           size_t n)
{
    for (;;) {
        struct pawl_mpmc_list_segment_ *last = pawl_hazard_protect(slot, &list->tail); /* N */
        ptrdiff_t done = pawl_mpmc_push_n(&last->queue, elements, n);

        if (done <= 0)
            done = append(list, last, elements, n);
        if (done != 0)
            return done;
        /* another push has linked a segment */
    }
}

ptrdiff_t pawl_mpmc_list_push_n(struct pawl_mpmc_list *list, const void *elements, size_t n)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(domain());
    size_t pushed = 0;
    ptrdiff_t done = 0;

    if (slot == NULL)
        return -ENOMEM;
    while (pushed < n) {
        done = push_some(list, slot, (const char *)elements + pushed * list->element_bytes, n - pushed);
        if (done < 0)
            break;
        pushed += (size_t)done;
    }
    pawl_hazard_give(domain(), slot);
    if (pushed == 0)
        return done;
    pawl_handover_pushed(&list->handover, pushed);
    return (ptrdiff_t)pushed;
}

int pawl_mpmc_list_push(struct pawl_mpmc_list *list, const void *element)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(domain());
    struct pawl_mpmc_list_segment_ *last;
    ptrdiff_t done = 1;

    if (slot == NULL)
        return -ENOMEM;
    last = pawl_hazard_protect(slot, &list->tail); /* N */
    if (PAWL_UNLIKELY(pawl_mpmc_push(&last->queue, element) != 0))
        done = push_some(list, slot, element, 1);
    pawl_hazard_give(domain(), slot);
    if (done < 0)
        return (int)done;
    pawl_handover_pushed(&list->handover, 1);
    return 0;
}

int pawl_mpmc_list_close(struct pawl_mpmc_list *list)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(domain());
    struct pawl_mpmc_list_segment_ *next;

    if (slot == NULL)
        return -ENOMEM;
    do {
        struct pawl_mpmc_list_segment_ *last = pawl_hazard_protect(slot, &list->tail); /* N */

        pawl_mpmc_close(&last->queue);
        next = link_behind(list, last, END);
    } while (next != END); /* another push has linked a segment */
    pawl_hazard_give(domain(), slot);
    return pawl_handover_close(&list->handover);
}

/* ---- pop ---- */

/* The segment at head, `first`, is closed and empty. Returns 1: unlinked here; 0: by another pop; -EAGAIN;
 * -EPIPE. */
static int unlink_first(struct pawl_mpmc_list *list, struct pawl_mpmc_list_segment_ *first)
{
    struct pawl_mpmc_list_segment_ *next = link_behind(list, first, NULL); /* moves tail away from it */
    struct pawl_mpmc_list_segment_ *expected = first;

    if (next == NULL)
        return -EAGAIN;
    if (next == END)
        return -EPIPE;
    /* release N: passes it on. Lost: another pop has done it */
    if (pawl_cas_release(&list->head, &expected, next)) {
        pawl_hazard_retire(domain(), &first->retired, free_segment);
        return 1;
    }
    return 0;
}

static ptrdiff_t pop_some(struct pawl_mpmc_list *list, struct pawl_hazard_slot *slot, void *elements,
                          size_t n)
{
    bool unlinked = false;
    ptrdiff_t done;

    for (;;) {
        struct pawl_mpmc_list_segment_ *first = pawl_hazard_protect(slot, &list->head); /* N */
        int status;

        done = pawl_mpmc_pop_n(&first->queue, elements, n);
        if (done != -EPIPE)
            break;
        status = unlink_first(list, first);
        if (status < 0) {
            done = status == -EAGAIN ? 0 : status;
            break;
        }
        unlinked |= status == 1;
        /* else: this or another pop has unlinked a segment */
    }
    if (unlinked) { /* at once: segments are large */
        pawl_hazard_clear(slot);
        pawl_hazard_collect(domain());
    }
    return done;
}

ptrdiff_t pawl_mpmc_list_pop_n(struct pawl_mpmc_list *list, void *elements, size_t n)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(domain());
    ptrdiff_t done;

    if (slot == NULL)
        return -ENOMEM;
    done = pop_some(list, slot, elements, n);
    pawl_hazard_give(domain(), slot);
    return done;
}

int pawl_mpmc_list_pop(struct pawl_mpmc_list *list, void *element)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(domain());
    struct pawl_mpmc_list_segment_ *first;
    int status;

    if (slot == NULL)
        return -ENOMEM;
    first = pawl_hazard_protect(slot, &list->head); /* N */
    status = pawl_mpmc_pop(&first->queue, element);
    if (PAWL_UNLIKELY(status == -EPIPE)) {
        ptrdiff_t done = pop_some(list, slot, element, 1);

        status = done == 0 ? -EAGAIN : done == 1 ? 0 : (int)done;
    }
    pawl_hazard_give(domain(), slot);
    return status;
}

struct operation {
    struct pawl_mpmc_list *list;
    void *to;
};

static int try_pop(void *op)
{
    struct operation *pop = op;

    return pawl_mpmc_list_pop(pop->list, pop->to);
}

int pawl_mpmc_list_pop_wait(struct pawl_mpmc_list *list, void *element, uint64_t deadline)
{
    struct operation pop = {list, element};

    return pawl_handover_pop_wait(&list->handover, try_pop, &pop, deadline);
}

/* ---- looking ---- */

size_t pawl_mpmc_list_size(struct pawl_mpmc_list *list)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(domain());
    uint64_t head, tail;
    struct pawl_mpmc_list_segment_ *segment;

    if (slot == NULL)
        return 0;
    /* acquire T, both: with the stores in pop and push */
    segment = pawl_hazard_protect(slot, &list->head); /* N */
    head = pawl_mpmc_seek_head_(&segment->queue, pawl_load_acquire(&segment->queue.head));
    segment = pawl_hazard_protect(slot, &list->tail); /* N */
    tail = pawl_mpmc_seek_tail_(&segment->queue, pawl_load_acquire(&segment->queue.tail));
    pawl_hazard_give(domain(), slot);
    return (int64_t)(tail - head) > 0 ? tail - head : 0;
}
