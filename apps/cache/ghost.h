/* SPDX-License-Identifier: MIT */
/* Ghosts: the hashes of items that left the small queue unhit, for a while. Who is set again soon was thrown out too
 * early, and goes straight into the main queue. A table of lines of 16 fingerprints; a new one takes the place of one
 * of its line. Words, relaxed: to forget one, or to take one for another (once in 2^27 or so), changes where an item
 * is queued, nothing else. */
#ifndef CACHE_GHOST_H
#define CACHE_GHOST_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_GHOST_LINE = 16 };

struct cache_ghosts {
    PAWL_ATOMIC(uint32_t) * print;
    size_t lines; /* a power of two */
};

/* Room for at least `count`. Returns 0 or -ENOMEM. */
int cache_ghosts_open(struct cache_ghosts *ghosts, size_t count);
void cache_ghosts_close(struct cache_ghosts *ghosts);

void cache_ghost_add(struct cache_ghosts *ghosts, uint64_t hash);

/* Was it there? It is not afterwards. */
bool cache_ghost_take(struct cache_ghosts *ghosts, uint64_t hash);

static inline size_t cache_ghosts_bytes(const struct cache_ghosts *ghosts)
{
    return ghosts->lines * CACHE_GHOST_LINE * sizeof(ghosts->print[0]);
}

#endif
