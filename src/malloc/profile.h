/* SPDX-License-Identifier: MIT */
/* The heap profile: which call stacks hold the memory, by sampling.
 *
 * One allocation in about `sample_bytes` bytes is sampled, at geometrically distributed distances, so that
 * every byte has the same chance. A sampled block gets pages of its own, and its span leads to its record:
 * so free() finds it without asking every other block. Written as text that pprof reads ("heap_v2"). Only
 * with PAWL_MALLOC_PROFILE or pawl_malloc_profile_start; every call takes the slow path then. */
#ifndef PAWL_MALLOC_PROFILE_H
#define PAWL_MALLOC_PROFILE_H

#include "config.h"
#include "span.h"

#define SAMPLE_MAX ((size_t)1 << 40) /* bytes between samples */

extern PAWL_ATOMIC(bool) pawl_profile_on_;

static inline bool pawl_profile_is_on_(void)
{
    /* acquire: pairs with the release in pawl_profile_open_, publishes how far samples are apart */
    return pawl_load_acquire(&pawl_profile_on_);
}

/* Begins, with a sample in so many bytes. False: it has begun already. */
bool pawl_profile_open_(size_t bytes);

bool pawl_profile_count_(size_t size);

/* Is this allocation to be sampled? */
static inline bool pawl_profile_due_(size_t size)
{
    return PAWL_UNLIKELY(pawl_profile_is_on_()) && pawl_profile_count_(size);
}

/* A sampled block, or NULL: no memory for it. */
void *pawl_profile_alloc_(size_t size, size_t alignment);
void pawl_profile_free_(struct span *span);

/* Sampled blocks that are in use, and their bytes. */
void pawl_profile_live_(uint64_t *blocks, uint64_t *bytes);

/* Writes the profile to an open file. Returns 0 or a negative errno. */
int pawl_profile_write_(int fd);

/* The stacks that hold most, one line each, for the report of leaks. */
void pawl_profile_report_(int fd, uint32_t lines);

void pawl_profile_lock_(void);
void pawl_profile_unlock_(bool child);

#endif
