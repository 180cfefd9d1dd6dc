/* SPDX-License-Identifier: MIT */
/* How the allocator comes to life, in two steps, from whatever call is the first in the process.
 *
 *      1  at the first call of all, perhaps by the dynamic linker: the window of addresses and the size
 *      classes.
 *         Blocks come straight from the spans.
 *      2  when the environment can be read: settings, caches, fast paths. At the latest from a constructor.
 *
 * Both fast paths ask first whether the request is below `fast_max`, and the page below `fast_pages`: before
 * step 2 neither is, so the fast paths need no test of their own for it. */
#ifndef PAWL_MALLOC_START_H
#define PAWL_MALLOC_START_H

#include "config.h"

/* Does what steps are left and possible. False: there is no memory for step 1. */
bool pawl_malloc_start_(void);

/* Whether step 2 is done: a load that is always cached. */
extern PAWL_ATOMIC(uint32_t) pawl_malloc_stage_;

static inline bool started(void)
{
    /* acquire: pairs with the release at the end of step 2, publishes the settings and the tables */
    return PAWL_LIKELY(pawl_load_acquire(&pawl_malloc_stage_) == 2) || pawl_malloc_start_();
}

#endif
