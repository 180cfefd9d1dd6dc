/* SPDX-License-Identifier: MIT */
/* What the servers share that call OpenSSL themselves. */
#include "tls_peers.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <unistd.h>

const char *tls_chain_file, *tls_key_file;
const char tls_bulk[TLS_BULK];

SSL_CTX *tls_server_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, tls_chain_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, tls_key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_session_id_context(context, (const unsigned char *)"bench", 5) != 1) {
        ERR_print_errors_fp(stderr);
        return NULL;
    }
    /* Tickets alone, as with us: nothing is remembered. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

SSL *tls_server_ssl(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);

    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    return ssl;
}

/* A connection is asked: only there does the kernel look for what has that name. */
int tls_kernel_can(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int can = listener >= 0 && client >= 0 &&
              bind(listener, (const struct sockaddr *)&here, sizeof here) == 0 && listen(listener, 1) == 0 &&
              getsockname(listener, (struct sockaddr *)&here, &bytes) == 0 &&
              connect(client, (const struct sockaddr *)&here, bytes) == 0 &&
              setsockopt(client, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0;

    if (listener >= 0)
        close(listener);
    if (client >= 0)
        close(client);
    return can;
}
