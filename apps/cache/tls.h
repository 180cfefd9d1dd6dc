/* SPDX-License-Identifier: MIT */
/* TLS on the server's TCP sockets: -Z and -o ssl_..., as memcached has them. Without libpawl-tls tls_none.c stands in. */
#ifndef CACHE_TLS_H
#define CACHE_TLS_H

#include "protocol.h"

#include <pawl/stream.h>
#include <stdbool.h>
#include <stdint.h>

struct cache_tls;

struct cache_tls_options {
    bool on;                  /* -Z */
    const char *chain, *key;  /* key NULL: it is in the chain */
    const char *ca, *ciphers; /* NULL: the system's, OpenSSL's */
    uint32_t verify;          /* 0 none, 1 request, 2 require, 3 once, which is the same here */
    uint32_t least;           /* version: 12 or 13 */
    uint32_t buffer_kib;      /* ssl_wbuf_size: of records, which have 16 KiB at most */
    bool der, sessions;
};

/* options_tls.c: one of -o that begins with ssl_, as NAME or NAME=VALUE. -1: go on; else the exit status. */
int cache_tls_option(struct cache_tls_options *options, const char *text);
/* When all options are read. Likewise. */
int cache_tls_check(const struct cache_tls_options *options);

/* Returns 0 or a negative errno; what is wrong was said on stderr. */
int cache_tls_open(struct cache_tls **out, const struct cache_tls_options *options);
void cache_tls_close(struct cache_tls *tls); /* NULL is nothing */

/* For the configuration of streams. */
const struct pawl_layer *cache_tls_layer(const struct cache_tls *tls);

/* Reads the files again. NULL: done; else what is wrong, valid until the thread's next call. Any thread. */
const char *cache_tls_refresh(struct cache_tls *tls);

/* SIGHUP: the next cache_tls_tick() does it, and says on stderr what is wrong. */
void cache_tls_ask(struct cache_tls *tls);
void cache_tls_tick(struct cache_tls *tls);

/* What TLS had against a stream that ends, in words; "": nothing. */
const char *cache_tls_error(const struct pawl_stream *stream);

/* For `stats` and `stats settings`. */
void cache_tls_say_general(const struct cache_tls *tls, cache_stat_fn *say, void *arg);
void cache_tls_say_settings(const struct cache_tls_options *options, cache_stat_fn *say, void *arg);

#endif
