/* SPDX-License-Identifier: MIT */
/* glibc's windows into its malloc, as far as their fields mean something here. */
#include "api.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pawl/malloc.h>
#include <stdio.h>
#include <unistd.h>

#ifdef __GLIBC__
PAWL_API struct mallinfo2 PUBLIC(mallinfo2)(void);
PAWL_API struct mallinfo PUBLIC(mallinfo)(void);

struct mallinfo2 PUBLIC(mallinfo2)(void)
{
    struct pawl_malloc_stats stats;
    struct mallinfo2 info = {0};

    pawl_malloc_get_stats(&stats);
    info.hblks = stats.large_blocks;
    info.hblkhd = stats.large;
    info.uordblks = stats.used;
    info.fordblks = stats.cached + stats.fragmented + stats.idle;
    info.fsmblks = stats.cached;
    info.keepcost = stats.idle;
    info.arena = info.uordblks + info.fordblks;
    info.usmblks = stats.peak;
    return info;
}

/* The old one: ints, that wrap beyond 2 GiB there as well. */
struct mallinfo PUBLIC(mallinfo)(void)
{
    struct mallinfo2 wide = PUBLIC(mallinfo2)();
    struct mallinfo info = {0};

    info.hblks = (int)wide.hblks;
    info.hblkhd = (int)wide.hblkhd;
    info.uordblks = (int)wide.uordblks;
    info.fordblks = (int)wide.fordblks;
    info.fsmblks = (int)wide.fsmblks;
    info.keepcost = (int)wide.keepcost;
    info.arena = (int)wide.arena;
    info.usmblks = (int)wide.usmblks;
    return info;
}

PAWL_API int PUBLIC(malloc_info)(int options, FILE *fp);

/* One heap; the sizes are those of which there are free blocks, as there. */
int PUBLIC(malloc_info)(int options, FILE *fp)
{
    struct pawl_malloc_stats stats;

    if (options != 0)
        return EINVAL;
    pawl_malloc_get_stats(&stats);
    fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n", fp);
    for (uint32_t c = 0; c < PAWL_MALLOC_CLASSES; c++) {
        const struct pawl_malloc_class_stats *k = &stats.classes[c];
        uint64_t free = k->blocks > k->used ? k->blocks - k->used : 0;

        if (free > 0)
            fprintf(fp,
                    "  <size from=\"%" PRIu32 "\" to=\"%" PRIu32 "\" total=\"%" PRIu64 "\" count=\"%" PRIu64
                    "\"/>\n",
                    c > 0 ? stats.classes[c - 1].size + 1 : 1, k->size, free * k->size, free);
    }
    fprintf(fp,
            "</sizes>\n<total type=\"rest\" size=\"%" PRIu64 "\"/>\n<total type=\"mmap\" count=\"%" PRIu64
            "\" size=\"%" PRIu64 "\"/>\n",
            stats.cached + stats.fragmented + stats.idle, stats.large_blocks, stats.large);
    fprintf(fp,
            "<system type=\"current\" size=\"%" PRIu64 "\"/>\n<system type=\"max\" size=\"%" PRIu64
            "\"/>\n<aspace type=\"total\" size=\"%" PRIu64 "\"/>\n</heap>\n</malloc>\n",
            stats.used + stats.cached + stats.fragmented + stats.idle, stats.peak, stats.mapped);
    return 0;
}
#endif

PAWL_API void PUBLIC(malloc_stats)(void);
PAWL_API int PUBLIC(mallopt)(int param, int val);

void PUBLIC(malloc_stats)(void)
{
    (void)pawl_malloc_stats_write(STDERR_FILENO, PAWL_MALLOC_TEXT);
}

/* 1 is success: glibc's parameters tune glibc's arenas, and a program does not expect them to be refused. */
int PUBLIC(mallopt)(int param, int val)
{
    (void)param;
    (void)val;
    return 1;
}
