/* SPDX-License-Identifier: MIT */
/* glibc's windows into its malloc, as far as their fields mean something here. */
#include "api.h"

#include <malloc.h>
#include <pawl/malloc.h>
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
