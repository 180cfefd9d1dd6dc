/* SPDX-License-Identifier: MIT */
/* malloc and its family, as glibc defines them, with C23's additions. */
#include "api.h"

#include "block.h"
#include "cache.h"
#include "decay.h"
#include "large.h"
#include "map.h"
#include "page_heap.h"
#include "size_class.h"
#include "start.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static inline __attribute__((always_inline)) void *fast_alloc(size_t size)
{
#if PAWL_PERCPU_SEQUENCES
    if (PAWL_LIKELY(size < fast_max())) {
        size_t at = (size_t)pawl_malloc_fine_[(size + 15) >> FINE_SHIFT] * sizeof(struct cache_entry);
        struct node *node = cache_seq_take(&pawl_cache_table_.pc, at);

        if (PAWL_LIKELY(node != NULL)) {
            node_unmark(node, pawl_map_.mark);
            return node;
        }
    }
#else
    (void)size;
#endif
    return NULL;
}

void *PUBLIC(malloc)(size_t size)
{
    void *block = fast_alloc(size);

    return PAWL_LIKELY(block != NULL) ? block : pawl_block_malloc_(size);
}

void PUBLIC(free)(void *block)
{
#if PAWL_PERCPU_SEQUENCES
    if (PAWL_LIKELY(in_window(block))) {
        uint32_t class = pawl_map_.kind_biased[(uintptr_t)block >> PAGE_SHIFT];
        struct node *node = block;

        if (PAWL_LIKELY(class != 0)) {
            node->mark = pawl_map_
                             .mark; /* only stores: the block's line may be far, and nobody waits for it */
            if (PAWL_UNLIKELY(!cache_seq_give(&pawl_cache_table_.pc, cache_at(class), node)))
                pawl_block_overflow_(class, block);
            return;
        }
    }
#endif
    pawl_block_free_(block);
}

/* The map knows the class without being told, and is right where the caller is not. */
void PUBLIC(free_sized)(void *block, size_t size)
{
    (void)size;
    PUBLIC(free)(block);
}

void PUBLIC(free_aligned_sized)(void *block, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    PUBLIC(free)(block);
}

void *PUBLIC(calloc)(size_t count, size_t size)
{
    size_t bytes;
    void *block;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    block = fast_alloc(bytes);
    if (PAWL_LIKELY(block != NULL))
        return memset(block, 0, bytes);
    return pawl_block_alloc_(bytes, ALIGNMENT, true);
}

void *PUBLIC(realloc)(void *block, size_t size)
{
    if (block == NULL)
        return PUBLIC(malloc)(size);
    if (size == 0) { /* as glibc: the block is gone */
        PUBLIC(free)(block);
        return NULL;
    }
    return pawl_block_realloc_(block, size);
}

void *PUBLIC(reallocarray)(void *block, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return PUBLIC(realloc)(block, bytes);
}

static bool is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

void *PUBLIC(aligned_alloc)(size_t alignment, size_t size)
{
    if (!is_power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return pawl_block_alloc_(size, alignment, false);
}

int PUBLIC(posix_memalign)(void **block, size_t alignment, size_t size)
{
    int before = errno;
    void *made;

    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    made = pawl_block_alloc_(size, alignment, false);
    errno = before;
    if (made == NULL)
        return ENOMEM;
    *block = made;
    return 0;
}

/* As glibc: what is no power of two is rounded up to one. */
void *PUBLIC(memalign)(size_t alignment, size_t size)
{
    size_t power = ALIGNMENT;

    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    while (power < alignment)
        power *= 2;
    return pawl_block_alloc_(size, power, false);
}

void *PUBLIC(valloc)(size_t size)
{
    return pawl_block_alloc_(size, (size_t)sysconf(_SC_PAGESIZE), false);
}

void *PUBLIC(pvalloc)(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (size > REQUEST_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    return pawl_block_alloc_(size != 0 ? ROUND_UP(size, page) : page, page, false);
}

size_t PUBLIC(malloc_usable_size)(void *block)
{
    return pawl_block_usable_(block);
}

int PUBLIC(malloc_trim)(size_t pad)
{
    if (!started())
        return 0;
    pawl_decay_gather_();
    return pawl_pages_release_(pad >> PAGE_SHIFT) > 0;
}
