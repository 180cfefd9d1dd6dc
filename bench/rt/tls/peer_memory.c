/* SPDX-License-Identifier: MIT */
/* A bare epoll loop with OpenSSL between two memory BIOs: one recv for all records that have come, one send for all that are
 * answered. A short read means drained. */
#include "../echo/bare_loop.h"
#include "tls_peers.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { AHEAD = 256 << 10 };

struct connection {
    int fd;
    bool blocked;
    SSL *ssl;
    BIO *in, *out;
    struct echo_rest rest; /* what the socket does not take */
    size_t bulk;           /* bytes that are yet to be encrypted */
};

static SSL_CTX *context;

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

        if (c == NULL || (c->ssl = tls_server_ssl(context)) == NULL ||
            (c->in = BIO_new(BIO_s_mem())) == NULL || (c->out = BIO_new(BIO_s_mem())) == NULL)
            _exit(1);
        SSL_set_bio(c->ssl, c->in, c->out);
        c->fd = fd;
        echo_no_delay(fd);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            _exit(1);
    }
}

/* What OpenSSL has put out. Whether the connection goes on. */
static bool send_out(struct connection *c)
{
    char *bytes;
    const long count = BIO_get_mem_data(c->out, &bytes);
    const int status = count > 0 ? echo_send(c->fd, &c->rest, bytes, (unsigned)count) : 0;

    (void)BIO_reset(c->out);
    c->blocked = c->blocked || status == 1;
    return status >= 0;
}

static bool send_bulk(struct connection *c)
{
    while (c->bulk > 0 && !c->blocked) {
        for (size_t ahead = 0; c->bulk > 0 && ahead < AHEAD; ahead += TLS_RECORD) {
            if (SSL_write(c->ssl, tls_bulk, TLS_RECORD) != TLS_RECORD)
                return false;
            c->bulk -= TLS_RECORD;
        }
        if (!send_out(c))
            return false;
    }
    return true;
}

/* All records that are whole. Whether the connection goes on. */
static bool answer(struct connection *c)
{
    static char plain[TLS_RECORD];
    int n;

    while ((n = SSL_read(c->ssl, plain, sizeof plain)) > 0)
        if (plain[0] != 0)
            c->bulk += TLS_BULK;
        else if (SSL_write(c->ssl, plain, n) != n)
            return false;
    if (SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ)
        return send_out(c) && send_bulk(c);
    if (SSL_get_shutdown(c->ssl) == SSL_RECEIVED_SHUTDOWN)
        (void)SSL_shutdown(c->ssl);
    (void)send_out(c);
    return false;
}

static void end(struct connection *c)
{
    SSL_free(c->ssl);
    close(c->fd);
    free(c->rest.bytes);
    free(c);
    ERR_clear_error();
}

static void serve(void *connection, uint32_t events)
{
    struct connection *c = connection;
    static char buffer[ECHO_BUFFER];
    bool good = true;
    ssize_t n = 0;

    if ((events & EPOLLOUT) != 0 && c->blocked) {
        const int status = echo_send_rest(c->fd, &c->rest);

        c->blocked = status == 1;
        good = status >= 0 && send_bulk(c);
    }
    while (good && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0) {
        n = recv(c->fd, buffer, sizeof buffer, 0);
        if (n <= 0) {
            good = n < 0 && errno == EAGAIN;
            break;
        }
        good = BIO_write(c->in, buffer, (int)n) == n && answer(c);
        if (n < (ssize_t)sizeof buffer && (events & (EPOLLRDHUP | EPOLLHUP)) == 0)
            break;
    }
    if (!good)
        end(c);
}

int tls_bare_memory(const struct echo_place *place)
{
    context = tls_server_context();
    if (context == NULL)
        return -EINVAL;
    return echo_bare_loop(place, accept_all, serve);
}
