/* SPDX-License-Identifier: MIT */
#include "central.h"

#include "cache.h"
#include "fail.h"
#include "lock.h"
#include "settings.h"
#include "span.h"
#include "system.h"

#ifndef MOVING
#define MOVING 16u /* chains, of each node */
#define NODES 4u   /* NUMA nodes; machines with more share by the remainder */
#endif
#define BUCKETS 9u /* by how full a span is: 0 the fullest with something left; 8: nothing left */
#define NOWHERE 8u

struct central {
    struct pawl_mutex lock; /* of the spans */
    struct span *bucket[BUCKETS];
    uint64_t spans;
    uint64_t left;
    struct transfer {
        struct pawl_mutex lock;
        uint32_t chains;
        uint32_t unwanted; /* the fewest since the last tick */
        struct node *chain[MOVING];
    } PAWL_LINE_PAIR_ALIGNED transfer[NODES];
} PAWL_LINE_PAIR_ALIGNED;

static struct central centrals[CLASSES];
static bool fast;

/* ---- transfer ---- */

/* What CPUs of this node gave back is in their caches and, as who touches a page first gets it near,
 * likely in their memory: it stays among them. */
static struct transfer *transfer_here(struct central *central)
{
    return &central->transfer[pawl_cache_node_() % NODES];
}

static struct node *take_moving(struct transfer *transfer)
{
    struct node *chain = chain_end();

    pawl_mutex_lock(&transfer->lock);
    if (transfer->chains > 0) {
        chain = transfer->chain[--transfer->chains];
        if (transfer->chains < transfer->unwanted)
            transfer->unwanted = transfer->chains;
    }
    pawl_mutex_unlock(&transfer->lock);
    return chain;
}

static bool give_moving(struct transfer *transfer, struct node *chain)
{
    bool fits;

    pawl_mutex_lock(&transfer->lock);
    fits = transfer->chains < MOVING;
    if (fits)
        transfer->chain[transfer->chains++] = chain;
    pawl_mutex_unlock(&transfer->lock);
    return fits;
}

/* ---- spans, with the lock ---- */

static uint8_t bucket_of(const struct span *span)
{
    if (span->left == 0)
        return NOWHERE;
    return (uint8_t)((uint32_t)(span->left - 1) * (BUCKETS - 1) / span->objects);
}

/* A span with nothing left need not be found, unless all of its slab's are to go. */
static bool is_listed(const struct span *span)
{
    return span->bucket != NOWHERE || span->class >= SIZE_CLASSES;
}

static void leave(struct central *central, struct span *span)
{
    if (!is_listed(span))
        return;
    if (span->previous != NULL)
        span->previous->next = span->next;
    else
        central->bucket[span->bucket] = span->next;
    if (span->next != NULL)
        span->next->previous = span->previous;
}

static void enter(struct central *central, struct span *span)
{
    span->bucket = bucket_of(span);
    if (!is_listed(span))
        return;
    span->previous = NULL;
    span->next = central->bucket[span->bucket];
    if (span->next != NULL)
        span->next->previous = span;
    central->bucket[span->bucket] = span;
}

static void settle(struct central *central, struct span *span)
{
    if (span->bucket != bucket_of(span)) {
        leave(central, span);
        enter(central, span);
    }
}

static struct span *fullest(struct central *central)
{
    for (uint32_t b = 0; b < BUCKETS - 1; b++)
        if (central->bucket[b] != NULL)
            return central->bucket[b];
    return NULL;
}

static size_t span_bytes(const struct span *span)
{
    return span->pages << PAGE_SHIFT;
}

static struct span *new_span(struct central *central, uint32_t class)
{
    size_t guard = pawl_settings_.hardened ? 1 : 0; /* pages behind it */
    uint32_t bound = pawl_malloc_class_[class].bound;
    struct span *span = pawl_span_open_(pawl_malloc_class_[class].pages + guard, 1, SPAN_OBJECTS, true);

    if (span == NULL)
        return NULL;
    if (bound != 0 && pawl_system_bind_(span_start(span), span_bytes(span), bound) != 0) {
        pawl_span_close_(span, true, true);
        return NULL;
    }
    if (guard != 0) /* best effort: a process may have only so many mappings */
        (void)pawl_system_guard_(page_address(span->page + span->pages - 1), PAGE_BYTES, true);
    pawl_span_carve_(span, class);
    span->bucket = NOWHERE;
    enter(central, span);
    central->spans++;
    central->left += span->objects;
    if (fast)
        pawl_span_set_kind_(span, class);
    return span;
}

static uint32_t take_objects(struct central *central, uint32_t class, void **objects, uint32_t n)
{
    uint32_t taken = 0;

    pawl_mutex_lock(&central->lock);
    while (taken < n) {
        struct span *span = fullest(central);

        if (span == NULL) {
            if (taken > 0)
                break; /* enough for now: a new span is begun by who has nothing */
            span = new_span(central, class);
            if (span == NULL)
                break;
        }
        taken += pawl_span_take_(span, objects + taken, n - taken);
        settle(central, span);
    }
    central->left -= taken;
    pawl_mutex_unlock(&central->lock);
    return taken;
}

/* ---- */

struct node *pawl_central_get_(uint32_t class, uint32_t n)
{
    struct central *central = &centrals[class];
    struct node *chain = take_moving(transfer_here(central));
    void *objects[CHAIN_MAX];
    uint32_t taken;

    if (!chain_is_empty(chain))
        return chain;
    taken = take_objects(central, class, objects, n < CHAIN_MAX ? n : CHAIN_MAX);
    while (taken > 0) /* the last one first: they will be used by rising address */
        chain = chain_push(chain, objects[--taken]);
    return chain;
}

