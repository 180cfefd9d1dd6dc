/* SPDX-License-Identifier: MIT */
/* libevent's bufferevents with OpenSSL. */
#include "tls_peers.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <unistd.h>

static struct event_base *base;
static SSL_CTX *context;

static void on_bytes(struct bufferevent *b, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(b);
    char first;

    (void)arg;
    if (evbuffer_copyout(input, &first, 1) != 1)
        return;
    if (first == 0) {
        bufferevent_write_buffer(b, input);
    } else {
        evbuffer_drain(input, 1);
        evbuffer_add_reference(bufferevent_get_output(b), tls_bulk, TLS_BULK, NULL, NULL);
    }
}

static void on_event(struct bufferevent *b, short what, void *arg)
{
    (void)arg;
    if ((what & BEV_EVENT_CONNECTED) != 0)
        return;
    if (SSL_get_shutdown(bufferevent_openssl_get_ssl(b)) == SSL_RECEIVED_SHUTDOWN)
        (void)SSL_shutdown(bufferevent_openssl_get_ssl(b));
    bufferevent_free(b);
    ERR_clear_error();
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
    int fd;

    (void)what;
    (void)arg;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        SSL *ssl = SSL_new(context);
        struct bufferevent *b = ssl == NULL
                                    ? NULL
                                    : bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                                     BEV_OPT_CLOSE_ON_FREE);

        if (b == NULL)
            _exit(1);
        echo_no_delay(fd);
        bufferevent_setcb(b, on_bytes, NULL, on_event, NULL);
        bufferevent_enable(b, EV_READ | EV_WRITE);
    }
}

int tls_libevent(const struct echo_place *place)
{
    int listener = echo_listen(place);

    if (listener < 0)
        return listener;
    context = tls_server_context();
    if (context == NULL)
        return -EINVAL;
    base = event_base_new();
    if (base == NULL)
        return -ENOMEM;
    event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_accept, NULL), NULL);
    echo_ready(place);
    event_base_dispatch(base);
    return -EIO;
}
