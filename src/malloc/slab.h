/* SPDX-License-Identifier: MIT */
/* Slabs, seen from the rest of the allocator: <pawl/slab.h>. */
#ifndef PAWL_MALLOC_SLAB_H
#define PAWL_MALLOC_SLAB_H

#include "config.h"
#include "text.h"

struct pawl_malloc_stats;

/* Adds what all slabs have to `used`, `cached` and `fragmented`. */
void pawl_slabs_count_(struct pawl_malloc_stats *stats);

/* A line for each that objects are out of; adds them up. */
void pawl_slabs_leaks_(struct text *text, uint64_t *blocks, uint64_t *bytes);

void pawl_slabs_lock_(void);
void pawl_slabs_unlock_(bool child);

#endif
