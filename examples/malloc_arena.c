/* SPDX-License-Identifier: MIT */
/* Memory that is there before it is needed: faulted in, locked, on huge pages, as far as the machine grants it. */
#include <pawl/arena.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    const struct pawl_arena_options options = {
        .bytes = (size_t)4 << 20,
        .flags = PAWL_ARENA_FAULT | PAWL_ARENA_LOCK | PAWL_ARENA_HUGE,
    };
    struct pawl_arena_report report;
    struct pawl_arena *arena = pawl_arena_open(&options, &report);
    size_t mark;

    if (arena == NULL)
        return perror("pawl_arena_open"), 1;
    printf("%zu bytes, %zu in memory, %zu on huge pages; locked: %s\n", report.bytes, report.resident,
           report.huge, report.lock_status == 0 ? "yes" : strerror(-report.lock_status));
    mark = pawl_arena_mark(arena);
    for (int request = 0; request < 3; request++) {
        char *line = pawl_arena_alloc(arena, 100, 64);

        if (line == NULL)
            return perror("pawl_arena_alloc"), 1;
        snprintf(line, 100, "request %d", request);
        puts(line);
        pawl_arena_rewind(arena, mark); /* all that the request allocated is gone */
    }
    pawl_arena_close(arena);
    return 0;
}
