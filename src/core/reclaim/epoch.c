/* SPDX-License-Identifier: MIT */
/* Epochs: bags of retired objects on top of grace periods that every thread advances. */
#include "epoch.h"

#include "batch.h"
#include "grace.h"
#include "pass.h"
#include "retired.h"

#include <errno.h>

extern inline PAWL_ATOMIC(uint64_t) * pawl_epoch_word_(struct pawl_epoch *epoch);
extern inline void pawl_epoch_pin(struct pawl_epoch *epoch);
extern inline void pawl_epoch_unpin(struct pawl_epoch *epoch);

#define RECLAIM_AT_ONCE ((uint64_t)BATCH_MOST)     /* by collect, and of what ended threads left */
#define LARGEST_PORTION UINT64_C(4)                /* by a retire */
#ifndef EPOCH_FENCE_AT                             /* closures for the model checker have others */
#define EPOCH_FENCE_AT ((uint64_t)2 * BATCH_LEAST) /* objects in closed bags, when a mark is not passed */
#endif

/* A bag that was closed: reclaimed after grace period `target`. */
struct closed_bag {
    struct retired_list list;
    uint64_t target;
};

/* What a thread has in a domain. Its own, but for the word. Two closed bags are enough: grace periods run
 * one at a time, so of the targets that are not over there are at most the one that runs and the next.
 *
 * What is ready is reclaimed by the retires that follow, one object each, and not in one go: no retire takes long, and
 * an allocator gets back what it is asked for next. (glibc's keeps seven blocks of a size where they are
 * cheap: 256 freed in a row and allocated again cost three times as much.) */
struct place {
    PAWL_ATOMIC(uint64_t) word;
    PAWL_ATOMIC(uint64_t) rest; /* see rest.h */
    uint16_t reclaiming;        /* inside reclaim functions: retire only, do not collect */
    uint16_t portion;           /* how many a retire reclaims */
    uint32_t batch;             /* objects of a full bag; 0: the least */
    struct retired_list open;
    struct closed_bag closed[2]; /* the older one first */
    struct pawl_retired *ready;  /* only popped, and prepended to */
    uint64_t ready_count;
};

PAWL_STATIC_ASSERT(sizeof(struct place) <= PAWL_READER_STRIDE, "a place fits its stride");
PAWL_STATIC_ASSERT(offsetof(struct place, rest) == sizeof(uint64_t), "where pawl_epoch_pin() looks");

struct domain {
    struct pawl_epoch face;
    struct pawl_grace_period period;
    retired_stack orphans PAWL_LINE_PAIR_ALIGNED; /* what ended threads left */
    PAWL_ATOMIC(uint32_t) tending;                /* 1: some thread has the bag below */
    PAWL_ATOMIC(uint32_t) any_left;               /* whether it holds anything */
    struct closed_bag left;                       /* orphans, closed: waits as a thread's own do */
};

PAWL_STATIC_ASSERT(sizeof(struct domain) <= PAWL_EPOCH_WORDS_, "the words begin behind the domain");
PAWL_STATIC_ASSERT(PAWL_EPOCH_WORDS_ % PAWL_CACHELINE_PAIR == 0, "and share no line with it");

static struct domain *domain_of(struct pawl_epoch *epoch)
{
    return (struct domain *)(void *)epoch;
}

static struct place *place_of(const struct pawl_grace *grace, uint32_t number)
{
    return (struct place *)(void *)(grace->words + number * PAWL_READER_STRIDE);
}

/* ---- bags ---- */

/* Prepends a list to `ready`. */
static void make_ready(struct place *place, struct retired_list *list)
{
    struct retired_list taken;

    if (list->first == NULL)
        return;
    taken = retired_take(list);
    retired_link(taken.last, place->ready);
    pawl_fence_compiler(); /* linked before it is put there, see retired.h */
    place->ready = taken.first;
    place->ready_count += taken.count;
}

/* What is over becomes ready; the first bag that is not over becomes the older one. */
static void sort_closed(struct pawl_epoch *epoch, struct place *place)
{
    for (int i = 0; i < 2; i++)
        if (place->closed[i].list.first != NULL && pawl_grace_over(&epoch->grace, place->closed[i].target))
            make_ready(place, &place->closed[i].list);
    if (place->closed[0].list.first == NULL && place->closed[1].list.first != NULL) {
        place->closed[0].target = place->closed[1].target;
        retired_move(&place->closed[0].list, &place->closed[1].list);
    }
}

