/* SPDX-License-Identifier: MIT */
#include "page_heap.h"

#include "page_chunk.h"
#include "settings.h"
#include "system.h"

#include <string.h>

#define IDLE_SHARE 8 /* of the used pages, one part in so many more */
#define AGAIN_MIN ((size_t)24 << 20 >> PAGE_SHIFT)
#define REFUSED_MAX 8u /* runs that are passed over */

/* ---- allocating ---- */

static size_t take_run(size_t first, size_t count)
{
    for (size_t p = first; count > 0;) {
        struct part part = next_part(p, count);

        pawl_pages_take_(part.chunk, part.at, part.count);
        p += part.count;
        count -= part.count;
    }
    return first;
}

static size_t alloc_large(size_t count, size_t alignment)
{
    size_t chunks = DIV_UP(count, CHUNK_PAGES);
    size_t page = pawl_place_large_(count, alignment);

    if (page == NO_PAGE) {
        /* Growth continues where the window ends, so whole chunks there count. */
        if (!pawl_pages_grow_(chunks + DIV_UP(alignment, CHUNK_PAGES) - 1, chunks))
            return NO_PAGE;
        page = pawl_place_large_(count, alignment);
        if (page == NO_PAGE)
            return NO_PAGE;
        take_run(page, count);
        pawl_pages_advise_(page, count);
        return page;
    }
    return take_run(page, count);
}

/* For a run that the kernel refused the best place of. NULL: no memory. */
static PAWL_COLD struct chunk *present_chunk(uint32_t count, uint32_t alignment, uint32_t *at)
{
    struct chunk *chunk = pawl_pages_present_(0, count, alignment, at);
    size_t end = pawl_page_heap_.end;

    if (chunk == NULL && pawl_pages_grow_(1, 1))
        chunk = pawl_pages_present_(end, count, alignment, at);
    return chunk;
}

static size_t alloc_within(uint32_t count, uint32_t alignment)
{
    /* A run this long holds an aligned one, wherever it lies. */
    uint32_t sure = count + alignment - 1 < CHUNK_PAGES ? count + alignment - 1 : CHUNK_PAGES;
    struct chunk *chunk = pawl_pages_tightest_(sure);
    uint32_t at;

    if (chunk == NULL) {
        if (!pawl_pages_grow_(1, 1))
            return NO_PAGE;
        chunk = pawl_pages_tightest_(sure);
    }
    if (chunk->longest == CHUNK_PAGES && alignment == 1 && pawl_place_leaves_much_(count)) {
        size_t across = pawl_place_across_(count);

        if (across != NO_PAGE && come_back(across, count))
            return take_run(across, count);
    }
    at = bits_find(chunk->used, count, alignment);
    if (!come_back(first_page(chunk) + at, count)) {
        chunk = present_chunk(count, alignment, &at);
        if (chunk == NULL)
            return NO_PAGE;
    }
    pawl_pages_take_(chunk, at, count);
    return first_page(chunk) + at;
}

size_t pawl_pages_alloc_(size_t count, size_t alignment)
{
    size_t page;

    if (count > WINDOW_MAX >> PAGE_SHIFT || alignment > WINDOW_MAX >> PAGE_SHIFT)
        return NO_PAGE;
    pawl_mutex_lock(&pawl_page_heap_.lock);
    if (count <= CHUNK_PAGES && alignment <= CHUNK_PAGES)
        page = alloc_within((uint32_t)count, (uint32_t)alignment);
    else
        page = alloc_large(count, alignment);
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    return page;
}

/* ---- freeing and extending ---- */

/* A share of what is used, in any case. More while it does not make the process larger than it was a
 * moment ago, and is not most of it: what comes and goes by the second is kept. */
static size_t idle_allowed(void)
{
    size_t used = pawl_page_heap_.count.used;
    size_t share = used / IDLE_SHARE + pawl_settings_.keep_pages;
    size_t again = least(pawl_page_heap_.recent_peak > used ? pawl_page_heap_.recent_peak - used : 0,
                         used / 2 + AGAIN_MIN);

    return share > again ? share : again;
}

void pawl_pages_free_(size_t first, size_t count, bool touched)
{
    size_t keep;
    bool too_many;

    pawl_mutex_lock(&pawl_page_heap_.lock);
    while (count > 0) {
        struct part part = next_part(first, count);

        pawl_pages_give_(part.chunk, part.at, part.count, touched);
        first += part.count;
        count -= part.count;
    }
    keep = idle_allowed();
    too_many = pawl_page_heap_.count.idle > keep;
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    if (too_many)
        pawl_pages_release_(keep - keep / 8);
}

bool pawl_pages_extend_(size_t first, size_t count, size_t more)
{
    size_t at = first + count;
    size_t left = more - count;
    bool free = true;

    pawl_mutex_lock(&pawl_page_heap_.lock);
    /* relaxed: under the lock that growth has */
    if (first + more > pawl_load_relaxed(&pawl_map_.bytes) >> PAGE_SHIFT)
        free = false;
    for (size_t p = at, n = left; free && n > 0;) {
        struct part part = next_part(p, n);

        free = part.chunk->longest != 0 && bits_count(part.chunk->used, part.at, part.count) == 0;
        p += part.count;
        n -= part.count;
    }
    free = free && come_back(at, left);
    while (free && left > 0) {
        struct part part = next_part(at, left);

        pawl_pages_take_(part.chunk, part.at, part.count);
        at += part.count;
        left -= part.count;
    }
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    return free;
}

