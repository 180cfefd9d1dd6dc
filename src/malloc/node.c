/* SPDX-License-Identifier: MIT */
/* What chains end with, and what takes the place of a cache. */
#include "node.h"

#include "cache.h"

const struct node pawl_malloc_end_ = {(struct node *)(uintptr_t)&pawl_malloc_end_, 0, MARK_IN_USE};

struct nowhere pawl_cache_nowhere_ = {.entry = {[0 ... CLASSES - 1] = {.chain = &pawl_malloc_end_}}};
