/* SPDX-License-Identifier: MIT */
/* c-ares on the worker's loop: its sockets are watches, its timeouts a timer. */
#include "resolver.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TIMEOUT_MS = 2000, TRIES = 3, STEPS = 64 };

#define NS_A_SECOND UINT64_C(1000000000)

/* ---- time ---- */

void pawl_resolver_arm_(struct pawl_resolver *resolver)
{
    struct timeval left;

    if (ares_timeout(resolver->channel, NULL, &left) != NULL)
        pawl_timer_after(&resolver->timer,
                         (uint64_t)left.tv_sec * NS_A_SECOND + (uint64_t)left.tv_usec * 1000);
    else if (pawl_timer_armed(&resolver->timer))
        (void)pawl_timer_cancel(&resolver->timer);
}

static void time_is_over(struct pawl_timer *timer)
{
    struct pawl_resolver *resolver = pawl_timer_of(timer, struct pawl_resolver, timer);

    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    pawl_resolver_arm_(resolver);
}

/* ---- sockets ---- */

static struct resolver_socket **find(struct pawl_resolver *resolver, ares_socket_t fd)
{
    struct resolver_socket **place = &resolver->sockets;

    while (*place != NULL && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

/* What the socket is ready for now, of what c-ares wants to know. */
static uint32_t look(const struct resolver_socket *socket)
{
    struct pollfd now = {.fd = socket->fd, .events = (short)socket->events};

    return poll(&now, 1, 0) == 1 ? (uint32_t)now.revents : 0;
}

static void forget(struct resolver_socket **place)
{
    struct resolver_socket *socket = *place;

    pawl_watch_stop(&socket->watch);
    *place = socket->next;
    free(socket);
}

/* Watches it from now on: what it is ready for already is told in a later turn. */
static void watch_anew(struct resolver_socket **place)
{
    struct resolver_socket *socket = *place;

    pawl_watch_stop(&socket->watch);
    if (pawl_watch_start(&socket->watch, socket->fd, socket->events) != 0)
        forget(place);
}

/* c-ares takes a piece of an answer at a time; an edge is told once. So it is called until nothing is left, or others
 * have their turn. */
static void ready(struct pawl_watch *watch, uint32_t events)
{
    struct resolver_socket *socket = (struct resolver_socket *)(void *)watch; /* the first member */
    struct pawl_resolver *resolver = socket->resolver;
    const ares_socket_t fd = socket->fd;

    for (unsigned step = 0; step < STEPS && events != 0; step++) {
        ares_process_fd(resolver->channel, (events & ~(uint32_t)EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD,
                        (events & EPOLLOUT) != 0 ? fd : ARES_SOCKET_BAD);
        socket = *find(resolver, fd);
        events = socket != NULL ? look(socket) : 0;
    }
    if (events != 0)
        watch_anew(find(resolver, fd));
    pawl_resolver_arm_(resolver);
}

/* c-ares says what it waits for. If there is no memory for that, it hears nothing, and its timeout comes. */
static void wants(void *data, ares_socket_t fd, int readable, int writable)
{
    struct pawl_resolver *resolver = data;
    struct resolver_socket **place = find(resolver, fd), *socket = *place;
    const uint32_t events = (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0);

    if (socket != NULL && socket->events == events)
        return;
    if (socket != NULL && events == 0) {
        forget(place);
        return;
    }
    if (socket == NULL) {
        socket = events != 0 ? calloc(1, sizeof *socket) : NULL;
        if (socket == NULL)
            return;
        socket->watch.ready = ready;
        socket->resolver = resolver;
        socket->fd = fd;
        *place = socket;
    }
    socket->events = events;
    watch_anew(place);
}

/* ---- beginning and end ---- */

static void end(struct pawl_resolver *resolver)
{
    for (struct resolver_query *query = resolver->queries; query != NULL; query = query->next) {
        if (query->resolve != NULL)
            pawl_op_end(&query->resolve->op, -ECANCELED);
        query->resolve = NULL;
    }
    ares_destroy(resolver->channel); /* queries and sockets go with it */
    while (resolver->sockets != NULL)
        forget(&resolver->sockets);
    if (pawl_timer_armed(&resolver->timer))
        (void)pawl_timer_cancel(&resolver->timer);
    pawl_watch_stop(&resolver->alive);
    close(resolver->alive_fd);
    free(resolver);
}

static void never(struct pawl_watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

static void runtime_closes(struct pawl_watch *watch)
{
    end((struct pawl_resolver *)(void *)((char *)watch - offsetof(struct pawl_resolver, alive)));
}

static int of_ares(int status)
{
    return status == ARES_SUCCESS  ? 0
           : status == ARES_ENOMEM ? -ENOMEM
           : status == ARES_EFILE  ? -EIO
                                   : -EINVAL;
}

static void prepare_library(void)
{
    (void)ares_library_init(ARES_LIB_INIT_ALL); /* nothing that can fail, but for Windows */
}

/* c-ares cuts them to 16 bits. "a.b.c.d:port" or "[...]:port"; several colons without brackets are an address alone. */
static bool ports_are_good(const char *servers)
{
    while (*servers != '\0') {
        const char *end = strchrnul(servers, ','), *host_end = memchr(servers, ']', (size_t)(end - servers));
        const char *first = host_end != NULL ? host_end : servers;
        const char *colon = memchr(first, ':', (size_t)(end - first));

        if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL) {
            char *port_end;
            unsigned long port = strtoul(colon + 1, &port_end, 10);

            if (!isdigit((unsigned char)colon[1]) || port == 0 || port > UINT16_MAX || port_end != end)
                return false;
        }
        servers = *end == ',' ? end + 1 : end;
    }
    return true;
}

static int open_channel(struct pawl_resolver *resolver, const struct pawl_resolver_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct ares_options options = {
        .timeout = config->timeout_ms != 0 ? (int)config->timeout_ms : TIMEOUT_MS,
        .tries = config->tries != 0 ? (int)config->tries : TRIES,
        .sock_state_cb = wants,
        .sock_state_cb_data = resolver,
    };
    int error;

    if (config->servers != NULL && !ports_are_good(config->servers))
        return -EINVAL;
    (void)pthread_once(&once, prepare_library);
    error = of_ares(ares_init_options(&resolver->channel, &options,
                                      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB));
    if (error != 0 || config->servers == NULL)
        return error;
    error = of_ares(ares_set_servers_ports_csv(resolver->channel, config->servers));
    if (error != 0)
        ares_destroy(resolver->channel);
    return error;
}

int pawl_resolver_open(struct pawl_resolver **out, const struct pawl_resolver_config *config)
{
    static const struct pawl_resolver_config usual;
    struct pawl_resolver *resolver;
    int error;

    if (config == NULL)
        config = &usual;
    if (config->timeout_ms > INT32_MAX || config->tries > INT32_MAX)
        return -EINVAL;
    resolver = calloc(1, sizeof *resolver);
    if (resolver == NULL)
        return -ENOMEM;
    pawl_timer_init(&resolver->timer, time_is_over);
    resolver->alive.ready = never;
    resolver->alive.stopped = runtime_closes;
    resolver->alive_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = resolver->alive_fd < 0 ? -errno : pawl_watch_start(&resolver->alive, resolver->alive_fd, EPOLLIN);
    if (error == 0)
        error = open_channel(resolver, config);
    if (error != 0) {
        pawl_watch_stop(&resolver->alive);
        if (resolver->alive_fd >= 0)
            close(resolver->alive_fd);
        free(resolver);
        return error;
    }
    *out = resolver;
    return 0;
}

void pawl_resolver_close(struct pawl_resolver *resolver)
{
    if (resolver != NULL)
        end(resolver);
}
