/* SPDX-License-Identifier: MIT */
/* The layer: a stream's bytes through OpenSSL. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HANDSHAKE_MS = 10000, PIECES = 64 };

#define NS_A_MS UINT64_C(1000000)

static struct tls_stream *of(struct pawl_layered *layered)
{
    return (struct tls_stream *)(void *)layered; /* the first member */
}

/* ---- the end that was not meant ---- */

static void fail(struct tls_stream *stream, int error, const char *text)
{
    if (stream->over)
        return;
    stream->over = true;
    stream->text = strdup(text); /* NULL: no words for it */
    if (pawl_timer_armed(&stream->timer))
        (void)pawl_timer_cancel(&stream->timer);
    pawl_layer_fail(&stream->layered, error);
}

/* OpenSSL says no. */
static void refuse(struct tls_stream *stream)
{
    char text[TLS_TEXT_BYTES];
    const int error = pawl_tls_why_(stream->ssl, text);

    if (stream->put_error != 0)
        fail(stream, stream->put_error,
             stream->put_error == -EPROTO ? "the peer asks for answers and does not listen"
                                          : "the out-queue took nothing");
    else
        fail(stream, error, text);
}

void pawl_tls_too_late_(struct pawl_timer *timer)
{
    struct tls_stream *stream = pawl_timer_of(timer, struct tls_stream, timer);

    stream->over = true;
    stream->text = strdup("the handshake took too long");
    pawl_stream_abort(stream->layered.stream, -ETIMEDOUT);
}

/* The socket has brought its last, and no close_notify was in it. */
static void cut_off(struct tls_stream *stream)
{
    if (stream->open && (stream->tls->config.flags & PAWL_TLS_EOF_ENDS) != 0)
        pawl_layer_end(&stream->layered);
    else
        fail(stream, -ECONNRESET,
             stream->open ? "the peer ended without close_notify" : "the peer ended during the handshake");
}

/* ---- up ---- */

/* Returns whether the handshake is done. */
static bool greet(struct tls_stream *stream)
{
    int result, what;

    ERR_clear_error();
    result = SSL_do_handshake(stream->ssl);
    if (result == 1) {
        stream->open = true;
        if (pawl_timer_armed(&stream->timer))
            (void)pawl_timer_cancel(&stream->timer);
        pawl_layer_opened(&stream->layered);
        return true;
    }
    what = SSL_get_error(stream->ssl, result);
    if (what == SSL_ERROR_ZERO_RETURN || (what == SSL_ERROR_WANT_READ && stream->eof))
        cut_off(stream);
    else if (what != SSL_ERROR_WANT_READ)
        refuse(stream);
    return false;
}

/* Nothing is left to be read: asking OpenSSL would cost as much as opening a small record. */
static bool drained(const struct tls_stream *stream)
{
    return stream->in_count == 0 && SSL_has_pending(stream->ssl) == 0;
}

/* As much as there is room for, to the program. Returns whether there may be more. */
static bool give_some(struct tls_stream *stream)
{
    size_t room, filled = 0, n;
    char *bytes = pawl_layer_room(&stream->layered, TLS_RECORD_MOST, &room);
    int result, what = SSL_ERROR_NONE;

    if (bytes == NULL) {
        fail(stream, -ENOMEM, "no memory for what came");
        return false;
    }
    ERR_clear_error();
    while (what == SSL_ERROR_NONE && filled < room) {
        result = SSL_read_ex(stream->ssl, bytes + filled, room - filled, &n);
        if (result == 1)
            filled += n;
        what = result != 1       ? SSL_get_error(stream->ssl, result)
               : drained(stream) ? SSL_ERROR_WANT_READ
                                 : SSL_ERROR_NONE;
    }
    if (what != SSL_ERROR_NONE && what != SSL_ERROR_WANT_READ && what != SSL_ERROR_ZERO_RETURN) {
        /* What came before the damage was good, but who knows how it would have gone on. */
        refuse(stream);
        return false;
    }
    if (filled > 0)
        pawl_layer_give(&stream->layered, filled);
    if (what == SSL_ERROR_NONE)
        return true;
    if (!pawl_layer_reads(&stream->layered))
        return false; /* the end comes when it reads again */
    if (what == SSL_ERROR_ZERO_RETURN)
        pawl_layer_end(&stream->layered);
    else if (stream->eof)
        cut_off(stream);
    return false;
}

static void run(struct tls_stream *stream)
{
    if (stream->over || !stream->started || (!stream->open && !greet(stream)))
        return;
    while (!stream->over && pawl_layer_reads(&stream->layered) && give_some(stream))
        ;
}

