/* SPDX-License-Identifier: MIT */
/* Blocks of whole pages: what no class is for. */
#ifndef PAWL_MALLOC_LARGE_H
#define PAWL_MALLOC_LARGE_H

#include "config.h"
#include "span.h"

/* At least `bytes`, at a multiple of `alignment` (a power of two), filled with zeros if so wished. NULL:
 * no memory. */
void *pawl_large_alloc_(size_t bytes, size_t alignment, bool zero);

void pawl_large_free_(struct span *span);

static inline size_t large_usable(const struct span *span)
{
    return span->pages << PAGE_SHIFT;
}

/* Changes the size, perhaps the place. NULL: no memory, and nothing happened. */
void *pawl_large_resize_(struct span *span, size_t bytes);

/* So many more live large blocks and pages; what is less, as unsigned numbers wrap. For those that are not from
 * here: hardened.c. */
void pawl_large_note_(uint64_t blocks, uint64_t pages);

/* Live large blocks and their pages. */
void pawl_large_count_(uint64_t *blocks, uint64_t *pages);

#endif
