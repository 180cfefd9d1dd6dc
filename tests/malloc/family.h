/* SPDX-License-Identifier: MIT */
/* The malloc under test: libc's names of the library that is linked or preloaded, or the prefixed ones of
 * the static library, which sanitizers need (they bring a malloc of their own). */
#ifndef PAWL_TESTS_MALLOC_FAMILY_H
#define PAWL_TESTS_MALLOC_FAMILY_H

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef PAWL_MALLOC_PREFIXED
#include "api.h"
#define m(name) pawl_##name
#ifdef __GLIBC__
struct mallinfo2 pawl_mallinfo2(void);
int pawl_malloc_info(int options, FILE *file);
#endif
#else
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);
#define m(name) name
#endif

/* Through a pointer that the compiler cannot follow: it would leave calls out, or warn of what is tested. */
static inline void *opaque(void *pointer)
{
    __asm__("" : "+r"(pointer));
    return pointer;
}

static inline size_t opaque_size(size_t size)
{
    __asm__("" : "+r"(size));
    return size;
}

#endif
