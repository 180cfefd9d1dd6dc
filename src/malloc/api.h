/* SPDX-License-Identifier: MIT */
/* Under which names the family is defined: libc's, or with a prefix, for programs that keep their libc's
 * malloc beside it (tests with sanitizers are such). */
#ifndef PAWL_MALLOC_API_H
#define PAWL_MALLOC_API_H

#include "config.h"

#ifdef PAWL_MALLOC_PREFIXED
#define PUBLIC(name) pawl_##name
#else
#define PUBLIC(name) name
#endif

PAWL_API void *PUBLIC(malloc)(size_t size);
PAWL_API void PUBLIC(free)(void *block);
PAWL_API void PUBLIC(free_sized)(void *block, size_t size);
PAWL_API void PUBLIC(free_aligned_sized)(void *block, size_t alignment, size_t size);
PAWL_API void *PUBLIC(calloc)(size_t count, size_t size);
PAWL_API void *PUBLIC(realloc)(void *block, size_t size);
PAWL_API void *PUBLIC(reallocarray)(void *block, size_t count, size_t size);
PAWL_API void *PUBLIC(aligned_alloc)(size_t alignment, size_t size);
PAWL_API int PUBLIC(posix_memalign)(void **block, size_t alignment, size_t size);
PAWL_API void *PUBLIC(memalign)(size_t alignment, size_t size);
PAWL_API void *PUBLIC(valloc)(size_t size);
PAWL_API void *PUBLIC(pvalloc)(size_t size);
PAWL_API size_t PUBLIC(malloc_usable_size)(void *block);
PAWL_API int PUBLIC(malloc_trim)(size_t pad);

#endif
