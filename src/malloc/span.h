/* SPDX-License-Identifier: MIT */
/* Spans: runs of pages that hold objects of one class, or one large block.
 *
 * A span of objects has a bitmap of those that are free in it, aside, so that nothing in a free object is
 * believed, and giving one back twice, or an address inside one, is noticed. Objects in caches count as in
 * use here: the span has let go of them. */
#ifndef PAWL_MALLOC_SPAN_H
#define PAWL_MALLOC_SPAN_H

#include "config.h"
#include "map.h"
#include "size_class.h"

enum span_use {
    SPAN_NONE,    /* the structure waits for its next use */
    SPAN_OBJECTS, /* of a class */
    SPAN_LARGE,   /* one block, from its first byte */
    SPAN_SAMPLED, /* one block that the heap profile has a record of */
    SPAN_HARD,    /* one block with guards: hardened mode */
};

struct node;
struct sample;

struct span {
    struct span *next;
    struct span *previous;
    size_t page; /* the first */
    size_t pages;
    uint8_t use;
    uint8_t class;
    uint8_t bucket;  /* the central list that it is in */
    uint8_t waiting; /* words of `free` before this one are empty */
    uint16_t objects;
    uint16_t left; /* free in it */
    union {
        uint64_t free[SPAN_OBJECTS_MAX / 64]; /* SPAN_OBJECTS: which are */
        struct {
            size_t bytes;          /* asked for */
            void *block;           /* SPAN_HARD: where it begins; NULL: in quarantine */
            struct sample *sample; /* SPAN_SAMPLED */
        };
    };
};

PAWL_STATIC_ASSERT(sizeof(struct span) <= 128, "a pair of lines");

/* A span of so many pages, or NULL: no memory. Every page of it leads to it if `all`, else the first. */
struct span *pawl_span_open_(size_t pages, size_t alignment, enum span_use use, bool all);

/* Gives its pages back. Nobody may have a pointer into it. */
void pawl_span_close_(struct span *span, bool all, bool touched);

/* free() of a block in these pages takes the fast path of this class from now on; 0: none. */
void pawl_span_set_kind_(const struct span *span, uint32_t class);

/* Makes a new span one of objects, all free. */
void pawl_span_carve_(struct span *span, uint32_t class);

/* Takes up to n free objects, lowest address first. Returns how many. */
uint32_t pawl_span_take_(struct span *span, void **objects, uint32_t n);

/* Gives the first of a chain back, and those behind it that are of this span, too. The chain begins behind them
 * afterwards. Returns NULL, or what is wrong with the address that it begins with then. */
const char *pawl_span_give_(struct span *span, struct node **chain);

/* Whether this is the address of an object; and whether it is not free in its span. */
bool pawl_span_starts_(const struct span *span, const void *address);
bool pawl_span_lent_(const struct span *span, const void *object);

static inline char *span_start(const struct span *span)
{
    return page_address(span->page);
}

/* The number of the object that an address lies in. */
static inline uint32_t span_index(const struct span *span, const void *address)
{
    uint64_t offset = (uint64_t)((const char *)address - span_start(span));

    return (uint32_t)(offset * pawl_malloc_class_[span->class].reciprocal >> 40);
}

/* Every span that is in use, for statistics: with the lock below. */
void pawl_spans_lock_(void);
void pawl_spans_unlock_(bool child);

#endif