/* What OpenSSL has not read, because the program reads no more: into memory of our own. */
static void keep(struct tls_stream *stream)
{
    if (stream->in_count != 0)
        memmove(stream->kept, stream->in, stream->in_count);
    stream->in = stream->kept;
}

/* Room for what is kept and so many bytes more. */
static int make_room(struct tls_stream *stream, size_t count)
{
    const size_t need = stream->in_count + count;
    char *kept;

    if (need <= stream->kept_room)
        return 0;
    kept = realloc(stream->kept, need);
    if (kept == NULL)
        return -ENOMEM;
    if (stream->in_count != 0)
        stream->in = kept + (stream->in - stream->kept);
    stream->kept = kept;
    stream->kept_room = need;
    return 0;
}

void pawl_tls_received_(struct pawl_layered *layered, const struct pawl_slice *slice)
{
    struct tls_stream *stream = of(layered);

    if (stream->in_count != 0) {
        /* behind what is kept, which comes first */
        if (make_room(stream, slice->count) != 0) {
            fail(stream, -ENOMEM, "no memory for what came");
            return;
        }
        keep(stream);
        memcpy(stream->kept + stream->in_count, slice->bytes, slice->count);
        stream->in_count += slice->count;
        run(stream);
        keep(stream);
        return;
    }
    stream->in = slice->bytes;
    stream->in_count = slice->count;
    run(stream);
    if (stream->in_count == 0 || stream->over) {
        stream->in_count = 0;
        return;
    }
    if (stream->in_count > stream->kept_room) {
        free(stream->kept);
        stream->kept = malloc(stream->in_count);
        stream->kept_room = stream->kept == NULL ? 0 : stream->in_count;
    }
    if (stream->kept == NULL) {
        stream->in_count = 0;
        fail(stream, -ENOMEM, "no memory for what came");
        return;
    }
    keep(stream);
}

void pawl_tls_resumed_(struct pawl_layered *layered)
{
    struct tls_stream *stream = of(layered);

    if (!stream->open)
        return;
    run(stream);
    if (stream->in_count == 0 && stream->kept != NULL) {
        free(stream->kept); /* an idle stream keeps nothing */
        stream->kept = NULL;
        stream->kept_room = 0;
    }
}

void pawl_tls_ended_(struct pawl_layered *layered)
{
    struct tls_stream *stream = of(layered);

    stream->eof = true;
    run(stream);
}

/* ---- down ---- */

/* The first of what waits, in one piece of at most a record. */
static const char *one_record(const struct pawl_layered *layered, char *gathered, size_t most, size_t *count)
{
    struct iovec pieces[PIECES];
    const int n = pawl_layer_peek(layered, pieces, PIECES);
    size_t filled = 0;

    if (n == 0)
        return NULL;
    if (n == 1 || pieces[0].iov_len >= most) {
        *count = pieces[0].iov_len < most ? pieces[0].iov_len : most;
        return pieces[0].iov_base;
    }
    for (int i = 0; i < n && filled < most; i++) {
        const size_t fits = most - filled < pieces[i].iov_len ? most - filled : pieces[i].iov_len;

        memcpy(gathered + filled, pieces[i].iov_base, fits);
        filled += fits;
    }
    *count = filled;
    return gathered;
}

void pawl_tls_encode_(struct pawl_layered *layered)
{
    struct tls_stream *stream = of(layered);
    const uint32_t wish = stream->tls->config.record_bytes;
    const size_t most = wish != 0 ? wish : TLS_RECORD_MOST;
    char gathered[TLS_RECORD_MOST];
    const char *bytes;
    size_t count, written;

    ERR_clear_error();
    stream->encoding = true;
    while (!stream->over && !pawl_layer_ahead(layered) &&
           (bytes = one_record(layered, gathered, most, &count)) != NULL) {
        if (SSL_write_ex(stream->ssl, bytes, count, &written) != 1) {
            refuse(stream);
            break;
        }
        pawl_layer_take(layered, count);
    }
    stream->encoding = false;
}

void pawl_tls_finish_(struct pawl_layered *layered)
{
    struct tls_stream *stream = of(layered);

    if (stream->over)
        return;
    ERR_clear_error();
    if (SSL_shutdown(stream->ssl) < 0)
        ERR_clear_error(); /* it is said or not: the socket is shut next */
}

/* ---- the beginning ---- */

