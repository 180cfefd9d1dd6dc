/* SPDX-License-Identifier: MIT */
/* Hazard pointers: slots by thread, lists of retired objects, scans.
 *
 * Why a scan is right: let S be a reader's store into its slot, L its second load of the pointer, U the
 * unlinking, H the scan's heavy fence. As H orders them, either S comes before the scan's look at the slot,
 * and the object is kept; or U comes before L, and the reader finds the pointer changed. The same holds when all threads
 * have passed a mark that was set after U: pass.h. */
#include "hazard.h"

#include "pass.h"
#include "rest.h"

#include "../sync/fail.h"
#include "../sync/lsan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

extern inline struct pawl_hazard_slot *pawl_hazard_take(struct pawl_hazard *hazard);
extern inline struct pawl_hazard_slot *pawl_hazard_taken_(struct pawl_hazard_place *place,
                                                          struct pawl_hazard_slot *slot);
extern inline void pawl_hazard_clear(struct pawl_hazard_slot *slot);
extern inline void pawl_hazard_give(struct pawl_hazard *hazard, struct pawl_hazard_slot *slot);
extern inline void pawl_hazard_set(struct pawl_hazard_slot *slot, const void *object);

#define RESERVED (HAZARD_PLACES + (PAWL_READER_MAX + 1) * PAWL_READER_STRIDE)
#define LARGEST_PORTION UINT64_C(4) /* reclaimed by one retire */
#ifndef MARK_EVERY                  /* closures for the model checker make do with 1 */
#define MARK_EVERY UINT64_C(60)     /* objects retired */
#endif
#define FENCE_AT (4 * MARK_EVERY) /* objects retired since, when a mark is not passed */
#define PAGE_BYTES 4096u
#define SLOTS_OF_PAGE 511u /* what fits beside the link */
#define SET_LOG 9          /* log2 of the places of a set; half of them are filled */
#define SET_FULL (1u << (SET_LOG - 1))

/* Further slots of one thread. Stays with the thread's number until the domain is closed. */
struct pawl_hazard_page {
    PAWL_ATOMIC(struct pawl_hazard_page *) next;
    struct pawl_hazard_slot slot[SLOTS_OF_PAGE];
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_hazard_page) == PAGE_BYTES, "a page holds its slots");

struct domain {
    struct pawl_hazard face;
    size_t retired_at;
    struct reader_room room;
    retired_stack orphans PAWL_LINE_PAIR_ALIGNED;
    struct pawl_rest rest;
};

static struct domain *domain_of(struct pawl_hazard *hazard)
{
    return (struct domain *)(void *)hazard;
}

/* ---- slots beyond eight ---- */

/* The first slot that is nobody's. NULL: there is none. */
static struct pawl_hazard_slot *take_of(struct pawl_hazard_slot *slots, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (pawl_load_relaxed(&slots[i].word) == 0) { /* orders as in pawl_hazard_take() */
            pawl_hazard_clear(&slots[i]);
            return &slots[i];
        }
    return NULL;
}

/* By mmap: a signal handler may take slots. */
static struct pawl_hazard_page *add_page(struct pawl_hazard_place *place)
{
    struct pawl_hazard_page *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct pawl_hazard_page *next;

    if (page == MAP_FAILED)
        return NULL;
    next = pawl_load_relaxed(
        &place->more); /* relaxed: only the owner adds, and handlers that interrupt it here */
    /* release Q: publishes the link to scans; the slots are empty until a later store, which a light fence
     * follows */
    do
        pawl_store_relaxed(&page->next, next);                 /* relaxed: published by the CAS */
    while (!pawl_cas_weak_release(&place->more, &next, page)); /* a handler added its own */
    return page;
}

struct pawl_hazard_slot *pawl_hazard_take_slow_(struct pawl_hazard *hazard)
{
    int saved = errno;
    struct pawl_hazard_place *place = &hazard->places[pawl_reader_own()->number];
    /* first the eight: this may be the first use of a thread, or there is no membarrier */
    struct pawl_hazard_slot *slot = take_of(place->slot, PAWL_HAZARD_SLOTS);
    struct pawl_hazard_page *page;

