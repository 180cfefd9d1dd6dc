/* SPDX-License-Identifier: MIT */
/* `stats sizes`: how many items there are of each size. Counted by walking the map a little at every tick, again and again
 * while it is on: nothing is counted when items come and go, and no command waits for a walk. What is said is the last
 * whole walk, some seconds old. */
#ifndef CACHE_CENSUS_H
#define CACHE_CENSUS_H

#include "command_stats.h"

#include <stdbool.h>

struct cache_census;

/* `on` from the beginning: -o track_sizes. NULL: memory is out. */
struct cache_census *cache_census_open(bool on);
void cache_census_close(struct cache_census *census); /* NULL is fine */

void cache_census_turn(struct cache_census *census, bool on);

/* A piece of the walk, of a millisecond or so. By one thread. */
void cache_census_tick(struct cache_census *census, const struct cache_store *store);

/* STAT <bytes> <items>: up to 64 KiB in steps of 32, beyond to the next power of two. */
void cache_census_say(struct cache_census *census, cache_stat_fn *say, void *arg);

#endif
