/* SPDX-License-Identifier: MIT */
#include "page_chunk.h"

struct page_heap pawl_page_heap_;

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
        pawl_page_heap_.kind[kind].of_longest[n] = chunk->next;
    if (chunk->next != NULL)
        chunk->next->previous = chunk->previous;
    if (pawl_page_heap_.kind[kind].of_longest[n] == NULL)
        pawl_page_heap_.kind[kind].lists[n / 64] &= ~(UINT64_C(1) << n % 64);
    if (n == CHUNK_PAGES) {
        pawl_page_heap_.kind[kind].whole[number_of(chunk) / 64] &= ~(UINT64_C(1) << number_of(chunk) % 64);
        pawl_page_heap_.whole_idle -= chunk->idle;
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
    chunk->next = pawl_page_heap_.kind[kind].of_longest[n];
    if (chunk->next != NULL)
        chunk->next->previous = chunk;
    pawl_page_heap_.kind[kind].of_longest[n] = chunk;
    pawl_page_heap_.kind[kind].lists[n / 64] |= UINT64_C(1) << n % 64;
    if (n == CHUNK_PAGES) {
        size_t word = number_of(chunk) / 64;

        pawl_page_heap_.kind[kind].whole[word] |= UINT64_C(1) << number_of(chunk) % 64;
        pawl_page_heap_.whole_idle += chunk->idle;
        if (pawl_page_heap_.whole_end <= word)
            pawl_page_heap_.whole_end = word + 1;
    }
}

struct chunk *pawl_pages_tightest_(uint32_t n)
{
    for (uint32_t word = n / 64; word <= MAP_WORDS; word++) {
        uint64_t holding = pawl_page_heap_.kind[HOLDING].lists[word];
        uint64_t bits = holding | pawl_page_heap_.kind[DRY].lists[word];

        if (word == n / 64)
            bits &= ~UINT64_C(0) << n % 64;
        if (bits != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(bits);

            return pawl_page_heap_.kind[holding >> bit & 1].of_longest[word * 64 + bit];
        }
    }
    return NULL;
}

/* ---- taking and giving within a chunk ---- */

static void note_idle(void)
{
    if (pawl_page_heap_.count.idle < pawl_page_heap_.lowest_idle)
        pawl_page_heap_.lowest_idle = pawl_page_heap_.count.idle;
}

void pawl_pages_take_(struct chunk *chunk, uint32_t at, uint32_t n)
{
    uint32_t idle = bits_count(chunk->touched, at, n);

    unlist(chunk);
    bits_set(chunk->used, at, n);
    chunk->free = (uint16_t)(chunk->free - n);
    chunk->idle = (uint16_t)(chunk->idle - idle);
    pawl_page_heap_.count.idle -= idle;
    pawl_page_heap_.count.used += n;
    if (pawl_page_heap_.count.used > pawl_page_heap_.count.peak)
        pawl_page_heap_.count.peak = pawl_page_heap_.count.used;
    if (pawl_page_heap_.count.used > pawl_page_heap_.peak_since) {
        pawl_page_heap_.peak_since = pawl_page_heap_.count.used;
        if (pawl_page_heap_.peak_since > pawl_page_heap_.recent_peak)
            pawl_page_heap_.recent_peak = pawl_page_heap_.peak_since;
    }
    note_idle();
    list(chunk);
}

void pawl_pages_give_(struct chunk *chunk, uint32_t at, uint32_t n, bool touched)
{
    unlist(chunk);
    bits_clear(chunk->used, at, n);
    chunk->free = (uint16_t)(chunk->free + n);
    if (touched) {
        bits_set(chunk->touched, at, n);
        chunk->idle = (uint16_t)(chunk->idle + n);
        pawl_page_heap_.count.idle += n;
    } else {
        bits_clear(chunk->touched, at, n);
    }
    pawl_page_heap_.count.used -= n;
    list(chunk);
}

void pawl_pages_add_(size_t first, size_t count)
{
    for (size_t c = first; c < first + count; c++) {
        struct chunk *chunk = &pawl_map_.chunk[c];

        chunk->free = CHUNK_PAGES;
        list(chunk);
    }
    pawl_page_heap_.count.mapped += count * CHUNK_PAGES;
    pawl_page_heap_.end = first + count;
}
