/* SPDX-License-Identifier: MIT */
/* A small HTTP server beside the cache, for people and for what collects figures. GET and HEAD, nothing that changes
 * anything.
 *
 * Limits     A request has up to 8 KiB and ten seconds from its first byte; a connection without one is kept for a minute;
 *            there are up to 32. Who sends too slowly, too much or nonsense is told so, as far as it can be, and closed. */
#ifndef CACHE_HTTP_H
#define CACHE_HTTP_H

#include <pawl/atomic.h>
#include <pawl/stream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is answered to a path. */
struct cache_http_answer {
    const char *type; /* Content-Type */
    const char *body;
    size_t count;
    char *owned; /* freed when it has been queued; NULL: the body is nobody's */
};

struct cache_http {
    /* False: there is nothing of that name. `body` NULL: memory is out. */
    bool (*answer)(void *arg, const char *path, struct cache_http_answer *answer);
    void *arg;
    PAWL_ATOMIC(uint32_t) connections; /* relaxed: a limit */
    struct pawl_stream_config stream;  /* for cache_listeners_add() */
};

void cache_http_init(struct cache_http *http,
                     bool (*answer)(void *arg, const char *path, struct cache_http_answer *answer),
                     void *arg);

#endif
