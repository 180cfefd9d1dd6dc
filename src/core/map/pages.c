/* SPDX-License-Identifier: MIT */
/* Pages of tables. */
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20) /* a huge page; two and more are asked for */

void *pawl_map_pages_open_(size_t bytes, bool huge)
{
    size_t spare = huge && bytes >= 2 * HUGE ? HUGE : 0; /* to begin where a huge page can */
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    size_t page, before;
    char *pages;

    if (bytes <= HUGE)
        flags |= MAP_POPULATE; /* at once: a fault for each page would cost more, and it is soon done */
    pages = mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    if (spare == 0)
        return pages;
    page = (size_t)sysconf(_SC_PAGESIZE);
    bytes = (bytes + page - 1) & ~(page - 1); /* what follows is unmapped, by whole pages */
    before = -(uintptr_t)pages & (HUGE - 1);
    if (before > 0)
        (void)munmap(pages, before);
    if (before < spare)
        (void)munmap(pages + before + bytes, spare - before);
    (void)madvise(pages + before, bytes, MADV_HUGEPAGE); /* without them it is slower */
    return pages + before;
}

void pawl_map_pages_close_(void *pages, size_t bytes)
{
    /* Piece by piece: a thread that maps memory meanwhile must not wait for all of it. */
    for (size_t at = 0; at < bytes; at += HUGE)
        (void)madvise((char *)pages + at, bytes - at < HUGE ? bytes - at : HUGE, MADV_DONTNEED);
    (void)munmap(pages, bytes); /* a whole mapping of ours */
}
