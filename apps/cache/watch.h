/* SPDX-License-Identifier: MIT */
/* `watch`: connections that are told what the server does, as memcached tells it. Each reads the tap's ring for itself
 * fifty times a second, as far as its socket takes what it is told; what it does not get to is overwritten, and counted: it
 * is told "skipped=N" before it is told more. Nobody else waits for it. */
#ifndef CACHE_WATCH_H
#define CACHE_WATCH_H

#include "tap.h"

#include <pawl/atomic.h>
#include <pawl/stream.h>

enum { CACHE_WATCHERS_MAX = 20 }; /* memcached's */

/* Of all watchers. Relaxed, all: figures and a limit. */
struct cache_watchers {
    PAWL_ATOMIC(uint32_t) count;
    PAWL_ATOMIC(uint64_t) sent, skipped;
};

struct cache_watcher;

/* The connection is told of these kinds from now on; it has been answered. NULL: it was told why not. On its worker. */
struct cache_watcher *cache_watcher_open(struct cache_watchers *watchers, struct cache_tap *tap,
                                         struct pawl_stream *stream, uint32_t kinds);

/* When the connection ends. NULL is fine. On its worker. */
void cache_watcher_close(struct cache_watcher *watcher);

#endif