void pawl_pages_zero_(size_t first, size_t count)
{
    while (count > 0) {
        struct part part = next_part(first, count);
        uint64_t touched[MAP_WORDS];

        /* The bits of these pages do not change now, but they share words with others. */
        pawl_mutex_lock(&pawl_page_heap_.lock);
        memcpy(touched, part.chunk->touched, sizeof touched);
        pawl_mutex_unlock(&pawl_page_heap_.lock);
        for (uint32_t p = part.at; p < part.at + part.count; p++)
            if ((touched[p / 64] >> p % 64 & 1) != 0)
                memset(page_address(first_page(part.chunk) + p), 0, PAGE_BYTES);
        first += part.count;
        count -= part.count;
    }
}

size_t pawl_pages_touched_(size_t first, size_t count)
{
    size_t touched = 0;

    pawl_mutex_lock(&pawl_page_heap_.lock);
    while (count > 0) {
        struct part part = next_part(first, count);

        touched += bits_count(part.chunk->touched, part.at, part.count);
        first += part.count;
        count -= part.count;
    }
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    return touched;
}

/* ---- giving back ---- */

/* Of the chunks that are free from end to end, the highest one that holds memory: rows of low ones stay. */
static struct chunk *highest_whole(void)
{
    if (pawl_page_heap_.whole_idle == 0)
        return NULL;
    for (size_t word = pawl_page_heap_.whole_end; word-- > 0;) {
        uint64_t bits = pawl_page_heap_.kind[HOLDING].whole[word];

        if (bits != 0)
            return &pawl_map_.chunk[word * 64 + 63 - (size_t)__builtin_clzll(bits)];
    }
    return NULL;
}

/* The emptiest chunk that has idle pages. */
static struct chunk *emptiest(void)
{
    struct chunk *whole = highest_whole();

    if (whole != NULL)
        return whole;
    for (uint32_t word = MAP_WORDS + 1; word-- > 0;) {
        uint64_t bits = pawl_page_heap_.kind[HOLDING].lists[word];

        if (bits != 0)
            return pawl_page_heap_.kind[HOLDING].of_longest[word * 64 + 63 - (uint32_t)__builtin_clzll(bits)];
    }
    return NULL;
}

/* The system call is made without the lock: the pages count as used meanwhile. False: the kernel refused (locked memory),
 * and they still do. */
static bool release_run(struct part *run)
{
    struct chunk *chunk = run->chunk;
    bool discarded;
    bool strict;

    run->count = bits_first_idle(chunk->used, chunk->touched, &run->at);
    pawl_pages_take_(chunk, run->at, run->count);
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    discarded = pawl_system_discard_(page_address(first_page(chunk) + run->at), run->count * PAGE_BYTES);
    strict = discarded && pawl_system_is_strict_();
    pawl_mutex_lock(&pawl_page_heap_.lock);
    if (!discarded)
        return false;
    pawl_pages_give_(chunk, run->at, run->count, false);
    pawl_page_heap_.count.returned += run->count;
    if (PAWL_UNLIKELY(strict))
        pawl_pages_go_(chunk, run->at);
    return true;
}

/* Some runs that are refused do not stand before the others: they are ours again when those are done. */
size_t pawl_pages_release_(size_t keep)
{
    struct part refused[REFUSED_MAX];
    uint32_t n = 0;
    size_t released = 0;

    pawl_mutex_lock(&pawl_page_heap_.lock);
    while (pawl_page_heap_.count.idle > keep && n < REFUSED_MAX) {
        struct part run = {emptiest(), 0, 0};

        if (run.chunk == NULL)
            break;
        if (release_run(&run))
            released += run.count;
        else
            refused[n++] = run;
    }
    while (n > 0) {
        n--;
        pawl_pages_give_(refused[n].chunk, refused[n].at, refused[n].count, true);
    }
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    return released;
}

struct page_counts pawl_pages_count_(void)
{
    struct page_counts counts;

    pawl_mutex_lock(&pawl_page_heap_.lock);
    counts = pawl_page_heap_.count;
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    return counts;
}

size_t pawl_pages_unwanted_(void)
{
    size_t unwanted;

    pawl_mutex_lock(&pawl_page_heap_.lock);
    unwanted = pawl_page_heap_.lowest_idle;
    pawl_page_heap_.lowest_idle = pawl_page_heap_.count.idle;
    pawl_page_heap_.recent_peak = pawl_page_heap_.peak_since;
    pawl_page_heap_.peak_since = pawl_page_heap_.count.used;
    pawl_mutex_unlock(&pawl_page_heap_.lock);
    return unwanted;
}

void pawl_pages_lock_(void)
{
    pawl_mutex_lock(&pawl_page_heap_.lock);
}

void pawl_pages_unlock_(bool child)
{
    lock_release(&pawl_page_heap_.lock, child);
}
