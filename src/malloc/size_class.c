/* SPDX-License-Identifier: MIT */
#include "size_class.h"

#ifndef CHAIN_BYTES
#define CHAIN_BYTES ((size_t)32768) /* a chain's memory, and so half of what a CPU keeps of a class */
#define CHAIN_MIN 4u
#endif

#define BOUND_PAGES 32u

struct size_class pawl_malloc_class_[CLASSES];
uint8_t pawl_malloc_fine_[FINE_MAX / 16 + 1];
uint8_t pawl_malloc_coarse_[SMALL_MAX / 128 + 1];

/* The class after `size`. */
static uint32_t next_size(uint32_t size)
{
    uint32_t step = 16;

    if (size >= 128)
        step = 1u << (31 - __builtin_clz(size) - 2); /* a quarter of the power of two below */
    return size + step;
}

static uint32_t span_pages(uint32_t size)
{
    for (uint32_t pages = 1;; pages++) {
        size_t bytes = pages * PAGE_BYTES;
        size_t objects = bytes / size;

        if (objects >= 8 && (bytes - objects * size) * 16 <= bytes)
            return pages;
    }
}

static uint32_t chain_of(uint32_t size)
{
    size_t chain = CHAIN_BYTES / size;

    if (chain < CHAIN_MIN)
        return CHAIN_MIN;
    return chain < CHAIN_MAX / 2 ? (uint32_t)chain : CHAIN_MAX / 2;
}

void pawl_malloc_set_class_(uint32_t class, uint32_t size, uint32_t bound)
{
    struct size_class *c = &pawl_malloc_class_[class];

    c->size = size;
    c->pages = span_pages(size);
    c->objects = (uint32_t)(c->pages * PAGE_BYTES / size);
    /* Each bound span is a mapping of its own to the kernel: fewer, larger ones. */
    for (; bound != 0 && c->objects * 2 <= SPAN_OBJECTS_MAX && c->pages < BOUND_PAGES; c->pages *= 2)
        c->objects *= 2;
    c->chain = chain_of(size);
    c->reciprocal = ((UINT64_C(1) << 40) + size - 1) / size;
    c->bound = bound;
}

void pawl_malloc_fill_classes_(void)
{
    uint32_t fine = 0;
    uint32_t coarse = 0;

    for (uint32_t c = 1, size = 16; c < SIZE_CLASSES; c++, size = next_size(size)) {
        pawl_malloc_set_class_(c, size, 0);
        for (; fine <= FINE_MAX / 16 && fine * 16 <= size; fine++)
            pawl_malloc_fine_[fine] = (uint8_t)entry_of(c);
        for (; coarse < sizeof pawl_malloc_coarse_ && coarse * 128 <= size; coarse++)
            pawl_malloc_coarse_[coarse] = (uint8_t)c;
    }
}

uint32_t pawl_malloc_class_aligned_(size_t size, size_t alignment)
{
    if (alignment > PAGE_BYTES)
        return 0;
    for (uint32_t c = class_of_size(size != 0 ? size : 1); c < SIZE_CLASSES; c++)
        if (pawl_malloc_class_[c].size % alignment == 0)
            return c;
    return 0;
}
