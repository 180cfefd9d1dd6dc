/* SPDX-License-Identifier: MIT */
/* Pages of tables. */
#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE PAWL_MAP_HUGE_PAGE_

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; headers may be older */
#endif

static uintptr_t round_up(uintptr_t bytes, uintptr_t to)
{
    return (bytes + to - 1) & ~(to - 1);
}

/* The head ends where a huge page can begin. */
static void *open_huge(size_t bytes, size_t head, size_t huge)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = page + round_up(bytes - head, page);
    char *pages = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (pages == MAP_FAILED)
        return NULL;
    before = round_up((uintptr_t)pages + page, HUGE) - page - (uintptr_t)pages;
    if (before > 0)
        (void)munmap(pages, before);
    if (before < HUGE)
        (void)munmap(pages + before + size, HUGE - before);
    pages += before + page;
    size -= page;
    huge = round_up(huge, page);
    (void)madvise(pages, huge, MADV_HUGEPAGE); /* without them it is slower */
    if (huge < size)
        (void)madvise(pages + huge, size - huge, MADV_NOHUGEPAGE); /* nor where it is the kernel's habit */
    return pages - head;
}

void *pawl_map_pages_open_(size_t bytes, size_t head, size_t huge)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *pages;

    if (pawl_map_pages_are_huge_(huge))
        return open_huge(bytes, head, huge);
    if (bytes <= HUGE)
        flags |= MAP_POPULATE; /* at once: a fault for each page would cost more, and it is soon done */
    pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    if (huge == 0 && bytes > HUGE)
        (void)madvise(pages, bytes, MADV_NOHUGEPAGE); /* as above */
    return pages;
}

void pawl_map_pages_close_(void *pages, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (uintptr_t)pages & (page - 1); /* the head */
    char *begin = (char *)pages - before;
    size_t size = round_up(before + bytes, page);

    /* Piece by piece: a thread that maps memory meanwhile must not wait for all of it. By whole huge pages, which would have to
     * be split else. */
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = HUGE - ((uintptr_t)(begin + at) & (HUGE - 1));
        if (piece > size - at)
            piece = size - at;
        (void)madvise(begin + at, piece, MADV_DONTNEED);
    }
    (void)munmap(begin, size); /* a whole mapping of ours */
}

bool pawl_map_pages_populate_(void *from, size_t bytes)
{
    return madvise(from, bytes, MADV_POPULATE_WRITE) == 0;
}