/* A closed bag for `target`, or NULL: another grace period has ended meanwhile, sort again. */
static struct closed_bag *bag_for(struct place *place, uint64_t target)
{
    for (int i = 0; i < 2; i++) {
        struct closed_bag *bag = &place->closed[i];

        if (bag->list.first == NULL)
            bag->target = target;
        if (bag->target == target)
            return bag;
    }
    return NULL;
}

static void close_bag(struct pawl_epoch *epoch, struct place *place)
{
    struct closed_bag *bag;

    do {
        sort_closed(epoch, place);
        /* one mark for all objects of the bag: they were unlinked before it */
        bag = bag_for(place, pawl_grace_target_marked(&epoch->grace));
    } while (bag == NULL);
    retired_move(&bag->list, &place->open);
}

/* Returns how many it was. */
static uint64_t reclaim_ready(struct place *place, uint64_t limit)
{
    uint64_t count = 0;

    place->reclaiming = 1;
    for (; place->ready != NULL && count < limit; count++) {
        struct pawl_retired *retired = place->ready;

        place->ready = retired_next(retired);
        place->ready_count--;
        retired->reclaim(retired);
    }
    place->reclaiming = 0;
    return count;
}

/* Two bags become ready at a time where threads share grace periods: so that none is left two bags later. */
static void set_portion(struct place *place)
{
    uint64_t two_bags = UINT64_C(2) * (place->batch > BATCH_LEAST ? place->batch : BATCH_LEAST);
    uint64_t portion = (place->ready_count + two_bags - 1) / two_bags;

    place->portion = (uint16_t)(portion < LARGEST_PORTION ? portion : LARGEST_PORTION);
}

/* Moves a bounded number of objects to `ready`. */
static void take_some(struct place *place, struct retired_list *list)
{
    for (uint64_t i = 0; i < RECLAIM_AT_ONCE && list->first != NULL; i++) {
        struct pawl_retired *retired = retired_pop(list);

        pawl_fence_compiler(); /* out of one list before it gets into another, see retired.h */
        retired_link(retired, place->ready);
        place->ready = retired;
        place->ready_count++;
    }
}

/* What is in the way is a thread that passes no mark. */
static bool needs_fence(const struct pawl_epoch *epoch, uint64_t target)
{
    /* relaxed: a hint */
    return !pawl_grace_over(&epoch->grace, target) && pawl_load_relaxed(&epoch->grace.period->unpassed) != 0;
}

/* Carries the grace period on, if need be with a fence. Whether it is over. */
static bool step(struct pawl_epoch *epoch, uint64_t target)
{
    struct pawl_reader *self = pawl_reader_own();

    pawl_pass(self); /* who carries it on is not in its way */
    if (pawl_grace_step(&epoch->grace, target))
        return true;
    if (!needs_fence(epoch, target))
        return false;
    pawl_rest_fence(&epoch->grace.period->rest, self);
    return pawl_grace_step(&epoch->grace, target);
}

/* What ended threads left keeps its own target: stamped anew by each thread that found it, it would never be
 * over while threads come and go. One thread at a time; others go on without. Returns how many it reclaimed. */
static uint64_t tend_orphans(struct pawl_epoch *epoch, struct place *place)
{
    struct domain *domain = domain_of(epoch);
    uint32_t nobody = 0;

    /* relaxed: what is missed now is found by a later call. */
    if (PAWL_LIKELY(pawl_load_relaxed(&domain->orphans) == NULL && pawl_load_relaxed(&domain->any_left) == 0))
        return 0;
    /* acquire E: pairs with the release below, the bag as the last one left it */
    if (place->reclaiming != 0 || !pawl_cas_acquire(&domain->tending, &nobody, 1u))
        return 0;
    if (domain->left.list.first == NULL) {
        retired_adopt(&domain->orphans, &domain->left.list);
        domain->left.target = pawl_grace_target_marked(&epoch->grace);
    }
    if (step(epoch, domain->left.target))
        take_some(place, &domain->left.list);
    pawl_store_relaxed(&domain->any_left, (uint32_t)(domain->left.list.first != NULL)); /* relaxed: a hint */
    pawl_store_release(&domain->tending, 0u);                                           /* release E */
    return reclaim_ready(place, RECLAIM_AT_ONCE);
}

