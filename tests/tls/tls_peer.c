/* SPDX-License-Identifier: MIT */
#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <pawl/rcu.h>
#include <pthread.h>

/* What workers have seen last, and copies of it for the test's thread. */
struct seen {
    struct pawl_tls_facts facts;
    char name[256], error[256];
    uint64_t reason;
};
static struct seen now, then;
static pthread_mutex_t seeing = PTHREAD_MUTEX_INITIALIZER;

static const struct seen *look(void)
{
    pthread_mutex_lock(&seeing);
    then = now;
    pthread_mutex_unlock(&seeing);
    return &then;
}

const struct pawl_tls_facts *tls_facts(void)
{
    return &look()->facts;
}

const char *tls_name(void)
{
    return look()->name;
}

const char *tls_error(void)
{
    return look()->error;
}

uint64_t tls_reason(void)
{
    return look()->reason;
}

/* ---- a runtime with a server ---- */

void tls_open(struct pawl_rt **rt, uint32_t workers)
{
    pawl_rcu_barrier();
    io_open(rt, workers);
    pthread_mutex_lock(&seeing);
    memset(&now, 0, sizeof now);
    pthread_mutex_unlock(&seeing);
}

void tls_close(struct pawl_rt *rt)
{
    assert_int_equal(pawl_rt_close(rt), 0);
    pawl_rcu_barrier();
    io_close(NULL);
}

struct pawl_tls_config tls_serving(void)
{
    return (struct pawl_tls_config){.flags = PAWL_TLS_SERVER,
                                    .chain_file = main_server.chain,
                                    .key_file = main_server.key};
}

void tls_opened(struct pawl_stream *stream)
{
    struct pawl_tls_facts facts;

    demand(pawl_tls_get_facts(stream, &facts) == 0);
    pthread_mutex_lock(&seeing);
    now.facts = facts;
    snprintf(now.name, sizeof now.name, "%s", facts.name);
    pthread_mutex_unlock(&seeing);
    io_opened(stream);
}

void tls_closed(struct pawl_stream *stream, int reason)
{
    pthread_mutex_lock(&seeing);
    snprintf(now.error, sizeof now.error, "%s", pawl_tls_error(stream));
    now.reason = (uint64_t)-reason;
    pthread_mutex_unlock(&seeing);
    io_closed(stream, reason);
}

void scene_open_with(struct tls_scene *scene, const struct pawl_tls_config *config,
                     const struct pawl_stream_config *stream)
{
    int status;

    tls_open(&scene->rt, 1);
    status = pawl_tls_open(&scene->tls, config);
    if (status != 0)
        fail_msg("pawl_tls_open: %d, %s", status, pawl_tls_failure());
    scene->config = *stream;
    scene->config.layer = pawl_tls_layer(scene->tls);
    io_listen(&scene->server, scene->rt, IO_TCP, &scene->config);
}

static const struct pawl_stream_config echo = {TLS_ECHO};

void scene_open(struct tls_scene *scene, const struct pawl_tls_config *config)
{
    scene_open_with(scene, config, &echo);
}

void scene_close(struct tls_scene *scene)
{
    io_unlisten(&scene->server);
    io_streams(scene->rt, 0);
    pawl_tls_close(scene->tls);
    tls_close(scene->rt);
}

/* ---- peers ---- */

SSL_CTX *peer_context(const char *ca_file)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    assert_non_null(context);
    if (ca_file != NULL) {
        assert_int_equal(SSL_CTX_load_verify_file(context, ca_file), 1);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    return context;
}

void peer_connect(struct peer *peer, SSL_CTX *context, const struct io_server *server)
{
    peer->fd = io_connect(server);
    peer->ssl = SSL_new(context);
    assert_non_null(peer->ssl);
    assert_int_equal(SSL_set_fd(peer->ssl, peer->fd), 1);
    SSL_set_connect_state(peer->ssl);
}

static void complain(const struct peer *peer, const char *what, int result)
{
    fail_msg("%s: %d, %d, %s", what, result, SSL_get_error(peer->ssl, result),
             ERR_reason_error_string(ERR_peek_error()));
}

void peer_greet(struct peer *peer)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(peer->ssl);
    if (result != 1)
        complain(peer, "handshake", result);
}

void peer_open(struct peer *peer, SSL_CTX *context, const struct io_server *server)
{
    peer_connect(peer, context, server);
    peer_greet(peer);
}

void peer_write(struct peer *peer, const void *bytes, size_t count)
{
    size_t written;

    ERR_clear_error();
    if (SSL_write_ex(peer->ssl, bytes, count, &written) != 1)
        complain(peer, "write", 0);
    assert_int_equal(written, count);
}

void peer_read(struct peer *peer, void *bytes, size_t count)
{
    size_t n;

    ERR_clear_error();
    for (size_t done = 0; done < count; done += n)
        if (SSL_read_ex(peer->ssl, (char *)bytes + done, count - done, &n) != 1)
            complain(peer, "read", 0);
}

void peer_echo(struct peer *peer, size_t count)
{
    char *out = malloc(count), *in = malloc(count);

    assert_non_null(out);
    assert_non_null(in);
    io_fill(out, count, io_seed(), count);
    peer_write(peer, out, count);
    peer_read(peer, in, count);
    assert_memory_equal(in, out, count);
    free(out);
    free(in);
}

void peer_read_end(struct peer *peer)
{
    char byte;
    size_t n;
    int result;

    ERR_clear_error();
    result = SSL_read_ex(peer->ssl, &byte, 1, &n);
    assert_int_equal(result, 0);
    if (SSL_get_error(peer->ssl, result) != SSL_ERROR_ZERO_RETURN)
        complain(peer, "the end", result);
}

void peer_close(struct peer *peer)
{
    assert_true(SSL_shutdown(peer->ssl) >= 0);
    peer_read_end(peer);
    peer_drop(peer);
}

void peer_drop(struct peer *peer)
{
    SSL_free(peer->ssl);
    close(peer->fd);
    ERR_clear_error();
}

void pair_open(struct tls_pair *pair, const struct pawl_tls_config *config,
               const struct pawl_stream_config *stream)
{
    const struct pawl_tls_config serving = tls_serving();

    pair->context = peer_context(authority.chain);
    scene_open_with(&pair->scene, config != NULL ? config : &serving, stream != NULL ? stream : &echo);
    peer_open(&pair->peer, pair->context, &pair->scene.server);
}

void pair_close(struct tls_pair *pair)
{
    peer_drop(&pair->peer);
    SSL_CTX_free(pair->context);
    scene_close(&pair->scene);
}

const char *peer_sees(const struct peer *peer)
{
    static char seen[256];
    const X509 *certificate = SSL_get0_peer_certificate(peer->ssl);

    assert_non_null(certificate);
    assert_true(
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, seen, sizeof seen) > 0);
    return seen;
}
