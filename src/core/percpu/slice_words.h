/* SPDX-License-Identifier: MIT */
/* One or two words of each CPU for those who need no more: many owners share the page of a region. */
#ifndef PAWL_CORE_PERCPU_SLICE_WORDS_H
#define PAWL_CORE_PERCPU_SLICE_WORDS_H

#include <pawl/percpu.h>
#include <stddef.h>

/* The same `count` longs (1, or 2 side by side, aligned to both) of every slice of a region, all zero.
 * Returns 0 with the region and the offset, or what pawl_percpu_open's errno says, negative. */
int pawl_slice_words_take(size_t count, struct pawl_percpu **pc, size_t *at);

/* Gives them back. Nobody uses them any more. */
void pawl_slice_words_give(struct pawl_percpu *pc, size_t at, size_t count);

#endif