    /* relaxed: the owner's */
    for (page = pawl_load_relaxed(&place->more); page != NULL && slot == NULL;
         page = pawl_load_relaxed(&page->next))
        slot = take_of(page->slot, SLOTS_OF_PAGE);
    if (slot == NULL) {
        page = add_page(place);
        slot = page != NULL ? take_of(page->slot, SLOTS_OF_PAGE) : NULL;
    }
    slot = pawl_hazard_taken_(place, slot);
    errno = slot != NULL ? saved : ENOMEM;
    return slot;
}

void pawl_hazard_not_taken_(void)
{
    pawl_sync_fail("pawl_hazard_give", "the slot is not taken: given back twice, or never one of a domain");
}

/* ---- threads at rest ---- */

struct pawl_hazard_slot *pawl_hazard_wake_(struct pawl_hazard_place *place, struct pawl_hazard_slot *slot)
{
    pawl_rest_wake(&place->rest);
    return slot;
}

static bool none_taken(struct pawl_hazard_slot *slots, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (pawl_load_acquire(&slots[i].word) != 0) /* acquire Z: as in scans, for who will not look here */
            return false;
    return true;
}

static bool is_outside(struct pawl_rest *rest, uint32_t number)
{
    struct domain *domain = (struct domain *)(void *)((char *)rest - offsetof(struct domain, rest));
    struct pawl_hazard_place *place = &domain->face.places[number];

    if (!none_taken(place->slot, PAWL_HAZARD_SLOTS))
        return false;
    /* acquire Q: pairs with the release in add_page() */
    for (struct pawl_hazard_page *page = pawl_load_acquire(&place->more); page != NULL;
         page = pawl_load_acquire(&page->next))
        if (!none_taken(page->slot, SLOTS_OF_PAGE))
            return false;
    return true;
}

/* ---- scans ---- */

/* Some of the addresses in slots: a table with linear probing, on the scanner's stack. When slots hold more
 * than fit, a scan looks at them in several passes. */
struct set {
    uint32_t count;
    uintptr_t table[1u << SET_LOG];
};

static size_t home_of(uintptr_t object)
{
    return (object >> 4) * (uintptr_t)0x9e3779b97f4a7c15u >> (64 - SET_LOG); /* Knuth 6.4 */
}

/* The place of an address, or the empty one where it would be. */
static size_t place_in(const struct set *set, uintptr_t object)
{
    size_t i = home_of(object);

    while (set->table[i] != 0 && set->table[i] != object)
        i = (i + 1) % (1u << SET_LOG);
    return i;
}

static void add_to(struct set *set, uintptr_t object)
{
    size_t i = place_in(set, object);

    set->count += set->table[i] == 0;
    set->table[i] = object;
}

/* Where a scan has got to: a slot of a page, or of the place itself, of a thread. */
struct walk {
    struct pawl_hazard *hazard;
    uint32_t number;
    struct pawl_hazard_page *page; /* NULL: the place */
    size_t index;
};

static void next_array(struct walk *walk)
{
    /* acquire Q: pairs with the release in add_page() */
    walk->page = pawl_load_acquire(walk->page == NULL ? &walk->hazard->places[walk->number].more
                                                      : &walk->page->next);
    walk->index = 0;
    if (walk->page == NULL)
        walk->number = pawl_reader_next(walk->number + 1);
}

/* The next address that a slot holds, or 0 at the end. */
static uintptr_t next_object(struct walk *walk)
{
    while (walk->number != PAWL_READER_MAX) {
        struct pawl_hazard_slot *slots = walk->page == NULL ? walk->hazard->places[walk->number].slot
                                                            : walk->page->slot;
        size_t end = walk->page == NULL ? PAWL_HAZARD_SLOTS : SLOTS_OF_PAGE;

        while (walk->index < end) {
            /* acquire Z: pairs with the releases of set, clear and give */
            uintptr_t word = pawl_load_acquire(&slots[walk->index++].word);

            if (word > PAWL_HAZARD_EMPTY_)
                return word - PAWL_HAZARD_EMPTY_;
        }
        next_array(walk);
    }
    return 0;
}

