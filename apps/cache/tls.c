/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <errno.h>
#include <pawl/atomic.h>
#include <pawl/clock.h>
#include <pawl/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KIB = 1024, RECORD_MOST = 16 * KIB, TEXT_BYTES = 512 };

struct cache_tls {
    struct pawl_tls *tls;
    PAWL_ATOMIC(uint32_t) asked;     /* relaxed, both: a wish, and a figure */
    PAWL_ATOMIC(uint64_t) refreshed; /* seconds of CLOCK_MONOTONIC */
};

static uint64_t seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static enum pawl_tls_verify how_to_verify(uint32_t mode)
{
    return mode == 0 ? PAWL_TLS_VERIFY_NONE : mode == 1 ? PAWL_TLS_VERIFY_OPTIONAL : PAWL_TLS_VERIFY_REQUIRED;
}

int cache_tls_open(struct cache_tls **out, const struct cache_tls_options *options)
{
    const uint32_t record = options->buffer_kib * KIB;
    const struct pawl_tls_config config = {
        .flags = PAWL_TLS_SERVER | (options->sessions ? 0u : PAWL_TLS_NO_RESUME) |
                 (options->der ? (uint32_t)PAWL_TLS_KEY_DER : 0u),
        .verify = how_to_verify(options->verify),
        .chain_file = options->chain,
        .key_file = options->key != NULL ? options->key : options->chain,
        .ca_file = options->ca,
        .ciphers = options->ciphers,
        .least = options->least,
        .record_bytes = record < RECORD_MOST ? record : RECORD_MOST,
    };
    struct cache_tls *tls = calloc(1, sizeof(*tls));
    int error;

    if (tls == NULL) {
        fprintf(stderr, "pawl-cache: no memory for TLS\n");
        return -ENOMEM;
    }
    error = pawl_tls_open(&tls->tls, &config);
    if (error != 0) {
        fprintf(stderr, "pawl-cache: TLS: %s\n", pawl_tls_failure());
        free(tls);
        return error;
    }
    pawl_store_relaxed(&tls->refreshed, seconds());
    *out = tls;
    return 0;
}

void cache_tls_close(struct cache_tls *tls)
{
    if (tls == NULL)
        return;
    pawl_tls_close(tls->tls);
    free(tls);
}

const struct pawl_layer *cache_tls_layer(const struct cache_tls *tls)
{
    return pawl_tls_layer(tls->tls);
}

const char *cache_tls_refresh(struct cache_tls *tls)
{
    static __thread char text[TEXT_BYTES];

    if (pawl_tls_reload(tls->tls) == 0) {
        pawl_store_relaxed(&tls->refreshed, seconds());
        return NULL;
    }
    snprintf(text, sizeof(text), "SERVER_ERROR %s", pawl_tls_failure());
    return text;
}

void cache_tls_ask(struct cache_tls *tls)
{
    pawl_store_relaxed(&tls->asked, 1u);
}

void cache_tls_tick(struct cache_tls *tls)
{
    const char *wrong;

    if (pawl_load_relaxed(&tls->asked) == 0)
        return;
    pawl_store_relaxed(&tls->asked, 0u); /* a signal from now on is served by the next tick */
    wrong = cache_tls_refresh(tls);
    if (wrong != NULL)
        fprintf(stderr, "pawl-cache: SIGHUP: the old certificates stay: %s\n", pawl_tls_failure());
}

const char *cache_tls_error(const struct pawl_stream *stream)
{
    return pawl_tls_error(stream);
}

void cache_tls_say_general(const struct cache_tls *tls, cache_stat_fn *say, void *arg)
{
    cache_stat(say, arg, "time_since_server_cert_refresh", "%llu",
               (unsigned long long)(seconds() - pawl_load_relaxed(&tls->refreshed)));
}
