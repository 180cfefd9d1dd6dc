/* SPDX-License-Identifier: MIT */
/* More chunks, and which of them the kernel is asked for huge pages for. */
#include "page_chunk.h"
#include "settings.h"
#include "system.h"

#define GROW_MAX ((size_t)32) /* chunks at a time: 64 MiB */
#define ONE_BLOCK_SHARE 4 /* of the size from which on there are huge pages, for a block of several chunks */

/* Growth may have stepped over what is not ours: there no page is free, and none used. */
static bool is_ours(const struct chunk *chunk)
{
    return chunk->free > 0 || chunk->used[0] != 0;
}

/* Whether so many pages are worth huge ones, or a part of the number is from which on they are. */
static bool are_many(size_t pages, size_t share)
{
    return pawl_settings_.huge == HUGE_ALWAYS ||
           (pawl_settings_.huge == HUGE_AUTO && pages > (pawl_settings_.huge_from >> PAGE_SHIFT) / share);
}

/* Whether what is in use holds so much memory that it would be half full with `more` pages beside it: then these are likely
 * used from end to end, too. */
static bool is_dense(size_t more)
{
    size_t resident = 0;
    size_t used = 0;

    for (size_t c = 0; c < pawl_page_heap_.end; c++) {
        const struct chunk *chunk = &pawl_map_.chunk[c];

        if (!is_ours(chunk) || chunk->free == CHUNK_PAGES)
            continue;
        used += CHUNK_PAGES - chunk->free;
        resident += pawl_system_resident_(page_address(c * CHUNK_PAGES)) >> PAGE_SHIFT;
        resident -= least(resident, chunk->idle);
    }
    return resident * 2 >= used + more;
}

static void ask_for_huge(size_t first, size_t end)
{
    for (size_t c = first; c < end; c++)
        pawl_map_.chunk[c].huge = true;
    pawl_system_huge_(page_address(first * CHUNK_PAGES), (end - first) * CHUNK_BYTES);
}

/* Once the heap is large, or not as large but full, and grows for a block of several chunks: huge pages for all of it that is
 * not touched yet, what it grew by before included. (It was full once: that is not asked again.) */
static void advise(size_t run)
{
    size_t pages = pawl_page_heap_.count.used + run * CHUNK_PAGES;

    if (!are_many(pages, 1) && !(run > 1 && are_many(pages, ONE_BLOCK_SHARE) &&
                                 (pawl_page_heap_.unadvised > 0 || is_dense(run * CHUNK_PAGES))))
        return;
    while (pawl_page_heap_.unadvised < pawl_page_heap_.end) {
        size_t first = pawl_page_heap_.unadvised;

        while (pawl_page_heap_.unadvised < pawl_page_heap_.end &&
               is_ours(&pawl_map_.chunk[pawl_page_heap_.unadvised]))
            pawl_page_heap_.unadvised++;
        if (pawl_page_heap_.unadvised > first)
            ask_for_huge(first, pawl_page_heap_.unadvised);
        else
            pawl_page_heap_.unadvised++;
    }
}

/* Else: huge pages for a large block that the heap grew for, without what it begins and ends in. Of one that is touched a
 * little, that is the beginning; and one that is filled loses the least. */
void pawl_pages_advise_(size_t page, size_t count)
{
    size_t second = DIV_UP(page, CHUNK_PAGES) + 1;
    size_t end = (page + count) / CHUNK_PAGES;

    if (pawl_page_heap_.unadvised < end && second < end &&
        are_many(pawl_page_heap_.count.used, ONE_BLOCK_SHARE))
        ask_for_huge(second, end);
}

bool pawl_pages_grow_(size_t count, size_t run)
{
    size_t ahead = pawl_page_heap_.count.used / CHUNK_PAGES / 8;
    size_t wish = count + (ahead < GROW_MAX ? ahead : GROW_MAX);
    size_t first = pawl_map_grow_(wish);

    if (first == SIZE_MAX && wish > count) {
        wish = count;
        first = pawl_map_grow_(wish);
    }
    if (first == SIZE_MAX)
        return false;
    pawl_pages_add_(first, wish);
    advise(run);
    return true;
}
