/* SPDX-License-Identifier: MIT */
/* A resolver inside. The contract is in <pawl/resolve.h>. */
#ifndef PAWL_RESOLVE_RESOLVER_H
#define PAWL_RESOLVE_RESOLVER_H

#include <pawl/resolve.h>
#include <pawl/timer.h>
#include <pawl/watch.h>

#include <ares.h>

/* A socket of c-ares, while it wants to be told of it. */
struct resolver_socket {
    struct pawl_watch watch;
    struct pawl_resolver *resolver;
    struct resolver_socket *next;
    ares_socket_t fd;
    uint32_t events;
};

/* What c-ares looks for. It may outlive the operation: c-ares cannot cancel one alone. */
struct resolver_query {
    struct resolver_query *next, **place; /* among the resolver's */
    struct pawl_resolve *resolve;         /* NULL: nobody waits any more */
    uint16_t port;
};

struct pawl_resolver {
    ares_channel channel;
    struct resolver_socket *sockets;
    struct resolver_query *queries;
    struct pawl_timer timer; /* c-ares' next timeout */
    struct pawl_watch alive; /* of an eventfd that never is ready: told when the runtime closes */
    int alive_fd;
};

/* Looks when c-ares wants to be woken next. */
void pawl_resolver_arm_(struct pawl_resolver *resolver);

#endif
