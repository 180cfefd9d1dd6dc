/* SPDX-License-Identifier: MIT */
/* What malloc and free do nearly always: one sequence on this CPU's cache. */
#ifndef PAWL_MALLOC_FAST_H
#define PAWL_MALLOC_FAST_H

#include "block.h"
#include "cache.h"
#include "map.h"
#include "size_class.h"

/* NULL: the slow path knows more. */
static inline __attribute__((always_inline)) void *fast_alloc(size_t size)
{
#if PAWL_PERCPU_SEQUENCES
    if (PAWL_LIKELY(size < fast_max()))
        return node_hand_out(cache_seq_take(&pawl_cache_table_.pc, entry_of_size(size)));
#else
    (void)size;
#endif
    return NULL;
}

static inline __attribute__((always_inline)) void fast_free(void *block)
{
#if PAWL_PERCPU_SEQUENCES
    size_t page = page_of(block);

    if (PAWL_LIKELY(page < fast_pages())) {
        size_t entry = pawl_map_.kind[page];

        /* Into the entry of class 0, which is none, nothing fits, and the block is not touched. For the others it is
         * only written to: its line may be far, and nobody waits for it. */
        if (PAWL_UNLIKELY(!cache_seq_give(&pawl_cache_table_.pc, entry, block)))
            pawl_block_overflow_(block, entry);
        return;
    }
#endif
    pawl_block_free_(block);
}

#endif
