/* SPDX-License-Identifier: MIT */
/* Servers with TLS in the runtime, and peers of the test's thread: OpenSSL on blocking sockets. */
#ifndef TESTS_TLS_PEER_H
#define TESTS_TLS_PEER_H

#include "../rt/io/io.h"
#include "certificates.h"

#include <pawl/tls.h>

#include <openssl/ssl.h>

/* ---- a runtime with a server ---- */

struct tls_scene {
    struct pawl_rt *rt;
    struct pawl_tls *tls;
    struct pawl_stream_config config;
    struct io_server server;
};

/* As io_open and io_close, which waits for what RCU keeps. */
void tls_open(struct pawl_rt **rt, uint32_t workers);
void tls_close(struct pawl_rt *rt);

/* A server's settings with the certificate of server.test. */
struct pawl_tls_config tls_serving(void);

/* A runtime with a worker, and a server of these settings that echoes. */
void scene_open(struct tls_scene *scene, const struct pawl_tls_config *config);
/* The same with these continuations. */
void scene_open_with(struct tls_scene *scene, const struct pawl_tls_config *config,
                     const struct pawl_stream_config *stream);
void scene_close(struct tls_scene *scene);

/* Continuations that count in io_counts, and keep what TLS said. */
/* Of the last stream that opened, whose peer has heard of it. */
const struct pawl_tls_facts *tls_facts(void);
const char *tls_name(void);
/* Of the last that closed, after its count: what TLS said, and the reason, positive. */
const char *tls_error(void);
uint64_t tls_reason(void);
void tls_opened(struct pawl_stream *stream);
void tls_closed(struct pawl_stream *stream, int reason);
#define TLS_ECHO                                                                                        \
    .opened = tls_opened, .received = io_received_echo, .ended = io_ended_close, .drained = io_drained, \
    .closed = tls_closed

/* An assertion on a worker, where cmocka's cannot be. */
#define demand(condition)  \
    ((condition) ? (void)0 \
                 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), abort()))

/* ---- peers ---- */

/* A context for clients: they believe `authority` if it is not NULL. */
SSL_CTX *peer_context(const char *ca_file);

struct peer {
    int fd;
    SSL *ssl;
};

/* Connected, no handshake yet. */
void peer_connect(struct peer *peer, SSL_CTX *context, const struct io_server *server);
/* The handshake, which must succeed. */
void peer_greet(struct peer *peer);
/* Both, with a context that does not verify. */
void peer_open(struct peer *peer, SSL_CTX *context, const struct io_server *server);
void peer_write(struct peer *peer, const void *bytes, size_t count);
void peer_read(struct peer *peer, void *bytes, size_t count);
/* There and back. */
void peer_echo(struct peer *peer, size_t count);
void peer_read_end(struct peer *peer); /* close_notify comes */
/* close_notify both ways, and the end. */
void peer_close(struct peer *peer);
/* Without a word. */
void peer_drop(struct peer *peer);

/* ---- both ---- */

/* A scene with one peer that has greeted. */
struct tls_pair {
    struct tls_scene scene;
    SSL_CTX *context;
    struct peer peer;
};

/* NULL: the settings of tls_serving(); an echo. */
void pair_open(struct tls_pair *pair, const struct pawl_tls_config *config,
               const struct pawl_stream_config *stream);
/* The peer says nothing more. */
void pair_close(struct tls_pair *pair);

/* The CN of the certificate that the peer was shown. */
const char *peer_sees(const struct peer *peer);

#endif