void pawl_tls_start_(struct pawl_layered *layered)
{
    struct tls_stream *stream = of(layered);
    const struct pawl_tls_config *config = &stream->tls->config;
    const bool client = !tls_serves(stream->tls);
    const bool believes = config->verify == PAWL_TLS_VERIFY_NONE || (config->flags & PAWL_TLS_ANY_NAME) != 0;

    stream->started = true;
    if (client && stream->name == NULL && !believes) {
        fail(stream, -EINVAL, "no name to verify the server by (pawl_tls_set_name)");
        return;
    }
    if (client && stream->name != NULL)
        pawl_tls_session_offer_(stream);
    pawl_timer_after(&stream->timer,
                     (config->handshake_ms != 0 ? config->handshake_ms : HANDSHAKE_MS) * NS_A_MS);
    (void)greet(stream);
}

/* ---- what programs call ---- */

static struct tls_stream *find(const struct pawl_stream *stream)
{
    struct pawl_layered *layered = pawl_layer_of(stream, pawl_tls_attach_);

    return layered != NULL ? of(layered) : NULL;
}

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Asks for the name (an address is not asked for), and wants it in the certificate. Of an earlier one nothing stays. */
static bool ask_for(const struct tls_stream *stream, char *name)
{
    const bool any = (stream->tls->config.flags & PAWL_TLS_ANY_NAME) != 0, address = is_address(name);
    X509_VERIFY_PARAM *wanted = SSL_get0_param(stream->ssl);

    if (SSL_set_tlsext_host_name(stream->ssl, address ? NULL : name) != 1 ||
        X509_VERIFY_PARAM_set1_ip(wanted, NULL, 0) != 1 || X509_VERIFY_PARAM_set1_host(wanted, NULL, 0) != 1)
        return false;
    if (any)
        return true;
    return address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, name) == 1
                   : X509_VERIFY_PARAM_set1_host(wanted, name, 0) == 1;
}

int pawl_tls_set_name(struct pawl_stream *pawl_stream, const char *name)
{
    struct tls_stream *stream = find(pawl_stream);
    char *copy;

    if (stream == NULL || tls_serves(stream->tls) || name[0] == '\0')
        return -EINVAL;
    if (stream->started)
        return -EALREADY;
    copy = strdup(name);
    if (copy == NULL)
        return -ENOMEM;
    ERR_clear_error();
    free(stream->name);
    stream->name = NULL; /* none at all, if the new one is refused */
    if (!ask_for(stream, copy)) {
        char text[TLS_TEXT_BYTES];

        free(copy);
        return pawl_tls_why_(stream->ssl, text) == -ENOMEM ? -ENOMEM : -EINVAL;
    }
    stream->name = copy;
    return 0;
}

static void describe_peer(const SSL *ssl, struct pawl_tls_facts *facts)
{
    const X509 *peer = SSL_get0_peer_certificate(ssl);

    facts->verified = peer != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
                      SSL_get_verify_result(ssl) == X509_V_OK;
    if (peer != NULL)
        (void)X509_NAME_oneline(X509_get_subject_name(peer), facts->peer, sizeof facts->peer);
}

int pawl_tls_get_facts(const struct pawl_stream *pawl_stream, struct pawl_tls_facts *facts)
{
    const struct tls_stream *stream = find(pawl_stream);
    const unsigned char *alpn;
    const char *asked;
    unsigned bytes;

    if (stream == NULL)
        return -EINVAL;
    if (!stream->open)
        return -EAGAIN;
    *facts = (struct pawl_tls_facts){
        .version = SSL_get_version(stream->ssl),
        .cipher = SSL_get_cipher_name(stream->ssl),
        .resumed = SSL_session_reused(stream->ssl) == 1,
    };
    asked = tls_serves(stream->tls) ? SSL_get_servername(stream->ssl, TLSEXT_NAMETYPE_host_name)
                                    : stream->name;
    facts->name = asked != NULL ? asked : "";
    SSL_get0_alpn_selected(stream->ssl, &alpn, &bytes);
    if (bytes > 0 && bytes < sizeof facts->alpn)
        memcpy(facts->alpn, alpn, bytes); /* zeroes stand behind it */
    describe_peer(stream->ssl, facts);
    return 0;
}

const char *pawl_tls_error(const struct pawl_stream *pawl_stream)
{
    const struct tls_stream *stream = find(pawl_stream);

    return stream != NULL && stream->text != NULL ? stream->text : "";
}

struct ssl_st *pawl_tls_ssl(const struct pawl_stream *pawl_stream)
{
    const struct tls_stream *stream = find(pawl_stream);

    return stream != NULL ? stream->ssl : NULL;
}
