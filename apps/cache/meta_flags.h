/* SPDX-License-Identifier: MIT */
/* The flags of a meta command, and the pieces of its answer. */
#ifndef CACHE_META_FLAGS_H
#define CACHE_META_FLAGS_H

#include "turn.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    META_WORDS = 19,  /* more are an error */
    META_LINE = 1024, /* what an answer's line takes at most: each flag stands in it once */
    META_TAIL = 512,  /* key and opaque */
};

extern const char cache_long_opaque[]; /* an error's line */

struct cache_meta {
    const struct cache_word *flags;
    uint32_t count;
    struct cache_word key; /* decoded */
    bool base64, quiet, value, no_update, vivify, new_ttl, has_recache, stale, has_cas;
    char mode;
    uint32_t expires, vivify_expires, recache_expires, client_flags;
    uint64_t cas, new_cas, delta, initial;
};

/* The flags of a line, from word `first` on. Returns what is wrong, of several the last, or NULL. */
const char *cache_meta_read(struct cache_turn *turn, struct cache_meta *meta, const struct cache_word *words,
                            uint32_t count, uint32_t first);

/* Each with the blank before it. They return where it ends. */
char *cache_put_flag(char *at, char flag, uint64_t number);
char *cache_put_key(char *at, const char *key, uint32_t count, bool base64);
char *cache_put_opaque(char *at, struct cache_word flag);
char *cache_put_ttl(char *at, int64_t ttl); /* below 0: it never expires */

/* A line of two letters and what the request said: key and opaque. */
void cache_meta_status(struct cache_turn *turn, const struct cache_meta *meta, const char *status);

#endif
