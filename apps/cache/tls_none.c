/* SPDX-License-Identifier: MIT */
/* Built without libpawl-tls: options_tls.c has refused -Z, so that nobody has a struct cache_tls. */
#include "tls.h"

#include <errno.h>

int cache_tls_open(struct cache_tls **out, const struct cache_tls_options *options)
{
    (void)out;
    (void)options;
    return -ENOSYS;
}

void cache_tls_close(struct cache_tls *tls)
{
    (void)tls;
}

const struct pawl_layer *cache_tls_layer(const struct cache_tls *tls)
{
    (void)tls;
    return NULL;
}

const char *cache_tls_refresh(struct cache_tls *tls)
{
    (void)tls;
    return "ERROR";
}

void cache_tls_ask(struct cache_tls *tls)
{
    (void)tls;
}

void cache_tls_tick(struct cache_tls *tls)
{
    (void)tls;
}

const char *cache_tls_error(const struct pawl_stream *stream)
{
    (void)stream;
    return "";
}

void cache_tls_say_general(const struct cache_tls *tls, cache_stat_fn *say, void *arg)
{
    (void)tls;
    (void)say;
    (void)arg;
}
