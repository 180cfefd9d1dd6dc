/* SPDX-License-Identifier: MIT */
/* The layer: how long a stream's part lives, and what it holds of the context meanwhile: the context itself, and the set of
 * certificates that was the current one when it began. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

static int prepare(struct tls_stream *stream)
{
    const struct tls_set *set = stream->version->data;
    BIO *bio;

    stream->ssl = SSL_new(set->context);
    if (stream->ssl == NULL)
        return -ENOMEM;
    bio = pawl_tls_bio_(stream);
    if (bio == NULL) {
        SSL_free(stream->ssl);
        return -ENOMEM;
    }
    SSL_set_bio(stream->ssl, bio, bio);
    if (SSL_set_app_data(stream->ssl, stream) != 1) {
        SSL_free(stream->ssl); /* and the BIO */
        return -ENOMEM;
    }
    if (tls_serves(stream->tls))
        SSL_set_accept_state(stream->ssl);
    else
        SSL_set_connect_state(stream->ssl);
    return 0;
}

struct pawl_layered *pawl_tls_attach_(const struct pawl_layer *layer)
{
    /* the first member of a struct pawl_tls, whose streams count themselves */
    struct pawl_tls *tls = (struct pawl_tls *)(uintptr_t)layer;
    struct tls_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        return NULL;
    stream->tls = tls;
    stream->version = pawl_rcu_cell_hold(&tls->set);
    if (prepare(stream) != 0) {
        ERR_clear_error();
        pawl_rcu_version_release(stream->version);
        free(stream);
        return NULL;
    }
    tls_hold(tls);
    pawl_timer_init(&stream->timer, pawl_tls_too_late_);
    return &stream->layered;
}

void pawl_tls_detach_(struct pawl_layered *layered)
{
    struct tls_stream *stream = (struct tls_stream *)(void *)layered; /* the first member */

    if (pawl_timer_armed(&stream->timer))
        (void)pawl_timer_cancel(&stream->timer);
    SSL_free(stream->ssl);
    pawl_rcu_version_release(stream->version);
    pawl_tls_let_go_(stream->tls);
    free(stream->kept);
    free(stream->name);
    free(stream->text);
    free(stream);
}
