/* SPDX-License-Identifier: MIT */
/* When items go into files and come out of them (snapshot.h): -e, -o load, -o snapshot with SIGUSR1.
 *
 * -e FILE    A graceful end writes it, a start loads it and then removes it. So what is there is of the last moment before
 *            the start, or is not there: after a kill -9 the cache is empty, never old. A file that is damaged is said so, and
 *            the cache begins empty; one that is no snapshot at all ends the start, for it would be overwritten. As long as
 *            the server lives FILE.writing is there, empty and locked: a second one with the same FILE does not start.
 * SIGUSR1    A thread of the runtime's pool writes while the workers serve. One at a time. */
#ifndef CACHE_KEEP_H
#define CACHE_KEEP_H

#include "options.h"
#include "store.h"

#include <pawl/atomic.h>
#include <pawl/block.h>

struct cache_keep {
    struct cache_store *store;
    const struct cache_options *options;
    struct pawl_job job;
    PAWL_ATOMIC(bool) asked; /* relaxed: the next tick looks at it */
    PAWL_ATOMIC(bool) stops; /* relaxed: what is written may end a little later */
    bool writes;             /* the tick's worker's */
    bool claimed, loaded;    /* -e: `claim` is its place; the file was loaded, and is no more */
    int claim;
};

/* Loads what there is to load. Returns 0 or a negative errno; what is wrong was said on stderr. */
int cache_keep_open(struct cache_keep *keep, struct cache_store *store, const struct cache_options *options);

/* A snapshot is wanted. Signal handlers, any thread. */
void cache_keep_ask(struct cache_keep *keep);

/* Begins one that was asked for. On the worker of the clock. */
void cache_keep_tick(struct cache_keep *keep, struct pawl_rt *rt);

/* A snapshot under way gives up. */
void cache_keep_stop(struct cache_keep *keep);

/* At the end, when nobody changes the store any more: -e. Not `graceful`, as of a start that fails: only if the file that was
 * loaded is gone. Returns 0 or a negative errno, which was said. */
int cache_keep_close(struct cache_keep *keep, bool graceful);

#endif
