/* SPDX-License-Identifier: MIT */
#include "block.h"

#include "cache.h"
#include "central.h"
#include "decay.h"
#include "fail.h"
#include "hardened.h"
#include "large.h"
#include "page_heap.h"
#include "profile.h"
#include "settings.h"
#include "size_class.h"
#include "span.h"
#include "start.h"

#include <errno.h>
#include <string.h>

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

static void *small(uint32_t class)
{
    struct node *block = pawl_cache_alloc_(class);

    return block != NULL ? node_hand_out(block) : NULL;
}

static void *once(size_t size, size_t alignment, bool zero)
{
    uint32_t class = 0;
    void *block;

    if (pawl_settings_.hardened)
        return pawl_hardened_alloc_(size, alignment);
    if (pawl_profile_due_(size)) {
        block = pawl_profile_alloc_(size, alignment);
        if (block != NULL)
            return block;
    }
    if (size <= SMALL_MAX)
        class = alignment <= ALIGNMENT ? class_of_size(size != 0 ? size : 1)
                                       : pawl_malloc_class_aligned_(size, alignment);
    if (class == 0)
        return pawl_large_alloc_(size, alignment, zero);
    block = small(class);
    if (block != NULL && zero)
        memset(block, 0, size);
    return block;
}

void *pawl_block_alloc_(size_t size, size_t alignment, bool zero)
{
    void *block;

    if (PAWL_UNLIKELY(size > REQUEST_MAX || alignment > REQUEST_MAX || !started()))
        return no_memory();
    block = once(size, alignment, zero);
    if (PAWL_LIKELY(block != NULL))
        return block;
    /* What lies in caches may be the missing pages. */
    pawl_decay_gather_();
    block = once(size, alignment, zero);
    return block != NULL ? block : no_memory();
}

void *pawl_block_malloc_(size_t size)
{
#if PAWL_PERCPU_SEQUENCES
    if (size <= SMALL_MAX && fast_max() != 0) {
        void *block = node_hand_out(
            cache_seq_take(&pawl_cache_table_.pc, entry_of(class_of_size(size != 0 ? size : 1))));

        if (block != NULL)
            return block;
    }
#endif
    return pawl_block_alloc_(size, ALIGNMENT, false);
}

/* ---- giving back ---- */

void pawl_block_overflow_(void *block, size_t entry)
{
    if (entry != 0)
        pawl_cache_free_((uint32_t)(entry / ENTRY_WORDS), block);
    else
        pawl_block_free_(block);
}

static void free_object(const struct span *span, void *block)
{
    if (!pawl_span_starts_(span, block))
        pawl_malloc_fail_("free() of an address inside a block", block);
    pawl_cache_free_(span->class, block);
}

void pawl_block_free_(void *block)
{
    struct span *span;

    if (block == NULL)
        return;
    span = span_at(block);
    if (span == NULL)
        pawl_malloc_fail_("free() of an address that no block has", block);
    if (pawl_settings_.hardened) {
        pawl_hardened_free_(span, block);
        return;
    }
    switch (span->use) {
    case SPAN_OBJECTS:
        free_object(span, block);
        return;
    case SPAN_LARGE:
    case SPAN_SAMPLED:
        if (block != span_start(span))
            pawl_malloc_fail_("free() of an address inside a block", block);
        if (span->use == SPAN_SAMPLED)
            pawl_profile_free_(span);
        else
            pawl_large_free_(span);
        return;
    default:
        pawl_malloc_fail_("free() of an address that no block has", block);
    }
}

/* ---- sizes ---- */

size_t pawl_block_usable_(const void *block)
{
    const struct span *span;

    if (block == NULL)
        return 0;
    span = span_at(block);
    if (span == NULL)
        pawl_malloc_fail_("the size of an address that no block has", block);
    if (pawl_settings_.hardened)
        return pawl_hardened_usable_(span, block);
    if (span->use == SPAN_OBJECTS ? !pawl_span_starts_(span, block) : block != span_start(span))
        pawl_malloc_fail_("the size of an address inside a block", block);
    return span->use == SPAN_OBJECTS ? pawl_malloc_class_[span->class].size : large_usable(span);
}

/* Is the block as it is good enough for this size? */
static bool fits(size_t usable, size_t size)
{
    return size <= usable && size >= usable / 2;
}

static void *resize_large(struct span *span, size_t size)
{
    void *other = pawl_large_resize_(span, size);

    if (other == NULL) {
        pawl_decay_gather_();
        other = pawl_large_resize_(span, size);
    }
    return other != NULL ? other : no_memory();
}

void *pawl_block_realloc_(void *block, size_t size)
{
    struct span *span = span_at(block);
    void *other = NULL;
    size_t usable;

    if (span == NULL)
        pawl_malloc_fail_("realloc() of an address that no block has", block);
    if (size > REQUEST_MAX)
        return no_memory();
    usable = pawl_block_usable_(block);
    if (!pawl_settings_.hardened) {
        if (span->use == SPAN_OBJECTS && fits(usable, size))
            return block;
        if (span->use == SPAN_LARGE && size > SMALL_MAX) {
            if (pawl_profile_due_(size))
                other = pawl_profile_alloc_(size, ALIGNMENT);
            if (other == NULL)
                return resize_large(span, size);
        }
    }
    if (other == NULL)
        other = pawl_block_malloc_(size);
    if (other == NULL) /* a canary stands where the block ends: hardened, it cannot stay as it is */
        return size <= usable && !pawl_settings_.hardened ? block : NULL;
    memcpy(other, block, usable < size ? usable : size);
    pawl_block_free_(block);
    return other;
}