/* Fills the set from where the walk is. Returns whether there may be more. */
static bool fill(struct set *set, struct walk *walk)
{
    uintptr_t object = 0;

    memset(set, 0, sizeof *set);
    while (set->count < SET_FULL && (object = next_object(walk)) != 0)
        add_to(set, object);
    return object != 0;
}

/* Moves what the set holds from `list` to `kept`. */
static void sift(const struct domain *domain, const struct set *set, struct retired_list *list,
                 struct retired_list *kept)
{
    struct retired_list rest = {NULL, NULL, 0};
    struct pawl_retired *retired;

    while ((retired = retired_pop(list)) != NULL) {
        uintptr_t object = (uintptr_t)retired - domain->retired_at;

        retired_push(set->table[place_in(set, object)] != 0 ? kept : &rest, retired);
    }
    *list = rest;
}

/* After the fence, or when all have passed. Splits `list`: what slots hold goes to `kept`. Returns how many addresses slots held. */
static uint64_t scan(struct pawl_hazard *hazard, struct retired_list *list, struct retired_list *kept)
{
    struct walk walk = {.hazard = hazard};
    struct set set;
    uint64_t held = 0;
    bool more;

    walk.number = pawl_reader_next(0);
    do {
        more = fill(&set, &walk);
        held += set.count;
        if (set.count != 0)
            sift(domain_of(hazard), &set, list, kept);
    } while (more);
    return held;
}

/* Prepends a list to `ready`. */
static void make_ready(struct keep *keep, struct retired_list *list)
{
    struct retired_list taken = retired_take(list);

    if (taken.first == NULL)
        return;
    retired_link(taken.last, keep->ready);
    pawl_fence_compiler(); /* linked before it is put there, see retired.h */
    keep->ready = taken.first;
    keep->ready_count += taken.count;
}

static void reclaim_ready(struct keep *keep, uint64_t limit)
{
    keep->reclaiming = 1;
    for (; keep->ready != NULL && limit > 0; limit--) {
        struct pawl_retired *retired = keep->ready;

        keep->ready = retired_next(retired);
        keep->ready_count--;
        retired->reclaim(retired);
    }
    keep->reclaiming = 0;
}

/* What no slot holds becomes ready, the rest stays in the open list. */
static void sort(struct pawl_hazard *hazard, struct keep *keep, struct retired_list *list)
{
    struct retired_list kept = {NULL, NULL, 0};

    keep->held = scan(hazard, list, &kept);
    make_ready(keep, list);
    retired_move(&keep->open, &kept);
}

/* All that is here, after a fence of this thread's. */
static void fence_and_sort(struct pawl_hazard *hazard, struct keep *keep, struct pawl_reader *self)
{
    struct retired_list list = retired_take(&keep->open);

    retired_move(&list, &keep->marked);
    retired_adopt(&domain_of(hazard)->orphans, &list);
    pawl_reader_sweep(); /* slots of threads that are gone hold what nobody will let go */
    pawl_rest_fence(&domain_of(hazard)->rest, self); /* H: heavy, see the top of this file */
    sort(hazard, keep, &list);
}

/* What is marked waits until all threads have passed, and is scanned without a fence. They pass when they retire: if they
 * do that as often as this one, while its next list fills. If they do not, there is a fence, for the marks of all. */
static void mark_and_sort(struct pawl_hazard *hazard, struct keep *keep, struct pawl_reader *self)
{
    if (keep->marked.first != NULL && pawl_pass_done(keep->mark, &keep->cursor, &domain_of(hazard)->rest)) {
        struct retired_list list = retired_take(&keep->marked);

        sort(hazard, keep, &list);
    }
    if (keep->marked.first == NULL) {
        retired_move(&keep->marked, &keep->open);
        keep->mark = pawl_pass_mark(self);
        keep->cursor = 0;
    } else if (keep->marked.count + keep->open.count >=
               FENCE_AT + keep->held) { /* some of them are held still */
        fence_and_sort(hazard, keep, self);
    } else {
        pawl_pass(self);
    }
}

/* With many slots in use a list must be as long as its scan: then a fence a scan is little. */
static bool is_worth_a_fence(const struct keep *keep)
{
    return 2 * keep->held > MARK_EVERY;
}

