/* SPDX-License-Identifier: MIT */
#include "page_heap.h"

#include "lock.h"
#include "map.h"
#include "page_bits.h"
#include "settings.h"
#include "system.h"

#include <string.h>

#define GROW_MAX ((size_t)32) /* chunks at a time: 64 MiB */
#define IDLE_SHARE 8          /* of the used pages, one part in so many more */
#define ONE_BLOCK_SHARE 4 /* of the size from which on there are huge pages, for a block of several chunks */
#define GONE_MIN ((uint32_t)((size_t)64 << 10 >> PAGE_SHIFT))
#define GONE_SHARE 12 /* of the heap's pages, as a shift */
#define AGAIN_MIN ((size_t)24 << 20 >> PAGE_SHIFT)
#define ACROSS_MIN (CHUNK_PAGES / 8) /* pages: a run as long may lie across the border of chunks */
#define ACROSS_WASTE 8  /* ... and a longer one where this part of it would be left over otherwise */
#define ACROSS_LOOKS 32 /* places that are looked at for one */

/* Of chunks: without idle pages, and with. */
enum { DRY, HOLDING };

static struct {
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
} heap;

static size_t number_of(const struct chunk *chunk)
{
    return (size_t)(chunk - pawl_map_.chunk);
}

static size_t first_page(const struct chunk *chunk)
{
    return number_of(chunk) * CHUNK_PAGES;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- the lists ---- */

static uint32_t kind_of(const struct chunk *chunk)
{
    return chunk->idle > 0 ? HOLDING : DRY;
}

static void unlist(struct chunk *chunk)
{
    uint32_t kind = kind_of(chunk);
    uint32_t n = chunk->longest;

    if (n == 0)
        return;
    if (chunk->previous != NULL)
        chunk->previous->next = chunk->next;
    else
        heap.kind[kind].of_longest[n] = chunk->next;
    if (chunk->next != NULL)
        chunk->next->previous = chunk->previous;
    if (heap.kind[kind].of_longest[n] == NULL)
        heap.kind[kind].lists[n / 64] &= ~(UINT64_C(1) << n % 64);
    if (n == CHUNK_PAGES) {
        heap.kind[kind].whole[number_of(chunk) / 64] &= ~(UINT64_C(1) << number_of(chunk) % 64);
        heap.whole_idle -= chunk->idle;
    }
}

static void list(struct chunk *chunk)
{
    uint32_t kind = kind_of(chunk);
    uint32_t n = bits_longest(chunk->used);

    chunk->longest = (uint16_t)n;
    if (n == 0)
        return;
    chunk->previous = NULL;
    chunk->next = heap.kind[kind].of_longest[n];
    if (chunk->next != NULL)
        chunk->next->previous = chunk;
    heap.kind[kind].of_longest[n] = chunk;
    heap.kind[kind].lists[n / 64] |= UINT64_C(1) << n % 64;
    if (n == CHUNK_PAGES) {
        size_t word = number_of(chunk) / 64;

        heap.kind[kind].whole[word] |= UINT64_C(1) << number_of(chunk) % 64;
        heap.whole_idle += chunk->idle;
        if (heap.whole_end <= word)
            heap.whole_end = word + 1;
    }
}

/* A chunk with the shortest runs of at least n pages; NULL: none. */
static struct chunk *tightest(uint32_t n)
{
    for (uint32_t word = n / 64; word <= MAP_WORDS; word++) {
        uint64_t holding = heap.kind[HOLDING].lists[word];
        uint64_t bits = holding | heap.kind[DRY].lists[word];

        if (word == n / 64)
            bits &= ~UINT64_C(0) << n % 64;
        if (bits != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(bits);

            return heap.kind[holding >> bit & 1].of_longest[word * 64 + bit];
        }
    }
    return NULL;
}

/* ---- taking and giving within a chunk ---- */

static void note_idle(void)
{
    if (heap.count.idle < heap.lowest_idle)
        heap.lowest_idle = heap.count.idle;
}

static void take(struct chunk *chunk, uint32_t at, uint32_t n)
{
    uint32_t idle = bits_count(chunk->touched, at, n);

    unlist(chunk);
    bits_set(chunk->used, at, n);
    chunk->free = (uint16_t)(chunk->free - n);
    chunk->idle = (uint16_t)(chunk->idle - idle);
    heap.count.idle -= idle;
    heap.count.used += n;
    if (heap.count.used > heap.count.peak)
        heap.count.peak = heap.count.used;
    if (heap.count.used > heap.peak_since) {
        heap.peak_since = heap.count.used;
        if (heap.peak_since > heap.recent_peak)
            heap.recent_peak = heap.peak_since;
    }
    note_idle();
    list(chunk);
}

static void give(struct chunk *chunk, uint32_t at, uint32_t n, bool touched)
{
    unlist(chunk);
    bits_clear(chunk->used, at, n);
    chunk->free = (uint16_t)(chunk->free + n);
    if (touched) {
        bits_set(chunk->touched, at, n);
        chunk->idle = (uint16_t)(chunk->idle + n);
        heap.count.idle += n;
    } else {
        bits_clear(chunk->touched, at, n);
    }
    heap.count.used -= n;
    list(chunk);
}

/* ---- growing ---- */

static void add_chunks(size_t first, size_t count)
{
    for (size_t c = first; c < first + count; c++) {
        struct chunk *chunk = &pawl_map_.chunk[c];

        chunk->free = CHUNK_PAGES;
        list(chunk);
    }
    heap.count.mapped += count * CHUNK_PAGES;
    heap.end = first + count;
}

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

    for (size_t c = 0; c < heap.end; c++) {
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
    size_t pages = heap.count.used + run * CHUNK_PAGES;

    if (!are_many(pages, 1) &&
        !(run > 1 && are_many(pages, ONE_BLOCK_SHARE) && (heap.unadvised > 0 || is_dense(run * CHUNK_PAGES))))
        return;
    while (heap.unadvised < heap.end) {
        size_t first = heap.unadvised;

        while (heap.unadvised < heap.end && is_ours(&pawl_map_.chunk[heap.unadvised]))
            heap.unadvised++;
        if (heap.unadvised > first)
            ask_for_huge(first, heap.unadvised);
        else
            heap.unadvised++;
    }
}

/* Else: huge pages for a large block that the heap grew for, without what it begins and ends in. Of one that is touched a
 * little, that is the beginning; and one that is filled loses the least. */
static void advise_block(size_t page, size_t count)
{
    size_t second = DIV_UP(page, CHUNK_PAGES) + 1;
    size_t end = (page + count) / CHUNK_PAGES;

    if (heap.unadvised < end && second < end && are_many(heap.count.used, ONE_BLOCK_SHARE))
        ask_for_huge(second, end);
}

/* At least `count` chunks more, for a run of `run` of them; with some in reserve when the heap is large already. */
static bool grow(size_t count, size_t run)
{
    size_t ahead = heap.count.used / CHUNK_PAGES / 8;
    size_t wish = count + (ahead < GROW_MAX ? ahead : GROW_MAX);
    size_t first = pawl_map_grow_(wish);

    if (first == SIZE_MAX && wish > count) {
        wish = count;
        first = pawl_map_grow_(wish);
    }
    if (first == SIZE_MAX)
        return false;
    add_chunks(first, wish);
    advise(run);
    return true;
}

/* ---- parts of runs: each chunk that a run lies in, and the pages there ---- */

struct part {
    struct chunk *chunk;
    uint32_t at;
    uint32_t count;
};

static struct part next_part(size_t first, size_t count)
{
    uint32_t at = (uint32_t)(first % CHUNK_PAGES);
    uint32_t room = CHUNK_PAGES - at;

    return (struct part){&pawl_map_.chunk[first / CHUNK_PAGES], at, count < room ? (uint32_t)count : room};
}

/* ---- pages that the kernel does not count ---- */

/* In a heap of more than 256 MiB a part in 4096 of it: each such run is a mapping of its own, and a process may have
 * 65,530. */
static uint32_t gone_min(void)
{
    size_t share = heap.count.mapped >> GONE_SHARE;

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

/* Free pages around this one that hold nothing leave the count, with those that did before. Refused, they stay in it. */
static void go(struct chunk *chunk, uint32_t at)
{
    uint64_t kept[MAP_WORDS];
    uint32_t from;
    uint32_t n;

    for (uint32_t w = 0; w < MAP_WORDS; w++)
        kept[w] = chunk->used[w] | chunk->touched[w];
    n = bits_around(kept, at, &from);
    if (n < gone_min() || !uncharge(chunk, from, n))
        return;
    heap.count.gone += n - bits_count(chunk->gone, from, n);
    bits_set(chunk->gone, from, n);
}

static size_t gone_among(size_t first, size_t count)
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

static PAWL_COLD bool charge(size_t first, size_t count)
{
    size_t gone = gone_among(first, count);

    if (gone == 0)
        return true;
    if (!pawl_system_guard_(page_address(first), count << PAGE_SHIFT, false)) {
        go_again(first, count);
        return false;
    }
    heap.count.gone -= gone;
    while (count > 0) {
        struct part part = next_part(first, count);

        bits_clear(part.chunk->gone, part.at, part.count);
        first += part.count;
        count -= part.count;
    }
    return true;
}

/* Free pages can be written to, and are about to be taken. False: refused; those that were gone still are. */
static bool come_back(size_t first, size_t count)
{
    return PAWL_LIKELY(heap.count.gone == 0) || charge(first, count);
}

/* A chunk from number `from` on with a run of which no page is gone, wherever: the kernel has refused the best one. */
static struct chunk *find_present(size_t from, uint32_t count, uint32_t alignment, uint32_t *at)
{
    for (size_t c = from; c < heap.end; c++) {
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

/* ---- whole chunks ---- */

/* The first of `count` whole chunks in a row, at a multiple of `alignment` chunks; SIZE_MAX: none. Of several
 * such rows the one that holds most memory already: what the kernel has to clear costs more than the search.
 * (Where more than a chunk's alignment is wanted, which is rare, the first one.) `present`: without gone pages. */
static size_t find_whole(size_t count, size_t alignment, bool present)
{
    size_t end = heap.whole_end * 64;
    size_t enough = least(heap.whole_idle, count * CHUNK_PAGES);
    size_t best = SIZE_MAX;
    size_t best_idle = 0;
    size_t idle = 0; /* pages in the row */
    size_t run = 0;

    for (size_t c = 0; c < end; c++) {
        uint64_t holding = heap.kind[HOLDING].whole[c / 64];
        uint64_t word = holding | heap.kind[DRY].whole[c / 64];

        if (c % 64 == 0 && word == 0) {
            run = 0;
            c += 63;
            continue;
        }
        if ((word >> c % 64 & 1) == 0 || (present && gone_among(c * CHUNK_PAGES, CHUNK_PAGES) > 0)) {
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
    if (end > heap.end)
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
static size_t find_across(size_t count)
{
    size_t enough = least(heap.count.idle, count);
    size_t best = NO_PAGE;
    size_t best_idle = 0;
    uint64_t before = 1; /* the chunk before the word is whole; before the first one there is none */
    uint32_t looks = 0;

    for (size_t w = 0; w < heap.whole_end && looks < ACROSS_LOOKS; w++) {
        uint64_t whole = heap.kind[HOLDING].whole[w] | heap.kind[DRY].whole[w];
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

static size_t take_run(size_t first, size_t count)
{
    for (size_t p = first; count > 0;) {
        struct part part = next_part(p, count);

        take(part.chunk, part.at, part.count);
        p += part.count;
        count -= part.count;
    }
    return first;
}

/* Whether a run that begins at a chunk's start leaves much of its last chunk to those that find nothing there, when all are
 * of its size. */
static bool leaves_much(size_t count)
{
    size_t left = count <= CHUNK_PAGES ? CHUNK_PAGES % count
                                       : DIV_UP(count, CHUNK_PAGES) * CHUNK_PAGES - count;

    return count > ACROSS_MIN && left * ACROSS_WASTE > count;
}

/* A place for a run of more than a chunk, or one that is aligned to more; NO_PAGE: none. `present`: as in find_whole(). */
static size_t find_large(size_t count, size_t alignment, bool present)
{
    size_t first = alignment == 1 && !present && leaves_much(count) ? find_across(count) : NO_PAGE;

    if (first != NO_PAGE)
        return first;
    first = find_whole(DIV_UP(count, CHUNK_PAGES), DIV_UP(alignment, CHUNK_PAGES), present);
    return first != SIZE_MAX ? first * CHUNK_PAGES : NO_PAGE;
}

/* Such a place that can be written to: where the kernel refuses the best one, another that it counts already. */
static size_t find_large_writable(size_t count, size_t alignment)
{
    size_t page = find_large(count, alignment, false);

    return page == NO_PAGE || come_back(page, count) ? page : find_large(count, alignment, true);
}

static size_t alloc_large(size_t count, size_t alignment)
{
    size_t chunks = DIV_UP(count, CHUNK_PAGES);
    size_t page = find_large_writable(count, alignment);

    if (page == NO_PAGE) {
        /* Growth continues where the window ends, so whole chunks there count. */
        if (!grow(chunks + DIV_UP(alignment, CHUNK_PAGES) - 1, chunks))
            return NO_PAGE;
        page = find_large_writable(count, alignment);
        if (page == NO_PAGE)
            return NO_PAGE;
        take_run(page, count);
        advise_block(page, count);
        return page;
    }
    return take_run(page, count);
}

/* For a run that the kernel refused the best place of. NULL: no memory. */
static PAWL_COLD struct chunk *present_chunk(uint32_t count, uint32_t alignment, uint32_t *at)
{
    struct chunk *chunk = find_present(0, count, alignment, at);
    size_t end = heap.end;

    if (chunk == NULL && grow(1, 1))
        chunk = find_present(end, count, alignment, at);
    return chunk;
}

static size_t alloc_within(uint32_t count, uint32_t alignment)
{
    /* A run this long holds an aligned one, wherever it lies. */
    uint32_t sure = count + alignment - 1 < CHUNK_PAGES ? count + alignment - 1 : CHUNK_PAGES;
    struct chunk *chunk = tightest(sure);
    uint32_t at;

    if (chunk == NULL) {
        if (!grow(1, 1))
            return NO_PAGE;
        chunk = tightest(sure);
    }
    if (chunk->longest == CHUNK_PAGES && alignment == 1 && leaves_much(count)) {
        size_t across = find_across(count);

        if (across != NO_PAGE && come_back(across, count))
            return take_run(across, count);
    }
    at = bits_find(chunk->used, count, alignment);
    if (!come_back(first_page(chunk) + at, count)) {
        chunk = present_chunk(count, alignment, &at);
        if (chunk == NULL)
            return NO_PAGE;
    }
    take(chunk, at, count);
    return first_page(chunk) + at;
}

size_t pawl_pages_alloc_(size_t count, size_t alignment)
{
    size_t page;

    if (count > WINDOW_MAX >> PAGE_SHIFT || alignment > WINDOW_MAX >> PAGE_SHIFT)
        return NO_PAGE;
    pawl_mutex_lock(&heap.lock);
    if (count <= CHUNK_PAGES && alignment <= CHUNK_PAGES)
        page = alloc_within((uint32_t)count, (uint32_t)alignment);
    else
        page = alloc_large(count, alignment);
    pawl_mutex_unlock(&heap.lock);
    return page;
}

/* ---- freeing and extending ---- */

/* A share of what is used, in any case. More while it does not make the process larger than it was a
 * moment ago, and is not most of it: what comes and goes by the second is kept. */
static size_t idle_allowed(void)
{
    size_t used = heap.count.used;
    size_t share = used / IDLE_SHARE + pawl_settings_.keep_pages;
    size_t again = least(heap.recent_peak > used ? heap.recent_peak - used : 0, used / 2 + AGAIN_MIN);

    return share > again ? share : again;
}

void pawl_pages_free_(size_t first, size_t count)
{
    size_t keep;
    bool too_many;

    pawl_mutex_lock(&heap.lock);
    while (count > 0) {
        struct part part = next_part(first, count);

        give(part.chunk, part.at, part.count, true);
        first += part.count;
        count -= part.count;
    }
    keep = idle_allowed();
    too_many = heap.count.idle > keep;
    pawl_mutex_unlock(&heap.lock);
    if (too_many)
        pawl_pages_release_(keep - keep / 8);
}

bool pawl_pages_extend_(size_t first, size_t count, size_t more)
{
    size_t at = first + count;
    size_t left = more - count;
    bool free = true;

    pawl_mutex_lock(&heap.lock);
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

        take(part.chunk, part.at, part.count);
        at += part.count;
        left -= part.count;
    }
    pawl_mutex_unlock(&heap.lock);
    return free;
}

void pawl_pages_zero_(size_t first, size_t count)
{
    while (count > 0) {
        struct part part = next_part(first, count);
        uint64_t touched[MAP_WORDS];

        /* The bits of these pages do not change now, but they share words with others. */
        pawl_mutex_lock(&heap.lock);
        memcpy(touched, part.chunk->touched, sizeof touched);
        pawl_mutex_unlock(&heap.lock);
        for (uint32_t p = part.at; p < part.at + part.count; p++)
            if ((touched[p / 64] >> p % 64 & 1) != 0)
                memset(page_address(first_page(part.chunk) + p), 0, PAGE_BYTES);
        first += part.count;
        count -= part.count;
    }
}

/* ---- giving back ---- */

/* Of the chunks that are free from end to end, the highest one that holds memory: rows of low ones stay. */
static struct chunk *highest_whole(void)
{
    if (heap.whole_idle == 0)
        return NULL;
    for (size_t word = heap.whole_end; word-- > 0;) {
        uint64_t bits = heap.kind[HOLDING].whole[word];

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
        uint64_t bits = heap.kind[HOLDING].lists[word];

        if (bits != 0)
            return heap.kind[HOLDING].of_longest[word * 64 + 63 - (uint32_t)__builtin_clzll(bits)];
    }
    return NULL;
}

/* The system call is made without the lock: the pages count as used meanwhile. */
static uint32_t release_run(struct chunk *chunk)
{
    uint32_t at;
    uint32_t n = bits_first_idle(chunk->used, chunk->touched, &at);
    bool discarded;
    bool strict;

    take(chunk, at, n);
    pawl_mutex_unlock(&heap.lock);
    discarded = pawl_system_discard_(page_address(first_page(chunk) + at), n * PAGE_BYTES);
    strict = discarded && pawl_system_is_strict_();
    pawl_mutex_lock(&heap.lock);
    give(chunk, at, n, !discarded);
    if (!discarded)
        return 0;
    heap.count.returned += n;
    if (PAWL_UNLIKELY(strict))
        go(chunk, at);
    return n;
}

size_t pawl_pages_release_(size_t keep)
{
    size_t released = 0;

    pawl_mutex_lock(&heap.lock);
    while (heap.count.idle > keep) {
        struct chunk *chunk = emptiest();
        uint32_t n = chunk != NULL ? release_run(chunk) : 0;

        if (n == 0)
            break; /* refused by the kernel (locked memory): it stays ours */
        released += n;
    }
    pawl_mutex_unlock(&heap.lock);
    return released;
}

struct page_counts pawl_pages_count_(void)
{
    struct page_counts counts;

    pawl_mutex_lock(&heap.lock);
    counts = heap.count;
    pawl_mutex_unlock(&heap.lock);
    return counts;
}

size_t pawl_pages_unwanted_(void)
{
    size_t unwanted;

    pawl_mutex_lock(&heap.lock);
    unwanted = heap.lowest_idle;
    heap.lowest_idle = heap.count.idle;
    heap.recent_peak = heap.peak_since;
    heap.peak_since = heap.count.used;
    pawl_mutex_unlock(&heap.lock);
    return unwanted;
}

void pawl_pages_lock_(void)
{
    pawl_mutex_lock(&heap.lock);
}

void pawl_pages_unlock_(bool child)
{
    lock_release(&heap.lock, child);
}
