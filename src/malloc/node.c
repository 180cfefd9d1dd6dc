/* SPDX-License-Identifier: MIT */
#include "node.h"

const struct node pawl_malloc_end_ = {(struct node *)(uintptr_t)&pawl_malloc_end_, 0, MARK_IN_USE};
