/* SPDX-License-Identifier: MIT */
/* A bare epoll loop with OpenSSL on the descriptor, written for nothing else: the floor. Edge-triggered, registered once; one
 * SSL_write for what came with one SSL_read. It does not read while something waits to be written. And the same with
 * the records in the kernel. */
#include "../echo/bare_loop.h"
#include "tls_peers.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct connection {
    SSL *ssl;
    const char *from; /* what waits to be written */
    size_t count;
    char *kept; /* a copy of it, if it is not of tls_bulk */
};

static SSL_CTX *context;

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

        if (c == NULL || (c->ssl = tls_server_ssl(context)) == NULL || SSL_set_fd(c->ssl, fd) != 1)
            _exit(1);
        SSL_set_read_ahead(c->ssl, 1); /* header and body with one recv */
        echo_no_delay(fd);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            _exit(1);
    }
}

static void end(struct connection *c)
{
    const int fd = SSL_get_fd(c->ssl);

    if (SSL_get_shutdown(c->ssl) == SSL_RECEIVED_SHUTDOWN)
        (void)SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(fd);
    free(c->kept);
    free(c);
    ERR_clear_error();
}

/* Whether all went; *over: it is broken. */
static int write_on(struct connection *c, int *over)
{
    while (c->count > 0) {
        const int n = SSL_write(c->ssl, c->from, (int)c->count);

        if (n <= 0) {
            *over = SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_WRITE;
            return 0;
        }
        c->from += n;
        c->count -= (size_t)n;
    }
    free(c->kept);
    c->kept = NULL;
    return 1;
}

/* The socket takes no more: the buffer is wanted for others. */
static void keep(struct connection *c, const char *buffer)
{
    if (c->count == 0 || c->from < buffer || c->from >= buffer + TLS_RECORD)
        return;
    c->kept = malloc(c->count);
    if (c->kept == NULL)
        _exit(1);
    memcpy(c->kept, c->from, c->count);
    c->from = c->kept;
}

static void serve(void *connection, uint32_t events)
{
    struct connection *c = connection;
    static char buffer[TLS_RECORD];
    int over = 0;

    (void)events; /* OpenSSL finds out */
    while (write_on(c, &over)) {
        const int n = SSL_read(c->ssl, buffer, sizeof buffer);

        if (n <= 0) {
            over = SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ;
            break;
        }
        c->from = buffer[0] == 0 ? buffer : tls_bulk;
        c->count = buffer[0] == 0 ? (size_t)n : TLS_BULK;
    }
    if (over)
        end(c);
    else
        keep(c, buffer);
}

static int run(const struct echo_place *place, uint64_t with)
{
    context = tls_server_context();
    if (context == NULL)
        return -EINVAL;
    SSL_CTX_set_options(context, with);
    return echo_bare_loop(place, accept_all, serve);
}

int tls_bare(const struct echo_place *place)
{
    return run(place, 0);
}

int tls_bare_kernel(const struct echo_place *place)
{
    return tls_kernel_can() ? run(place, SSL_OP_ENABLE_KTLS) : -ENOENT;
}
