/* SPDX-License-Identifier: MIT */
/* Size classes: every small request becomes one of 40 sizes.
 *
 *      16 32 48 ... 128                      steps of 16
 *      160 192 224 256 | 320 ... 512 | ...   four a doubling, up to 32 KiB: at most 25 % too large, 10 %
 *      on average
 *
 * Class 0 is no class: its cache is never there, so whoever looks it up takes the slow path.
 * Behind the classes of sizes come those of slabs (slab.c), one each: what is below malloc serves them alike.
 * A span of a class has so many pages that at least 8 objects fit and at most 1/16 is left over. */
#ifndef PAWL_MALLOC_SIZE_CLASS_H
#define PAWL_MALLOC_SIZE_CLASS_H

#include "config.h"

#ifndef SIZE_CLASSES
#define SIZE_CLASSES 41u /* 0 is none */
#define SLAB_CLASSES 23u
#endif
#define CLASSES (SIZE_CLASSES + SLAB_CLASSES)
#define FINE_MAX ((size_t)1024)
#define FINE_SHIFT 4u
#define COARSE_SHIFT 7u
#define ENTRY_WORDS 2u /* in a cache, for a class: see cache.h */
#define SPAN_OBJECTS_MAX 512u
#define CHAIN_MAX 256u /* no cache holds longer chains */

struct size_class {
    uint32_t size;
    uint32_t pages;      /* of a span */
    uint32_t objects;    /* in a span */
    uint32_t chain;      /* the longest chain that a cache keeps */
    uint64_t reciprocal; /* offset * reciprocal >> 40 is the object's number */
    uint32_t bound;      /* its spans are on this NUMA node, counted from 1; 0: where they come from */
};

extern struct size_class pawl_malloc_class_[CLASSES] HIDDEN;
/* The class of a request: by 16 bytes up to 1 KiB, there as the place of its entry in a cache; by 128 bytes above. */
extern uint8_t pawl_malloc_fine_[FINE_MAX / 16 + 1] HIDDEN;
extern uint8_t pawl_malloc_coarse_[SMALL_MAX / 128 + 1] HIDDEN;

void pawl_malloc_fill_classes_(void);

/* Makes a class one of objects of this size, a multiple of 16 up to SMALL_MAX. */
void pawl_malloc_set_class_(uint32_t class, uint32_t size, uint32_t bound);

PAWL_STATIC_ASSERT(CLASSES *ENTRY_WORDS <= UINT8_MAX, "an entry's place is a byte, in tables and of a page");

/* Where the entry of a class is in a cache, in words: an address that the fast paths find without a shift. */
static inline uint32_t entry_of(uint32_t class)
{
    return class * ENTRY_WORDS;
}

/* Of a request's class, up to FINE_MAX. */
static inline uint32_t entry_of_size(size_t size)
{
    return pawl_malloc_fine_[(size + 15) >> FINE_SHIFT];
}

static inline uint32_t class_of_size(size_t size)
{
    if (size <= FINE_MAX)
        return entry_of_size(size) / ENTRY_WORDS;
    return pawl_malloc_coarse_[(size + 127) >> COARSE_SHIFT];
}

/* The smallest class whose objects are all aligned so, or 0: `size` <= SMALL_MAX, alignment a power of
 * two. */
uint32_t pawl_malloc_class_aligned_(size_t size, size_t alignment);

#endif
