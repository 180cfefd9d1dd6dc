/* SPDX-License-Identifier: MIT */
/* Inside the page heap: its chunks, in lists by the longest free run of each, and the counts of all.
 *
 *     page_heap.c    runs are allocated, freed, extended, and given back to the kernel
 *     page_place.c   where a run of more than a chunk goes, or one that would leave much of a chunk
 *     page_grow.c    more chunks, and which of them are to be huge pages
 *     page_gone.c    free pages that the kernel does not count
 *     page_chunk.c   the lists; pages of a chunk are taken and given
 *
 * All of it with the lock. */
#ifndef PAWL_MALLOC_PAGE_CHUNK_H
#define PAWL_MALLOC_PAGE_CHUNK_H

#include "lock.h"
#include "map.h"
#include "page_bits.h"
#include "page_heap.h"

/* Of chunks: without idle pages, and with. */
enum { DRY, HOLDING };

struct page_heap {
    struct pawl_mutex lock;
    struct {
        struct chunk *of_longest[CHUNK_PAGES + 1];
        uint64_t lists[MAP_WORDS + 1];   /* which of those are not empty */
        uint64_t whole[CHUNKS_MAX / 64]; /* chunks that are free from end to end */
    } kind[2];
    size_t whole_end;  /* no whole chunk from this word on */
    size_t whole_idle; /* idle pages in whole chunks */
    struct page_counts count;
    size_t lowest_idle;
    size_t end;         /* chunks: behind the last one */
    size_t unadvised;   /* ... from this one on, up to the end, the kernel was not asked for huge pages */
    size_t recent_peak; /* of used pages, since the tick before the last */
    size_t peak_since;  /* ... since the last */
};

extern struct page_heap pawl_page_heap_ HIDDEN;

static inline size_t number_of(const struct chunk *chunk)
{
    return (size_t)(chunk - pawl_map_.chunk);
}

static inline size_t first_page(const struct chunk *chunk)
{
    return number_of(chunk) * CHUNK_PAGES;
}

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- a run is parts: each chunk that it lies in, and the pages there ---- */

struct part {
    struct chunk *chunk;
    uint32_t at;
    uint32_t count;
};

static inline struct part next_part(size_t first, size_t count)
{
    uint32_t at = (uint32_t)(first % CHUNK_PAGES);
    uint32_t room = CHUNK_PAGES - at;

    return (struct part){&pawl_map_.chunk[first / CHUNK_PAGES], at, count < room ? (uint32_t)count : room};
}

/* ---- page_chunk.c ---- */

/* `count` chunks of free pages more, from number `first` on, at the end of the window. */
void pawl_pages_add_(size_t first, size_t count);

/* A chunk with the shortest runs of at least n pages; NULL: none. */
struct chunk *pawl_pages_tightest_(uint32_t n);

/* Free pages [at, at + n) of a chunk are used from now on. */
void pawl_pages_take_(struct chunk *chunk, uint32_t at, uint32_t n);

/* Used ones are free. touched: they may hold memory. */
void pawl_pages_give_(struct chunk *chunk, uint32_t at, uint32_t n, bool touched);

/* ---- page_grow.c ---- */

/* At least `count` chunks more, for a run of `run` of them; with some in reserve when the heap is large already. False: no
 * memory. */
bool pawl_pages_grow_(size_t count, size_t run);

/* After that, for the large block that it grew for: huge pages within it, where they are worth it for it alone. */
void pawl_pages_advise_(size_t page, size_t count);

/* ---- page_gone.c ---- */

/* Free pages around this one that hold nothing leave the kernel's count, with those that did before. Refused, they stay
 * in it. */
void pawl_pages_go_(struct chunk *chunk, uint32_t at);

/* How many of the pages are gone. */
size_t pawl_pages_gone_(size_t first, size_t count);

/* Some are, perhaps: makes them writable again. False: the kernel refused; those that were gone still are. */
PAWL_COLD bool pawl_pages_charge_(size_t first, size_t count);

/* A chunk from number `from` on with a run of which no page is gone, wherever: the kernel has refused the best one. NULL:
 * none. */
struct chunk *pawl_pages_present_(size_t from, uint32_t count, uint32_t alignment, uint32_t *at);

/* Free pages can be written to, and are about to be taken. False: as above. */
static inline bool come_back(size_t first, size_t count)
{
    return PAWL_LIKELY(pawl_page_heap_.count.gone == 0) || pawl_pages_charge_(first, count);
}

/* ---- page_place.c ---- */

/* Whether a run that begins at a chunk's start leaves much of its last chunk to those that find nothing there, when all are
 * of its size. */
bool pawl_place_leaves_much_(size_t count);

/* Where a run lies across the border of chunks, beginning in the free end of the one before; NO_PAGE: nowhere. */
size_t pawl_place_across_(size_t count);

/* A place for a run of more than a chunk, or one that is aligned to more, that can be written to: where the kernel refuses
 * the best one, another that it counts already. NO_PAGE: none. */
size_t pawl_place_large_(size_t count, size_t alignment);

#endif
