/* SPDX-License-Identifier: MIT */
/* Maps of 256 bits, one a page of a chunk. */
#ifndef PAWL_MALLOC_PAGE_BITS_H
#define PAWL_MALLOC_PAGE_BITS_H

#include "page_heap.h"

/* The bits of one word among [at, at + n). */
static inline uint64_t bits_mask(uint32_t word, uint32_t at, uint32_t n)
{
    uint32_t low = word * 64;
    uint32_t from = at > low ? at - low : 0;
    uint32_t to = at + n < low + 64 ? at + n - low : 64;

    if (at + n <= low || from >= 64)
        return 0;
    return (~UINT64_C(0) << from) & (~UINT64_C(0) >> (64 - to));
}

static inline void bits_set(uint64_t *map, uint32_t at, uint32_t n)
{
    for (uint32_t w = at / 64; w <= (at + n - 1) / 64; w++)
        map[w] |= bits_mask(w, at, n);
}

static inline void bits_clear(uint64_t *map, uint32_t at, uint32_t n)
{
    for (uint32_t w = at / 64; w <= (at + n - 1) / 64; w++)
        map[w] &= ~bits_mask(w, at, n);
}

static inline uint32_t bits_count(const uint64_t *map, uint32_t at, uint32_t n)
{
    uint32_t count = 0;

    for (uint32_t w = at / 64; w <= (at + n - 1) / 64; w++)
        count += (uint32_t)__builtin_popcountll(map[w] & bits_mask(w, at, n));
    return count;
}

/* The first bit from `at` on that is `value`, or 256. */
static inline uint32_t bits_next(const uint64_t *map, uint32_t at, bool value)
{
    while (at < CHUNK_PAGES) {
        uint64_t word = (value ? map[at / 64] : ~map[at / 64]) >> at % 64;

        if (word != 0)
            return at + (uint32_t)__builtin_ctzll(word);
        at = (at / 64 + 1) * 64;
    }
    return CHUNK_PAGES;
}

/* The length of the longest run of clear bits. */
static inline uint32_t bits_longest(const uint64_t *map)
{
    uint32_t longest = 0;

    for (uint32_t at = bits_next(map, 0, false); at < CHUNK_PAGES;) {
        uint32_t end = bits_next(map, at, true);

        if (end - at > longest)
            longest = end - at;
        at = bits_next(map, end, false);
    }
    return longest;
}

/* The first run of n clear bits at a multiple of `alignment`, or 256. */
static inline uint32_t bits_find(const uint64_t *map, uint32_t n, uint32_t alignment)
{
    for (uint32_t at = bits_next(map, 0, false); at < CHUNK_PAGES;) {
        uint32_t end = bits_next(map, at, true);
        uint32_t aligned = DIV_UP(at, alignment) * alignment;

        if (aligned + n <= end)
            return aligned;
        at = bits_next(map, end, false);
    }
    return CHUNK_PAGES;
}

/* The run of clear bits that `at` is in: *from is where, the result how many. */
static inline uint32_t bits_around(const uint64_t *map, uint32_t at, uint32_t *from)
{
    *from = at;
    while (*from > 0 && (map[(*from - 1) / 64] >> (*from - 1) % 64 & 1) == 0)
        --*from;
    return bits_next(map, at, true) - *from;
}

/* The first run of pages that are free and touched; *at is where, the result how many. */
static inline uint32_t bits_first_idle(const uint64_t *used, const uint64_t *touched, uint32_t *at)
{
    uint64_t idle[MAP_WORDS];

    for (uint32_t w = 0; w < MAP_WORDS; w++)
        idle[w] = touched[w] & ~used[w];
    *at = bits_next(idle, 0, true);
    return bits_next(idle, *at, false) - *at;
}

#endif
