/* SPDX-License-Identifier: MIT */
/* Where runs go that do not fit into one chunk, or would leave much of one. */
#include "page_chunk.h"

#define ACROSS_MIN (CHUNK_PAGES / 8) /* pages: a run as long may lie across the border of chunks */
#define ACROSS_WASTE 8  /* ... and a longer one where this part of it would be left over otherwise */
#define ACROSS_LOOKS 32 /* places that are looked at for one */

/* ---- whole chunks ---- */

/* The first of `count` whole chunks in a row, at a multiple of `alignment` chunks; SIZE_MAX: none. Of several
 * such rows the one that holds most memory already: what the kernel has to clear costs more than the search.
 * (Where more than a chunk's alignment is wanted, which is rare, the first one.) `present`: without gone pages. */
static size_t find_whole(size_t count, size_t alignment, bool present)
{
    size_t end = pawl_page_heap_.whole_end * 64;
    size_t enough = least(pawl_page_heap_.whole_idle, count * CHUNK_PAGES);
    size_t best = SIZE_MAX;
    size_t best_idle = 0;
    size_t idle = 0; /* pages in the row */
    size_t run = 0;

    for (size_t c = 0; c < end; c++) {
        uint64_t holding = pawl_page_heap_.kind[HOLDING].whole[c / 64];
        uint64_t word = holding | pawl_page_heap_.kind[DRY].whole[c / 64];

        if (c % 64 == 0 && word == 0) {
            run = 0;
            c += 63;
            continue;
        }
        if ((word >> c % 64 & 1) == 0 || (present && pawl_pages_gone_(c * CHUNK_PAGES, CHUNK_PAGES) > 0)) {
            run = 0;
            continue;
        }
        if (run == 0) {
            if (((pawl_map_.base >> CHUNK_SHIFT) + c) % alignment != 0)
                continue;
            idle = 0;
        }
        if ((holding >> c % 64 & 1) != 0)
            idle += pawl_map_.chunk[c].idle;
        if (++run < count)
            continue;
        if (best == SIZE_MAX || idle > best_idle) {
            best = c + 1 - count;
            best_idle = idle;
        }
        if (alignment > 1 || idle >= enough)
            break;
        run--; /* the row that begins one chunk later */
        idle -= pawl_map_.chunk[c + 1 - count].idle;
    }
    return best;
}

/* ---- runs across the borders of chunks ---- */

/* Free pages at a chunk's end. */
static uint32_t tail_of(const struct chunk *chunk)
{
    uint32_t tail = 0;

    if (chunk->longest == 0) /* nothing is free, or it is not ours */
        return 0;
    for (uint32_t w = MAP_WORDS; w-- > 0; tail += 64)
        if (chunk->used[w] != 0)
            return tail + (uint32_t)__builtin_clzll(chunk->used[w]);
    return tail;
}

/* The first page of a run that begins in the free end of the chunk before a whole one; NO_PAGE: what is free there does not
 * suffice. And how many pages of it, at most, hold memory. */
static size_t place_across(size_t whole, size_t count, size_t *idle)
{
    const struct chunk *before = &pawl_map_.chunk[whole - 1];
    uint32_t tail = tail_of(before);
    size_t end;

    if (tail == 0 || tail >= count)
        return NO_PAGE;
    end = whole + DIV_UP(count - tail, CHUNK_PAGES);
    if (end > pawl_page_heap_.end)
        return NO_PAGE;
    *idle = bits_count(before->touched, CHUNK_PAGES - tail, tail);
    for (size_t c = whole; c < end; c++) {
        if (pawl_map_.chunk[c].longest != CHUNK_PAGES)
            return NO_PAGE;
        *idle += pawl_map_.chunk[c].idle;
    }
    return whole * CHUNK_PAGES - tail;
}

/* Of some such places the one that holds most memory; NO_PAGE: none. It is not passed over for whole chunks that hold more:
 * a place that is used again and again holds memory itself, and the whole chunks can go back. */
size_t pawl_place_across_(size_t count)
{
    size_t enough = least(pawl_page_heap_.count.idle, count);
    size_t best = NO_PAGE;
    size_t best_idle = 0;
    uint64_t before = 1; /* the chunk before the word is whole; before the first one there is none */
    uint32_t looks = 0;

    for (size_t w = 0; w < pawl_page_heap_.whole_end && looks < ACROSS_LOOKS; w++) {
        uint64_t whole = pawl_page_heap_.kind[HOLDING].whole[w] | pawl_page_heap_.kind[DRY].whole[w];
        uint64_t starts = whole & ~(whole << 1 | before);

        before = whole >> 63;
        for (; starts != 0 && looks < ACROSS_LOOKS; starts &= starts - 1, looks++) {
            size_t idle;
            size_t page = place_across(w * 64 + (size_t)__builtin_ctzll(starts), count, &idle);

            if (page == NO_PAGE || (best != NO_PAGE && idle <= best_idle))
                continue;
            best = page;
            best_idle = idle;
            if (idle >= enough)
                return best;
        }
    }
    return best;
}

bool pawl_place_leaves_much_(size_t count)
{
    size_t left = count <= CHUNK_PAGES ? CHUNK_PAGES % count
                                       : DIV_UP(count, CHUNK_PAGES) * CHUNK_PAGES - count;

    return count > ACROSS_MIN && left * ACROSS_WASTE > count;
}

/* A place for a run of more than a chunk, or one that is aligned to more; NO_PAGE: none. `present`: as in find_whole(). */
static size_t find_large(size_t count, size_t alignment, bool present)
{
    size_t first = alignment == 1 && !present && pawl_place_leaves_much_(count) ? pawl_place_across_(count)
                                                                                : NO_PAGE;

    if (first != NO_PAGE)
        return first;
    first = find_whole(DIV_UP(count, CHUNK_PAGES), DIV_UP(alignment, CHUNK_PAGES), present);
    return first != SIZE_MAX ? first * CHUNK_PAGES : NO_PAGE;
}

size_t pawl_place_large_(size_t count, size_t alignment)
{
    size_t page = find_large(count, alignment, false);

    return page == NO_PAGE || come_back(page, count) ? page : find_large(count, alignment, true);
}
