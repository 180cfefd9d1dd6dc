/* SPDX-License-Identifier: MIT */
/* TLS servers of one thread, each on another library. What they serve: a message that begins with a zero comes back; one that
 * begins with anything else is one byte long, and TLS_BULK zeroes come for it. A client that says close_notify is
 * answered with one, and closed. */
#ifndef BENCH_TLS_PEERS_H
#define BENCH_TLS_PEERS_H

#include "../echo/echo_peers.h"

#include <openssl/ssl.h>

enum { TLS_BULK = 1 << 20, TLS_RECORD = 16384 };

/* The certificate of all. */
extern const char *tls_chain_file, *tls_key_file;
/* What is sent. */
extern const char tls_bulk[TLS_BULK];

int tls_bare(const struct echo_place *place);
int tls_bare_memory(const struct echo_place *place);
int tls_bare_kernel(const struct echo_place *place);
int tls_pawl_epoll(const struct echo_place *place);
int tls_pawl_uring(const struct echo_place *place);
int tls_libevent(const struct echo_place *place);

/* For those that call OpenSSL themselves: a context with the certificate; NULL: it says why. */
SSL_CTX *tls_server_context(void);
/* A connection that is to be greeted; NULL: no memory. */
SSL *tls_server_ssl(SSL_CTX *context);

/* Does this kernel take records over? */
int tls_kernel_can(void);

#endif
