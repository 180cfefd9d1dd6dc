/* SPDX-License-Identifier: MIT */
/* Where the kernel counts what may be written to against a limit: free pages that hold nothing leave the count, and come
 * back when a run takes them. */
#include "page_chunk.h"
#include "system.h"

#define GONE_MIN ((uint32_t)((size_t)64 << 10 >> PAGE_SHIFT))
#define GONE_SHARE 12 /* of the heap's pages, as a shift */

/* In a heap of more than 256 MiB a part in 4096 of it: each such run is a mapping of its own, and a process may have
 * 65,530. */
static uint32_t gone_min(void)
{
    size_t share = pawl_page_heap_.count.mapped >> GONE_SHARE;

    return share < GONE_MIN ? GONE_MIN : share < CHUNK_PAGES ? (uint32_t)share : CHUNK_PAGES;
}

/* The new mapping is not advised as the old one was. */
static bool uncharge(const struct chunk *chunk, uint32_t at, uint32_t n)
{
    char *address = page_address(first_page(chunk) + at);

    if (!pawl_system_uncharge_(address, n * PAGE_BYTES))
        return false;
    if (chunk->huge)
        pawl_system_huge_(address, n * PAGE_BYTES);
    return true;
}

void pawl_pages_go_(struct chunk *chunk, uint32_t at)
{
    uint64_t kept[MAP_WORDS];
    uint32_t from;
    uint32_t n;

    for (uint32_t w = 0; w < MAP_WORDS; w++)
        kept[w] = chunk->used[w] | chunk->touched[w];
    n = bits_around(kept, at, &from);
    if (n < gone_min() || !uncharge(chunk, from, n))
        return;
    pawl_page_heap_.count.gone += n - bits_count(chunk->gone, from, n);
    bits_set(chunk->gone, from, n);
}

size_t pawl_pages_gone_(size_t first, size_t count)
{
    size_t gone = 0;

    while (count > 0) {
        struct part part = next_part(first, count);

        gone += bits_count(part.chunk->gone, part.at, part.count);
        first += part.count;
        count -= part.count;
    }
    return gone;
}

/* After the kernel refused some of them: what it granted is given back. */
static void go_again(size_t first, size_t count)
{
    while (count > 0) {
        struct part part = next_part(first, count);
        uint32_t end = part.at + part.count;

        for (uint32_t at = bits_next(part.chunk->gone, part.at, true); at < end;) {
            uint32_t to = bits_next(part.chunk->gone, at, false);

            to = to < end ? to : end;
            (void)uncharge(part.chunk, at, to - at); /* refused, it is as good as gone */
            at = bits_next(part.chunk->gone, to, true);
        }
        first += part.count;
        count -= part.count;
    }
}

bool pawl_pages_charge_(size_t first, size_t count)
{
    size_t gone = pawl_pages_gone_(first, count);

    if (gone == 0)
        return true;
    if (!pawl_system_guard_(page_address(first), count << PAGE_SHIFT, false)) {
        go_again(first, count);
        return false;
    }
    pawl_page_heap_.count.gone -= gone;
    while (count > 0) {
        struct part part = next_part(first, count);

        bits_clear(part.chunk->gone, part.at, part.count);
        first += part.count;
        count -= part.count;
    }
    return true;
}

struct chunk *pawl_pages_present_(size_t from, uint32_t count, uint32_t alignment, uint32_t *at)
{
    for (size_t c = from; c < pawl_page_heap_.end; c++) {
        struct chunk *chunk = &pawl_map_.chunk[c];
        uint64_t away[MAP_WORDS];

        if (chunk->longest < count)
            continue;
        for (uint32_t w = 0; w < MAP_WORDS; w++)
            away[w] = chunk->used[w] | chunk->gone[w];
        *at = bits_find(away, count, alignment);
        if (*at < CHUNK_PAGES)
            return chunk;
    }
    return NULL;
}
