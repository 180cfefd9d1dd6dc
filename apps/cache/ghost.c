/* SPDX-License-Identifier: MIT */
#include "ghost.h"

#include <errno.h>
#include <stdlib.h>

int cache_ghosts_open(struct cache_ghosts *ghosts, size_t count)
{
    ghosts->lines = 1;
    while (ghosts->lines * CACHE_GHOST_LINE < count)
        ghosts->lines *= 2;
    ghosts->print = calloc(ghosts->lines * CACHE_GHOST_LINE, sizeof(ghosts->print[0]));
    return ghosts->print != NULL ? 0 : -ENOMEM;
}

void cache_ghosts_close(struct cache_ghosts *ghosts)
{
    free(ghosts->print);
}

/* Other bits than those that choose the line. Never 0, which is an empty place. */
static uint32_t print_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32) | 1;
}

static PAWL_ATOMIC(uint32_t) * line_of(const struct cache_ghosts *ghosts, uint64_t hash)
{
    return &ghosts->print[(hash & (ghosts->lines - 1)) * CACHE_GHOST_LINE];
}

void cache_ghost_add(struct cache_ghosts *ghosts, uint64_t hash)
{
    PAWL_ATOMIC(uint32_t) *line = line_of(ghosts, hash);

    /* The oldest goes: each is moved down by one. Relaxed throughout: see ghost.h. */
    for (int i = CACHE_GHOST_LINE - 1; i > 0; i--)
        pawl_store_relaxed(&line[i], pawl_load_relaxed(&line[i - 1]));
    pawl_store_relaxed(&line[0], print_of(hash));
}

bool cache_ghost_take(struct cache_ghosts *ghosts, uint64_t hash)
{
    PAWL_ATOMIC(uint32_t) *line = line_of(ghosts, hash);

    for (int i = 0; i < CACHE_GHOST_LINE; i++) {
        if (pawl_load_relaxed(&line[i]) == print_of(hash)) {
            pawl_store_relaxed(&line[i], 0u); /* relaxed, as all here */
            return true;
        }
    }
    return false;
}
