/* SPDX-License-Identifier: MIT */
#include "tls_client.h"

#include "../echo/echo_run.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ROOM = 1 << 20 };

static SSL_CTX *context;

static void die(const char *what)
{
    ERR_print_errors_fp(stderr);
    echo_die(what);
}

void tls_client_begin(unsigned version)
{
    const int number = version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;

    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, number) != 1 ||
        SSL_CTX_set_max_proto_version(context, number) != 1)
        die("a context");
    SSL_CTX_set_read_ahead(context, 1);
}

static SSL *connect_one(const struct tls_clients *clients, SSL_SESSION *session)
{
    int fd = socket(clients->address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SSL *ssl = SSL_new(context);

    if (fd < 0 || ssl == NULL || SSL_set_fd(ssl, fd) != 1)
        die("a connection");
    if (session != NULL && SSL_set_session(ssl, session) != 1)
        die("a session");
    while (connect(fd, clients->address, clients->address_bytes) != 0)
        if (errno != EINTR)
            die("connect");
    echo_no_delay(fd);
    if (SSL_connect(ssl) != 1)
        die("handshake");
    return ssl;
}

static void disconnect_one(SSL *ssl)
{
    const int fd = SSL_get_fd(ssl);
    char byte;

    if (SSL_shutdown(ssl) < 0)
        die("goodbye");
    while (SSL_read(ssl, &byte, 1) > 0)
        ;
    SSL_free(ssl);
    close(fd);
    ERR_clear_error();
}

/* Some bytes that begin with `first`, and what comes for them. */
static void say(SSL *ssl, char first, size_t count)
{
    static char bytes[ROOM];
    size_t written;

    bytes[0] = first;
    if (SSL_write_ex(ssl, bytes, count, &written) != 1 || written != count)
        die("write");
}

static void hear(SSL *ssl, size_t count)
{
    static char bytes[ROOM];
    size_t n;

    for (size_t heard = 0; heard < count; heard += n)
        if (SSL_read_ex(ssl, bytes, count - heard, &n) != 1)
            die("read");
}

uint64_t tls_client_greet(const struct tls_clients *clients, bool resume, unsigned ms)
{
    const uint64_t end = echo_now() + (uint64_t)ms * 1000000u;
    SSL_SESSION *session = NULL;
    uint64_t greeted = 0;

    do {
        SSL *ssl = connect_one(clients, session);

        if ((SSL_session_reused(ssl) == 1) != (session != NULL)) {
            fputs("bench-tls: a session was not resumed\n", stderr);
            exit(1);
        }
        say(ssl, 0, 1);
        hear(ssl, 1); /* and the ticket before it */
        if (resume) {
            SSL_SESSION_free(session);
            session = SSL_get1_session(ssl);
        }
        disconnect_one(ssl);
        greeted++;
    } while (echo_now() < end);
    SSL_SESSION_free(session);
    return greeted;
}

void tls_client_connect(struct tls_clients *clients, unsigned count)
{
    clients->epoll = epoll_create1(EPOLL_CLOEXEC);
    clients->ssl = calloc(count, sizeof(SSL *));
    clients->count = count;
    if (clients->epoll < 0 || clients->ssl == NULL)
        die("memory");
    for (unsigned i = 0; i < count; i++) {
        SSL *ssl = connect_one(clients, NULL);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

        clients->ssl[i] = ssl;
        say(ssl, 0, 1);
        hear(ssl, 1); /* the tickets are out of the way */
        if (epoll_ctl(clients->epoll, EPOLL_CTL_ADD, SSL_get_fd(ssl), &event) != 0)
            die("epoll_ctl");
    }
}

void tls_client_disconnect(struct tls_clients *clients)
{
    for (unsigned i = 0; i < clients->count; i++)
        disconnect_one(clients->ssl[i]);
    close(clients->epoll);
    free(clients->ssl);
}

uint64_t tls_client_talk(struct tls_clients *clients, char first, size_t count, size_t answer, unsigned ms)
{
    const uint64_t end = echo_now() + (uint64_t)ms * 1000000u;
    unsigned under_way = clients->count;
    uint64_t messages = 0;

    for (unsigned i = 0; i < clients->count; i++)
        say(clients->ssl[i], first, count);
    while (under_way > 0) {
        struct epoll_event events[64];
        const int n = epoll_wait(clients->epoll, events, 64, -1);
        const bool more = echo_now() < end;

        for (int k = 0; k < n; k++) {
            SSL *ssl = clients->ssl[events[k].data.u32];

            hear(ssl, answer);
            messages++;
            if (more)
                say(ssl, first, count);
            else
                under_way--;
        }
    }
    return messages;
}
