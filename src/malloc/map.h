/* SPDX-License-Identifier: MIT */
/* The window of addresses that all blocks lie in, and what is known of each page of it.
 *
 *      base                                                   base + bytes
 *      | chunk 0 | chunk 1 | chunk 2 | ...                    |            (grows up)
 *        256 pages
 *
 *      kind[page]   1 byte:  of the class whose objects lie there the entry (entry_of), 0: ask the span
 *      span[page]   8 bytes: whose the page is; NULL: nobody's. Of a large span the first page only.
 *      chunk[n]     what the page heap knows of 2 MiB
 *
 * One window and flat maps make free() a subtraction, a shift and a load of one byte. The window is not
 * reserved: it begins at an address that nothing else is likely to come near, is mapped piece by piece from
 * there, and steps over what it meets. So the process's size is what it uses, RLIMIT_AS counts that, and so
 * does a kernel that does not overcommit. Where no address can be chosen (valgrind, instrumented builds) a
 * reservation is made instead, as large as is granted.
 * Mapped stays mapped: a sequence may read from a block that was freed meanwhile. */
#ifndef PAWL_MALLOC_MAP_H
#define PAWL_MALLOC_MAP_H

#include "config.h"

struct span;
struct chunk;

#ifndef UNIT_SHIFT
#define UNIT_SHIFT 30u               /* the maps grow by what a GiB needs */
#define WINDOW_MAX ((size_t)1 << 44) /* 16 TiB */
#endif
#define UNIT_CHUNKS ((size_t)1 << (UNIT_SHIFT - CHUNK_SHIFT))
#define UNIT_PAGES ((size_t)1 << (UNIT_SHIFT - PAGE_SHIFT))
#define CHUNKS_MAX (WINDOW_MAX >> CHUNK_SHIFT)

struct map {
    /* One line: what both fast paths read. */
    uintptr_t base;
    PAWL_ATOMIC(size_t)
    fast_max; /* malloc takes the fast path for sizes below: 0 or FINE_MAX + 1, see start.h */
    PAWL_ATOMIC(size_t) fast_pages; /* free takes it for pages below: 0, or all of the window */
    uint8_t *kind;
    PAWL_ATOMIC(size_t) bytes; /* of the window that may be in use */

    struct chunk *chunk;
    size_t limit; /* the window cannot grow beyond */
    struct span **span;
    size_t units;  /* the maps are there for so many */
    bool reserved; /* under the window there is a reservation */
    bool fast;
} __attribute__((aligned(PAWL_CACHELINE)));

extern struct map pawl_map_ HIDDEN;

/* Chooses the window. False: no address space at all. */
bool pawl_map_open_(void);

/* From now on free takes the fast path: before there are threads. */
void pawl_map_open_fast_(void);

/* Makes `count` more chunks part of the window, next to each other. Returns the first's number, or
 * SIZE_MAX: no memory. With the page heap's lock. */
size_t pawl_map_grow_(size_t count);

static inline size_t fast_max(void)
{
    /* relaxed: set before there are threads; a thread that sees late that a profile began samples late */
    return pawl_load_relaxed(&pawl_map_.fast_max);
}

static inline size_t fast_pages(void)
{
    /* relaxed: as in in_window() */
    return pawl_load_relaxed(&pawl_map_.fast_pages);
}

static inline size_t page_of(const void *address)
{
    return ((uintptr_t)address - pawl_map_.base) >> PAGE_SHIFT;
}

static inline char *page_address(size_t page)
{
    return (char *)(pawl_map_.base + (page << PAGE_SHIFT));
}

static inline bool in_window(const void *address)
{
    /* relaxed: whoever has a block got it after the window had grown around it */
    return (uintptr_t)address - pawl_map_.base < pawl_load_relaxed(&pawl_map_.bytes);
}

/* The span of a page in the window, or NULL. */
static inline struct span *span_at(const void *address)
{
    return in_window(address) ? pawl_map_.span[page_of(address)] : NULL;
}

#endif
