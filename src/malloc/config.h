/* SPDX-License-Identifier: MIT */
/* The numbers that everything of the allocator agrees on. */
#ifndef PAWL_MALLOC_CONFIG_H
#define PAWL_MALLOC_CONFIG_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands in an #ifndef, here and in other files, is smaller where the model checker goes through the
 * allocator: tests/malloc/tiny.h. */
#ifndef PAGE_SHIFT
#define PAGE_SHIFT \
    13u /* 8 KiB: the unit of spans, whatever the machine's own page is (above 8 KiB: see system.c) */
#define CHUNK_SHIFT 21u /* 2 MiB: a huge page of x86-64 and of aarch64 with 4 KiB pages */
#endif
#define PAGE_BYTES ((size_t)1 << PAGE_SHIFT)
#define CHUNK_BYTES ((size_t)1 << CHUNK_SHIFT)
#define CHUNK_PAGES ((uint32_t)1 << (CHUNK_SHIFT - PAGE_SHIFT))

#define ALIGNMENT ((size_t)16)            /* of every block: max_align_t */
#define SMALL_MAX ((size_t)32768)         /* larger ones are runs of pages */
#define REQUEST_MAX ((size_t)PTRDIFF_MAX) /* as glibc: a difference of pointers must fit */

PAWL_STATIC_ASSERT(CHUNK_PAGES == 256, "a chunk's maps are four words");

/* Of a variable that fast paths read: found without the table that a visible one would need. */
#define HIDDEN __attribute__((visibility("hidden")))

#define DIV_UP(n, d) (((n) + (d)-1) / (d))
#define ROUND_UP(n, to) (((n) + ((to)-1)) & ~((size_t)(to)-1)) /* to: a power of two */

#endif
