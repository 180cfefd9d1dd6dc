/* SPDX-License-Identifier: MIT */
#include "span.h"

#include "lock.h"
#include "meta.h"
#include "node.h"
#include "page_heap.h"

#include <string.h>

#define BATCH 16 /* structures at a time */

static struct {
    struct pawl_mutex lock;
    struct span *spare;
} spans;

static struct span *new_structure(void)
{
    struct span *span;

    pawl_mutex_lock(&spans.lock);
    if (spans.spare == NULL) {
        struct span *more = pawl_meta_alloc_(BATCH * sizeof *more);

        for (uint32_t i = 0; more != NULL && i < BATCH; i++) {
            more[i].next = spans.spare;
            spans.spare = &more[i];
        }
    }
    span = spans.spare;
    if (span != NULL)
        spans.spare = span->next;
    pawl_mutex_unlock(&spans.lock);
    return span;
}

static void old_structure(struct span *span)
{
    pawl_mutex_lock(&spans.lock);
    span->use = SPAN_NONE;
    span->next = spans.spare;
    spans.spare = span;
    pawl_mutex_unlock(&spans.lock);
}

static void set_pages(const struct span *span, struct span *value, bool all)
{
    size_t pages = all ? span->pages : 1;

    for (size_t p = 0; p < pages; p++)
        pawl_map_.span[span->page + p] = value;
}

struct span *pawl_span_open_(size_t pages, size_t alignment, enum span_use use, bool all)
{
    struct span *span = new_structure();
    size_t page;

    if (span == NULL)
        return NULL;
    page = pawl_pages_alloc_(pages, alignment);
    if (page == NO_PAGE) {
        old_structure(span);
        return NULL;
    }
    memset(span, 0, sizeof *span);
    span->page = page;
    span->pages = pages;
    span->use = (uint8_t)use;
    set_pages(span, span, all);
    return span;
}

void pawl_span_close_(struct span *span, bool all, bool touched)
{
    size_t page = span->page;
    size_t pages = span->pages;

    pawl_span_set_kind_(span, 0);
    set_pages(span, NULL, all);
    old_structure(span);
    pawl_pages_free_(page, pages, touched);
}

void pawl_span_set_kind_(const struct span *span, uint32_t class)
{
    if (span->use == SPAN_OBJECTS)
        memset(pawl_map_.kind + span->page, (int)entry_of(class), span->pages);
}

void pawl_span_carve_(struct span *span, uint32_t class)
{
    uint32_t objects = pawl_malloc_class_[class].objects;

    span->class = (uint8_t) class;
    span->objects = (uint16_t)objects;
    span->left = (uint16_t)objects;
    span->waiting = 0;
    for (uint32_t w = 0; w * 64 < objects; w++) {
        uint32_t n = objects - w * 64;

        span->free[w] = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
    }
}

uint32_t pawl_span_take_(struct span *span, void **objects, uint32_t n)
{
    uint32_t size = pawl_malloc_class_[span->class].size;
    uint32_t w = span->waiting;
    char *start = span_start(span);
    uint32_t taken = 0;

    if (n > span->left)
        n = span->left;
    while (taken < n) {
        uint64_t word = span->free[w];

        for (; word != 0 && taken < n; word &= word - 1)
            objects[taken++] = start + (size_t)(w * 64 + (uint32_t)__builtin_ctzll(word)) * size;
        span->free[w] = word;
        if (word == 0)
            w++;
    }
    span->waiting = (uint8_t)w;
    span->left = (uint16_t)(span->left - n);
    return n;
}

bool pawl_span_starts_(const struct span *span, const void *address)
{
    uint32_t index = span_index(span, address);

    return index < span->objects &&
           span_start(span) + (size_t)index * pawl_malloc_class_[span->class].size == address;
}

static bool is_within(const struct span *span, const void *address)
{
    return (uintptr_t)address - (uintptr_t)span_start(span) < span->pages << PAGE_SHIFT;
}

/* The word of the bitmap that these objects are in stays in a register: what goes through memory for each would wait for
 * the one before. */
const char *pawl_span_give_(struct span *span, struct node **chain)
{
    struct node *node = *chain;
    const char *wrong = NULL;
    uint64_t word = span->free[0];
    uint32_t given = 0;
    uint32_t w = 0;

    do {
        uint32_t index = span_index(span, node);
        uint64_t bit = UINT64_C(1) << index % 64;

        if (!pawl_span_starts_(span, node)) {
            wrong = "free() of an address inside a block";
            break;
        }
        if (index / 64 != w) {
            span->free[w] = word;
            w = index / 64;
            word = span->free[w];
        }
        if ((word & bit) != 0) {
            wrong = "free() of a block that is free already";
            break;
        }
        word |= bit;
        if (w < span->waiting)
            span->waiting = (uint8_t)w;
        given++;
        node = node->next;
    } while (is_within(span, node));
    span->free[w] = word;
    span->left = (uint16_t)(span->left + given);
    *chain = node;
    return wrong;
}

bool pawl_span_lent_(const struct span *span, const void *object)
{
    uint32_t index = span_index(span, object);

    return pawl_span_starts_(span, object) && (span->free[index / 64] >> index % 64 & 1) == 0;
}

void pawl_spans_lock_(void)
{
    pawl_mutex_lock(&spans.lock);
}

void pawl_spans_unlock_(bool child)
{
    lock_release(&spans.lock, child);
}
