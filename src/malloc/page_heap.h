/* SPDX-License-Identifier: MIT */
/* Runs of pages, from chunks that are huge pages where the kernel likes.
 *
 * Each 2 MiB chunk has two maps of its 256 pages: which are used, and which of them may hold memory (have
 * been used since they were last given back). A run goes where it fits most tightly: into the chunk whose
 * longest free run is the shortest that suffices. So full chunks get fuller and the emptiest ones empty,
 * which is what lets them go back as whole huge pages. A run of more than a chunk begins at a chunk's
 * start, and what is left of its last chunk serves smaller runs; but where that would be much, more than an
 * eighth of a run, it begins in the free end of the chunk before, and so do runs of an eighth of a chunk
 * and more. Else blocks of a little more than a chunk, or half of one, with nothing smaller beside them, would take
 * twice their size: of addresses, and with huge pages of memory.
 * Of several such chunks one that still holds memory in free pages is taken, and found at once, as is one that
 * can give some back: however many chunks there are, nobody goes through those without.
 * Where the kernel counts what may be written to against a limit (no overcommit), free pages that hold nothing are taken
 * out of that count, as `gone`, and are made writable again when a run takes them; refused, it looks elsewhere.
 * Free pages that still hold memory are kept up to a share of what is used; decay.c gives back the rest,
 * emptiest chunks first. */
#ifndef PAWL_MALLOC_PAGE_HEAP_H
#define PAWL_MALLOC_PAGE_HEAP_H

#include "config.h"

#define MAP_WORDS 4u
#define NO_PAGE SIZE_MAX

struct chunk {
    uint64_t used[MAP_WORDS];
    uint64_t touched[MAP_WORDS]; /* may hold memory; of used pages: as it was when they were allocated */
    struct chunk *next; /* of its list: the same longest run, and both with idle pages or both without */
    struct chunk *previous;
    uint16_t longest; /* free run; 0: not in a list */
    uint16_t free;
    uint16_t idle; /* free and touched */
    bool huge;     /* the kernel was asked for a huge page */
    uint8_t pad;
    uint64_t gone[MAP_WORDS]; /* free, not touched, and cannot be written to */
    uint64_t pads[1];
};

PAWL_STATIC_ASSERT(sizeof(struct chunk) == 128, "a pair of lines");

struct page_counts {
    size_t mapped; /* pages in the window, without what it stepped over */
    size_t used;
    size_t idle;       /* free, and hold memory */
    size_t peak;       /* of used */
    size_t gone;       /* free, and the kernel does not count them */
    uint64_t returned; /* pages given back to the kernel, in all */
};

/* `count` pages, the first at a multiple of `alignment` pages (a power of two). Returns its number, or
 * NO_PAGE. */
size_t pawl_pages_alloc_(size_t count, size_t alignment);

/* `touched`: they may hold something; else they read as zero. */
void pawl_pages_free_(size_t first, size_t count, bool touched);

/* Adds pages `first + count` to `first + more - 1` to a run, where they are free. */
bool pawl_pages_extend_(size_t first, size_t count, size_t more);

/* Sets those pages of a run just allocated to zero that may hold something else. */
void pawl_pages_zero_(size_t first, size_t count);

/* How many of them. */
size_t pawl_pages_touched_(size_t first, size_t count);

/* Gives idle memory back until at most `keep` pages of it are left. Returns how many pages went. */
size_t pawl_pages_release_(size_t keep);

struct page_counts pawl_pages_count_(void);

/* A tick is over. Returns the lowest number of idle pages since the last: memory that nobody wanted in
 * between. */
size_t pawl_pages_unwanted_(void);

void pawl_pages_lock_(void);
void pawl_pages_unlock_(bool child);

#endif