/* When to look again. What is ready is reclaimed by the retires until then, one object each (see epoch.c), or more of them
 * if too much is here. */
static void plan(struct keep *keep)
{
    uint64_t until = is_worth_a_fence(keep) ? 2 * keep->held : MARK_EVERY;
    uint64_t portion = (keep->ready_count + until - 1) / until;
    uint64_t here = keep->open.count + keep->marked.count;
    uint64_t most = FENCE_AT + keep->held; /* see mark_and_sort() */

    /* One is left when what became ready is reclaimed one by one until the next fence. */
    if (here + keep->ready_count <= most + 1)
        portion = 1;
    keep->portion = (uint8_t)(portion < LARGEST_PORTION ? portion : LARGEST_PORTION);
    /* Not a whole step beyond the limit, which is no multiple of it while slots hold what this thread has not retired. */
    if (here < most && most - here < until && !is_worth_a_fence(keep))
        until = most - here;
    keep->look_at = keep->open.count + until;
}

/* The open list is full, or this is the thread's first object. */
static PAWL_COLD void look(struct pawl_hazard *hazard, struct keep *keep, struct pawl_reader *self)
{
    if (keep->look_at == 0)
        keep->look_at = MARK_EVERY;
    if (keep->open.count < keep->look_at)
        return;
    /* the latter: what ended threads left; each would mark it, and end in its turn */
    if (is_worth_a_fence(keep) || keep->open.count >= FENCE_AT)
        fence_and_sort(hazard, keep, self);
    else
        mark_and_sort(hazard, keep, self);
    plan(keep);
}

void pawl_hazard_retire(struct pawl_hazard *hazard, struct pawl_retired *retired,
                        void (*reclaim)(struct pawl_retired *))
{
    struct pawl_reader *self = pawl_reader_own();
    struct keep *keep = keep_of(hazard, self->number);

    retired->reclaim = reclaim;
    if (keep->open.first ==
        NULL) /* threads that end with few objects each leave no more than a list between them */
        retired_adopt(&domain_of(hazard)->orphans, &keep->open);
    retired_push(&keep->open, retired);
    if (keep->reclaiming != 0)
        return;
    if (PAWL_UNLIKELY(keep->open.count >= keep->look_at))
        look(hazard, keep, self);
    if (keep->ready != NULL)
        reclaim_ready(keep, keep->portion);
}

uint64_t pawl_hazard_collect(struct pawl_hazard *hazard)
{
    struct pawl_reader *self = pawl_reader_own();
    struct keep *keep = keep_of(hazard, self->number);

    if (keep->reclaiming == 0) {
        fence_and_sort(hazard, keep, self);
        plan(keep);
        reclaim_ready(keep, UINT64_MAX);
    }
    return keep->open.count + keep->marked.count + keep->ready_count;
}

/* ---- life ---- */

static struct domain *domain_of_room(struct reader_room *room)
{
    return (struct domain *)(void *)((char *)room - offsetof(struct domain, room));
}

static bool any_above(const struct pawl_hazard_slot *slots, size_t number, uintptr_t least)
{
    for (size_t i = 0; i < number; i++)
        if (pawl_load_relaxed(&slots[i].word) > least)
            return true; /* relaxed, here and below: the thread's own */
    return false;
}

/* A later destructor may use what a slot holds, or give back one that is empty. If none has done that in the first rounds,
 * none will. (In the last one ThreadSanitizer's thread has ended already.) */
static bool inside(struct reader_room *room, uint32_t number)
{
    struct pawl_hazard_place *place = &domain_of_room(room)->face.places[number];
    bool late = pawl_readers_[number].rounds >= PTHREAD_DESTRUCTOR_ITERATIONS - 1;
    uintptr_t least = late ? PAWL_HAZARD_EMPTY_ : 0;

    if (any_above(place->slot, PAWL_HAZARD_SLOTS, least))
        return true;
    for (struct pawl_hazard_page *page = pawl_load_relaxed(&place->more); page != NULL;
         page = pawl_load_relaxed(&page->next))
        if (any_above(page->slot, SLOTS_OF_PAGE, least))
            return true;
    return false;
}

