/* SPDX-License-Identifier: MIT */
/* Where the memory of this process is. The program is linked with libpawl-malloc, so malloc is Pawl's. */
#include <pawl/malloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    struct pawl_malloc_stats stats;
    static char *held[10000];

    for (int i = 0; i < 10000; i++)
        held[i] = malloc((size_t)(i % 500 + 1));
    for (int i = 0; i < 10000; i++)
        if (i % 10 != 0)
            free(held[i]);

    pawl_malloc_get_stats(&stats);
    printf("used %llu KiB, free between blocks in use %llu KiB, cached %llu KiB, by %u CPUs\n",
           (unsigned long long)(stats.used / 1024), (unsigned long long)(stats.fragmented / 1024),
           (unsigned long long)(stats.cached / 1024), stats.caches);
    printf("%zu KiB went back to the kernel\n", pawl_malloc_release(0) / 1024);
    fflush(stdout);
    return pawl_malloc_stats_write(STDOUT_FILENO, PAWL_MALLOC_JSON) == 0 ? 0 : 1;
}
