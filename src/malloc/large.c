/* SPDX-License-Identifier: MIT */
#include "large.h"

#include "cache.h"
#include "page_heap.h"
#include "system.h"

#include <errno.h>
#include <string.h>

#define MOVE_MIN ((size_t)256 * 1024) /* below this copying is faster than moving page tables */
#define MOVE_SHARE 12                 /* nor below this part of the window, as a shift */

static PAWL_ATOMIC(uint64_t) live_blocks;
static PAWL_ATOMIC(uint64_t) live_pages;

void pawl_large_note_(uint64_t blocks, uint64_t pages)
{
    /* relaxed: statistics */
    pawl_fetch_add_relaxed(&live_blocks, blocks);
    pawl_fetch_add_relaxed(&live_pages, pages);
}

void *pawl_large_alloc_(size_t bytes, size_t alignment, bool zero)
{
    size_t pages = bytes != 0 ? DIV_UP(bytes, PAGE_BYTES) : 1;
    struct span *span = pawl_span_open_(pages, alignment <= PAGE_BYTES ? 1 : alignment >> PAGE_SHIFT,
                                        SPAN_LARGE, false);

    if (span == NULL)
        return NULL;
    span->bytes = bytes;
    pawl_large_note_(1, pages);
    if (zero)
        pawl_pages_zero_(span->page, pages);
    return span_start(span);
}

static void close_large(struct span *span, bool touched)
{
    pawl_large_note_(-UINT64_C(1), -(uint64_t)span->pages);
    pawl_span_close_(span, false, touched);
}

void pawl_large_free_(struct span *span)
{
    close_large(span, true);
}

static void set_size(struct span *span, size_t bytes, size_t pages)
{
    pawl_large_note_(0, (uint64_t)pages - span->pages);
    span->bytes = bytes;
    span->pages = pages;
}

/* Whether the block's page tables are to be moved, not its bytes. Not to where there is memory already: copying takes less time
 * than the page faults for as much later, and no more memory is there meanwhile. What was moved is a mapping of its own to the
 * kernel from then on, of which a process may have 65,530: so only large parts of the heap are, some thousand at
 * most. And the kernel unlocks the addresses that it moves pages away from: not where mlockall() is in force, which
 * shows in that it refuses to discard what the new block holds. Not where sequences are missing: emulators
 * (qemu-user) take the old range for unmapped afterwards. Nor without overcommit: the kernel has unmapped the new
 * addresses already when it finds no room for the charge of both. */
static bool can_move(void *to, size_t bytes)
{
    size_t pages = bytes >> PAGE_SHIFT;

    /* relaxed: a size */
    return bytes >= MOVE_MIN && bytes >= pawl_load_relaxed(&pawl_map_.bytes) >> MOVE_SHARE &&
           pawl_pages_touched_(span_at(to)->page, pages) <= pages - pages / 8 &&
           pawl_cache_mode_ == CACHE_CPU && !pawl_system_is_strict_() && pawl_system_discard_(to, bytes);
}

static void *move(struct span *span, size_t bytes)
{
    size_t old = span->pages << PAGE_SHIFT;
    char *to = pawl_large_alloc_(bytes, PAGE_BYTES, false);
    int status;

    if (to == NULL)
        return NULL;
    status = can_move(to, old) ? pawl_system_move_(span_start(span), to, old) : -EAGAIN;
    if (status == -ENOMEM) /* then nobody may have these pages again */
        return NULL;
    if (status != 0)
        memcpy(to, span_start(span), old);
    close_large(span, status != 0);
    return to;
}

void *pawl_large_resize_(struct span *span, size_t bytes)
{
    size_t pages = DIV_UP(bytes, PAGE_BYTES);
    size_t old = span->pages;

    if (pages > old && !pawl_pages_extend_(span->page, old, pages))
        return move(span, bytes);
    set_size(span, bytes, pages);
    if (pages < old)
        pawl_pages_free_(span->page + pages, old - pages, true);
    return span_start(span);
}

void pawl_large_count_(uint64_t *blocks, uint64_t *pages)
{
    *blocks = pawl_load_relaxed(&live_blocks); /* relaxed, both: statistics */
    *pages = pawl_load_relaxed(&live_pages);
}