/* Advances for the older closed bag, whose grace period is the next to end. That of the other one begins with the next bag,
 * or by another thread: one that each bag began, where several retire, took 25 ns an object in place of 20. */
static void advance(struct pawl_epoch *epoch, struct place *place,
                    bool (*by)(struct pawl_epoch *epoch, uint64_t target))
{
    if (place->closed[0].list.first != NULL) {
        (void)by(epoch, place->closed[0].target);
        sort_closed(epoch, place);
    }
}

static bool step_without_fence(struct pawl_epoch *epoch, uint64_t target)
{
    return pawl_grace_step(&epoch->grace, target);
}

/* Where a thread passes no mark: when it is worth it a fence, whose time says how large bags shall be. */
static void fence_if_need_be(struct pawl_epoch *epoch, struct place *place)
{
    uint64_t waiting = place->closed[0].list.count + place->closed[1].list.count;
    uint64_t start;

    if (place->closed[0].list.first == NULL || !needs_fence(epoch, place->closed[0].target)) {
        place->batch = batch_after(place->batch, 0);
    } else if (waiting >= EPOCH_FENCE_AT) {
        start = batch_clock();
        advance(epoch, place, step);
        place->batch = batch_after(place->batch, batch_clock() - start);
    }
}

/* The bag is full. */
static PAWL_COLD void exchange_bag(struct pawl_epoch *epoch, struct place *place)
{
    if (place->reclaiming != 0)
        return;
    (void)tend_orphans(epoch, place);
    close_bag(epoch, place); /* with a mark of its own, it passes those of others */
    advance(epoch, place, step_without_fence);
    fence_if_need_be(epoch, place);
    set_portion(place);
}

/* Returns how many objects it reclaimed. */
static uint64_t collect(struct pawl_epoch *epoch, struct place *place)
{
    uint64_t count;

    if (place->reclaiming != 0)
        return 0;
    count = tend_orphans(epoch, place);
    close_bag(epoch, place);
    advance(epoch, place, step);
    count += reclaim_ready(place, RECLAIM_AT_ONCE);
    set_portion(place);
    return count;
}

void pawl_epoch_retire(struct pawl_epoch *epoch, struct pawl_retired *retired,
                       void (*reclaim)(struct pawl_retired *))
{
    struct place *place = place_of(&epoch->grace, pawl_reader_own()->number);

    retired->reclaim = reclaim;
    /* Once a bag: threads that end with few objects each do not collect, but leave them. */
    if (PAWL_UNLIKELY(place->open.first == NULL))
        (void)tend_orphans(epoch, place);
    retired_push(&place->open, retired);
    if (PAWL_UNLIKELY(place->open.count >= BATCH_LEAST && place->open.count >= place->batch))
        exchange_bag(epoch, place);
    if (place->ready != NULL && place->reclaiming == 0)
        (void)reclaim_ready(place, place->portion);
}

uint64_t pawl_epoch_collect(struct pawl_epoch *epoch)
{
    struct place *place = place_of(&epoch->grace, pawl_reader_own()->number);

    (void)collect(epoch, place);
    return place->open.count + place->closed[0].list.count + place->closed[1].list.count + place->ready_count;
}

/* One that reclaims nothing may have ended a grace period that ran before, and then the next one does. */
void pawl_epoch_drain(struct pawl_epoch *epoch)
{
    struct place *place = place_of(&epoch->grace, pawl_reader_own()->number);

    for (int idle = 0; idle < 2;)
        idle = collect(epoch, place) != 0 ? 0 : idle + 1;
}

void pawl_epoch_repin(struct pawl_epoch *epoch)
{
    if (pawl_grace_depth(&epoch->grace) == 1) {
        pawl_epoch_unpin(epoch);
        pawl_epoch_pin(epoch);
    }
}

