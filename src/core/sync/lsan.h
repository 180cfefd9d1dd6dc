/* SPDX-License-Identifier: MIT */
/* What LeakSanitizer cannot know. It looks for pointers in globals, stacks and what malloc gave, but in mapped pages only when it is
 * told of them: without that, a user's object that only a mapped table, pool or slot points to is called leaked. */
#ifndef PAWL_CORE_SYNC_LSAN_H
#define PAWL_CORE_SYNC_LSAN_H

#include <stddef.h>

/* Weak: NULL unless the program was linked with a sanitizer that looks for leaks, whatever this library was built with. */
extern void __lsan_register_root_region(const void *begin, size_t bytes) __attribute__((weak));
extern void __lsan_unregister_root_region(const void *begin, size_t bytes) __attribute__((weak));

/* Readable pages that are mapped now. */
static inline void pawl_lsan_look_into_(const void *pages, size_t bytes)
{
    if (__lsan_register_root_region != NULL)
        __lsan_register_root_region(pages, bytes);
}

/* Before they are unmapped; the same two arguments. */
static inline void pawl_lsan_look_away_(const void *pages, size_t bytes)
{
    if (__lsan_unregister_root_region != NULL)
        __lsan_unregister_root_region(pages, bytes);
}

#endif