void pawl_central_put_(uint32_t class, struct node *chain)
{
    if (!give_moving(transfer_here(&centrals[class]), chain))
        pawl_central_return_(class, chain);
}

/* Takes the guard page of hardened mode away. False: the kernel refuses (a process may have only so many
 * mappings). */
static bool unguard(const struct span *span)
{
    return !pawl_settings_.hardened ||
           pawl_system_guard_(page_address(span->page + span->pages - 1), PAGE_BYTES, false);
}

/* A span with nothing of the program in it returns to the page heap. */
static void end_span(struct central *central, struct span *span)
{
    leave(central, span);
    central->spans--;
    central->left -= span->left;
    if (pawl_malloc_class_[span->class].bound != 0)
        (void)pawl_system_bind_(span_start(span), span_bytes(span), 0);
    if (unguard(span)) /* else its pages are never used again */
        pawl_span_close_(span, true, true);
}

void pawl_central_return_(uint32_t class, struct node *chain)
{
    struct central *central = &centrals[class];

    pawl_mutex_lock(&central->lock);
    while (!chain_is_empty(chain)) {
        struct span *span = span_at(chain);
        const char *wrong = "free() of an address that no block has";

        if (span != NULL && span->use == SPAN_OBJECTS && span->class == class) {
            central->left -= span->left;
            wrong = pawl_span_give_(span, &chain);
            central->left += span->left;
        }
        if (wrong != NULL)
            pawl_malloc_fail_(wrong, chain);
        if (span->left == span->objects)
            end_span(central, span);
        else
            settle(central, span);
    }
    pawl_mutex_unlock(&central->lock);
}

static void age(uint32_t class, struct transfer *transfer, bool all)
{
    uint32_t unwanted;

    pawl_mutex_lock(&transfer->lock);
    unwanted = all ? transfer->chains : transfer->unwanted;
    pawl_mutex_unlock(&transfer->lock);
    for (; unwanted > 0; unwanted--) {
        struct node *chain = take_moving(transfer);

        if (chain_is_empty(chain))
            break;
        pawl_central_return_(class, chain);
    }
    pawl_mutex_lock(&transfer->lock);
    transfer->unwanted = transfer->chains;
    pawl_mutex_unlock(&transfer->lock);
}

/* One at a time: when this lock is free nobody has an old chain in his hands. */
static struct pawl_mutex ageing;

void pawl_central_age_(bool all)
{
    pawl_mutex_lock(&ageing);
    for (uint32_t c = 1; c < CLASSES; c++)
        for (uint32_t n = 0; n < NODES; n++)
            age(c, &centrals[c].transfer[n], all);
    pawl_mutex_unlock(&ageing);
}

uint64_t pawl_central_end_(uint32_t class)
{
    struct central *central = &centrals[class];
    uint64_t used = 0;

    pawl_mutex_lock(&ageing);
    for (uint32_t n = 0; n < NODES; n++)
        age(class, &central->transfer[n], true);
    pawl_mutex_unlock(&ageing);
    pawl_mutex_lock(&central->lock);
    for (uint32_t b = 0; b < BUCKETS; b++)
        while (central->bucket[b] != NULL) {
            struct span *span = central->bucket[b];

            used += (uint64_t)span->objects - span->left;
            end_span(central, span);
        }
    pawl_mutex_unlock(&central->lock);
    return used;
}

struct central_counts pawl_central_count_(uint32_t class)
{
    struct central *central = &centrals[class];
    struct central_counts counts = {0, 0, 0, 0, 0};

    pawl_mutex_lock(&central->lock);
    counts.spans = central->spans;
    counts.pages = central->spans * pawl_malloc_class_[class].pages;
    counts.objects = central->spans * pawl_malloc_class_[class].objects;
    counts.left = central->left;
    pawl_mutex_unlock(&central->lock);
    for (uint32_t n = 0; n < NODES; n++) {
        struct transfer *transfer = &central->transfer[n];

        pawl_mutex_lock(&transfer->lock);
        for (uint32_t i = 0; i < transfer->chains; i++)
            counts.moving += chain_length(transfer->chain[i]);
        pawl_mutex_unlock(&transfer->lock);
    }
    return counts;
}

bool pawl_central_lent_(const void *object)
{
    struct span *span = span_at(object);
    struct central *central;
    bool lent;

    if (span == NULL || span->use != SPAN_OBJECTS)
        return false;
    central = &centrals[span->class];
    pawl_mutex_lock(&central->lock);
    lent = pawl_span_lent_(span, object);
    pawl_mutex_unlock(&central->lock);
    return lent;
}

/* ---- all of them, in the order of their classes ---- */

void pawl_central_lock_(void)
{
    pawl_mutex_lock(&ageing);
    for (uint32_t c = 1; c < CLASSES; c++) {
        pawl_mutex_lock(&centrals[c].lock);
        for (uint32_t n = 0; n < NODES; n++)
            pawl_mutex_lock(&centrals[c].transfer[n].lock);
    }
}

void pawl_central_unlock_(bool child)
{
    for (uint32_t c = CLASSES - 1; c > 0; c--) {
        for (uint32_t n = NODES; n-- > 0;)
            lock_release(&centrals[c].transfer[n].lock, child);
        lock_release(&centrals[c].lock, child);
    }
    lock_release(&ageing, child);
}

void pawl_central_set_fast_(bool on)
{
    size_t end = pawl_load_relaxed(&pawl_map_.bytes) >> PAGE_SHIFT; /* relaxed: no other thread runs yet */

    fast = on;
    for (size_t page = 0; page < end; page++) {
        const struct span *span = pawl_map_.span[page];

        if (span != NULL && span->use == SPAN_OBJECTS)
            pawl_map_.kind[page] = on ? (uint8_t)entry_of(span->class) : 0;
    }
}
