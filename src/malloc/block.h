/* SPDX-License-Identifier: MIT */
/* The family behind the names of libc: what malloc and free do when their fast path does not serve. */
#ifndef PAWL_MALLOC_BLOCK_H
#define PAWL_MALLOC_BLOCK_H

#include "config.h"

/* All return NULL with errno ENOMEM where there is no memory; alignment: a power of two, any size is
 * allowed. */
void *pawl_block_malloc_(size_t size);
void *pawl_block_alloc_(size_t size, size_t alignment, bool zero);
void *pawl_block_realloc_(void *block, size_t size);

/* errno is kept. Aborts for an address that is no block's. */
void pawl_block_free_(void *block);

/* free() of a block for which there was no room in its class's entry, or in that of no class. */
void pawl_block_overflow_(void *block, size_t entry);

size_t pawl_block_usable_(const void *block);

#endif