/* release Z, as in pawl_hazard_give() */
static void give_all(struct pawl_hazard_slot *slots, size_t number)
{
    for (size_t i = 0; i < number; i++)
        if (pawl_load_relaxed(&slots[i].word) != 0) /* relaxed: the thread is this one, or gone */
            pawl_store_release(&slots[i].word, (uintptr_t)0);
}

static void abandon_lists(struct domain *domain, struct keep *keep)
{
    struct retired_list ready = {keep->ready, NULL, 0};

    if (keep->open.first == NULL && keep->marked.first == NULL && keep->ready == NULL)
        return;
    keep->ready = NULL;
    keep->ready_count = 0;
    pawl_fence_compiler(); /* out of one list before it gets into another, see retired.h */
    retired_abandon(&domain->orphans, &keep->open);
    retired_abandon(&domain->orphans, &keep->marked);
    retired_abandon(&domain->orphans, &ready);
}

static void leave(struct reader_room *room, uint32_t number)
{
    struct domain *domain = domain_of_room(room);
    struct pawl_hazard_place *place = &domain->face.places[number];
    struct keep *keep = keep_of(&domain->face, number);

    abandon_lists(domain, keep);
    /* In a child, of lists that the parent's thread had just emptied: a count that is never 0 again would be told by
     * every collect. */
    keep->open.count = 0;
    keep->marked.count = 0;
    keep->ready_count = 0;
    give_all(place->slot, PAWL_HAZARD_SLOTS);
    /* relaxed: as there */
    for (struct pawl_hazard_page *page = pawl_load_relaxed(&place->more); page != NULL;
         page = pawl_load_relaxed(&page->next))
        give_all(page->slot, SLOTS_OF_PAGE);
    pawl_store_relaxed(&place->rest, UINT64_C(0)); /* relaxed: it only spares the next owner a fence */
    keep->reclaiming = 0;
    keep->portion = 0;
    keep->held = 0;
    keep->look_at = 0;
}

struct pawl_hazard *pawl_hazard_open(size_t retired_at)
{
    struct domain *domain = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof *domain);
    void *places;

    if (domain == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memset(domain, 0, sizeof *domain);
    /* NORESERVE: places of threads that never come are addresses only */
    places = mmap(NULL, RESERVED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (places == MAP_FAILED) {
        free(domain);
        errno = ENOMEM;
        return NULL;
    }
    madvise(places, RESERVED, MADV_NOHUGEPAGE); /* a huge page would be memory for 16384 threads */
    pawl_lsan_look_into_(places, RESERVED);
    domain->face.places = places;
    domain->rest.words = (char *)places + offsetof(struct pawl_hazard_place, rest);
    domain->rest.is_outside = is_outside;
    for (size_t i = 0; i < PAWL_HAZARD_SLOTS; i++)
        pawl_hazard_clear(
            &domain->face.places[PAWL_READER_MAX].slot[i]); /* taken: who has no number finds none */
    domain->retired_at = retired_at;
    domain->room.inside = inside;
    domain->room.leave = leave;
    pawl_reader_enter_room(&domain->room);
    return &domain->face;
}

static void free_pages(struct pawl_hazard_place *place)
{
    struct pawl_hazard_page *page = pawl_load_relaxed(&place->more); /* relaxed: nobody else has it */

    while (page != NULL) {
        struct pawl_hazard_page *next = pawl_load_relaxed(&page->next);

        munmap(page, PAGE_BYTES);
        page = next;
    }
}

void pawl_hazard_close(struct pawl_hazard *hazard)
{
    struct domain *domain = domain_of(hazard);

    if (hazard == NULL)
        return;
    pawl_reader_leave_room(&domain->room);
    /* Also of numbers that nobody has now: a thread that ended since then has left its lists here. */
    do {
        for (uint32_t n = 0; n < pawl_reader_high(); n++)
            abandon_lists(domain, keep_of(hazard, n));
    } while (retired_reclaim(&domain->orphans));
    for (uint32_t n = 0; n < pawl_reader_high(); n++)
        free_pages(&hazard->places[n]);
    pawl_lsan_look_away_(hazard->places, RESERVED);
    munmap(hazard->places, RESERVED);
    free(domain);
}
