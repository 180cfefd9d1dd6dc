/* SPDX-License-Identifier: MIT */
/* The slow log: the last turns of connections that took longer than a threshold, with the beginning of what had been
 * received. A turn is what was received at once and answered at once: what a client waits for. It is timed anyway, so
 * turns that are not slow cost a comparison; one that is costs a lock. */
#ifndef CACHE_SLOW_H
#define CACHE_SLOW_H

#include "command_stats.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { CACHE_SLOW_KEPT = 128, CACHE_SLOW_TEXT = 80 };

struct cache_slow;

/* NULL: memory is out. */
struct cache_slow *cache_slow_open(void);
void cache_slow_close(struct cache_slow *slow); /* NULL is fine */

struct cache_slow_turn {
    uint64_t took_ns;
    size_t received, answered; /* bytes */
    int fd;                    /* of the connection */
    const char *bytes;         /* what was received ... */
    bool binary;               /* ... by a binary client: passwords stand beside keys */
    bool inside;               /* ... and it began inside of a value: none of it is shown */
};

void cache_slow_note(struct cache_slow *slow, const struct cache_slow_turn *turn);

/* `stats slow`: the latest first. */
void cache_slow_say(struct cache_slow *slow, cache_stat_fn *say, void *arg);

uint64_t cache_slow_count(const struct cache_slow *slow);

#endif
