/* SPDX-License-Identifier: MIT */
/* Memory for what the allocator knows: spans, caches, records. It lies apart from all blocks, so that no
 * program that writes past its own block reaches it. */
#ifndef PAWL_MALLOC_META_H
#define PAWL_MALLOC_META_H

#include "config.h"

/* Zeroed, on pairs of lines of its own; NULL: no memory. Never given back. */
void *pawl_meta_alloc_(size_t bytes);

/* Bytes taken from the kernel for it so far. */
size_t pawl_meta_bytes_(void);

/* fork: see fork.c. */
void pawl_meta_lock_(void);
void pawl_meta_unlock_(bool child);

#endif