/* ---- life ---- */

static void abandon_chain(struct domain *domain, struct pawl_retired *first)
{
    struct retired_list list = {first, NULL, 0};

    retired_abandon(&domain->orphans, &list);
}

static void abandon_bags(struct domain *domain, struct place *place)
{
    if (place->open.first == NULL && place->closed[0].list.first == NULL &&
        place->closed[1].list.first == NULL && place->ready == NULL)
        return;
    abandon_chain(domain, place->open.first);
    abandon_chain(domain, place->closed[0].list.first);
    abandon_chain(domain, place->closed[1].list.first);
    abandon_chain(domain, place->ready);
    place->open = (struct retired_list){NULL, NULL, 0};
    place->closed[0].list = place->open;
    place->closed[1].list = place->open;
    place->ready = NULL;
    place->ready_count = 0;
}

static struct domain *domain_of_room(struct reader_room *room)
{
    return (struct domain *)(void *)((char *)room - offsetof(struct domain, period.room));
}

/* Whoever had the orphans' bag is gone. */
static void forked(struct reader_room *room)
{
    struct domain *domain = domain_of_room(room);

    pawl_grace_forked(&domain->face.grace);
    retired_mend(&domain->left.list);
    pawl_store_relaxed(&domain->any_left, 1u); /* relaxed, both: the child has one thread */
    pawl_store_relaxed(&domain->tending, 0u);
}

/* Also in a child, for a thread of the parent that was anywhere: only `first` pointers are trusted. */
static void leave(struct reader_room *room, uint32_t number)
{
    struct domain *domain = domain_of_room(room);
    struct place *place = place_of(&domain->face.grace, number);

    abandon_bags(domain, place);
    /* of lists that had just been emptied: a count that is never 0 again would be told by every collect */
    place->open.count = 0;
    place->closed[0].list.count = 0;
    place->closed[1].list.count = 0;
    place->ready_count = 0;
    place->reclaiming = 0;
    place->portion = 0;
    place->batch = 0;
    pawl_store_relaxed(&place->rest, UINT64_C(0)); /* relaxed: it only spares the next owner a fence */
    /* release R: a scan that sees this 0 has missed the one of the last unpin */
    pawl_store_release(&place->word, UINT64_C(0));
}

void pawl_epoch_wake_(PAWL_ATOMIC(uint64_t) * word)
{
    pawl_rest_wake(word + 1);
}

static bool is_outside(struct pawl_rest *rest, uint32_t number)
{
    const struct pawl_grace_period *period =
        (struct pawl_grace_period *)(void *)((char *)rest - offsetof(struct pawl_grace_period, rest));

    /* acquire R: as in scans, for who will not look here */
    return (pawl_load_acquire(grace_word(period->grace, number)) & PAWL_READER_NESTING) == 0;
}

struct pawl_epoch *pawl_epoch_open(void)
{
    char *words = pawl_grace_reserve(PAWL_EPOCH_WORDS_);
    struct domain *domain;

    if (words == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    domain = (struct domain *)(void *)(words - PAWL_EPOCH_WORDS_);
    domain->face.grace.words = words;
    pawl_grace_init(&domain->face.grace, &domain->period, leave);
    domain->period.room.forked = forked;
    domain->period.rest.words = domain->face.grace.words + offsetof(struct place, rest);
    domain->period.rest.is_outside = is_outside;
    domain->period.by_marks = true;
    return &domain->face;
}

void pawl_epoch_close(struct pawl_epoch *epoch)
{
    struct domain *domain = domain_of(epoch);

    if (epoch == NULL)
        return;
    pawl_grace_detach(&epoch->grace); /* or an ending thread and this one would both have its bags */
    /* The bag is empty from here on: a retire in a reclaim function looks there. */
    retired_abandon(&domain->orphans, &domain->left.list);
    /* Also of numbers that nobody has now: a thread that ended since then has left its bags here. */
    do {
        for (uint32_t n = 0; n < pawl_reader_high(); n++)
            abandon_bags(domain, place_of(&epoch->grace, n));
    } while (retired_reclaim(&domain->orphans));
    pawl_grace_release(epoch->grace.words, PAWL_EPOCH_WORDS_);
}
