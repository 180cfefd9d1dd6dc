/* SPDX-License-Identifier: MIT */
/* Addresses of a name. */
#include "resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern inline void pawl_resolve_init(struct pawl_resolve *resolve,
                                     void (*done)(struct pawl_op *op, int64_t result));

static int of_ares(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
        return -ENOENT;
    case ARES_ETIMEOUT:
        return -ETIMEDOUT;
    case ARES_ECONNREFUSED:
        return -ECONNREFUSED;
    case ARES_ESERVFAIL:
        return -EAGAIN;
    case ARES_EREFUSED:
        return -EREMOTEIO;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_EBADNAME:
    case ARES_ENOTIMP:
        return -EINVAL;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return -ECANCELED;
    default:
        return -EPROTO;
    }
}

/* What c-ares found, into an array of the operation's. Returns how many, or a negative errno. */
static int64_t take(struct pawl_resolve *resolve, const struct ares_addrinfo *found, uint16_t port)
{
    size_t n = 0;

    for (const struct ares_addrinfo_node *node = found->nodes; node != NULL; node = node->ai_next)
        n++;
    if (n == 0)
        return -ENOENT;
    resolve->addresses = calloc(n, sizeof *resolve->addresses);
    if (resolve->addresses == NULL)
        return -ENOMEM;
    for (const struct ares_addrinfo_node *node = found->nodes; node != NULL; node = node->ai_next) {
        struct pawl_address *address = &resolve->addresses[resolve->count];

        address->ttl = node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 0;
        if (node->ai_family == AF_INET) {
            memcpy(&address->socket.v4, node->ai_addr, sizeof address->socket.v4);
            address->socket.v4.sin_port = htons(port);
            address->bytes = sizeof address->socket.v4;
        } else {
            memcpy(&address->socket.v6, node->ai_addr, sizeof address->socket.v6);
            address->socket.v6.sin6_port = htons(port);
            address->bytes = sizeof address->socket.v6;
        }
        resolve->count++;
    }
    return (int64_t)resolve->count;
}

/* c-ares is done with a query, once. */
static void found(void *arg, int status, int timeouts, struct ares_addrinfo *addresses)
{
    struct resolver_query *query = arg;
    struct pawl_resolve *resolve = query->resolve;
    int64_t result = of_ares(status);

    (void)timeouts;
    if (query->next != NULL)
        query->next->place = query->place;
    *query->place = query->next;
    if (resolve != NULL) {
        resolve->query = NULL;
        if (result == 0)
            result = take(resolve, addresses, query->port);
        pawl_op_end(&resolve->op, result);
    }
    if (addresses != NULL)
        ares_freeaddrinfo(addresses);
    free(query);
}

/* Cancelled, or too late: c-ares goes on, but nobody is told. */
static void withdraw(struct pawl_op *op)
{
    struct pawl_resolve *resolve = pawl_op_of(op, struct pawl_resolve, op);
    struct resolver_query *query = resolve->query;

    query->resolve = NULL;
    resolve->query = NULL;
}

/* An address in digits (c-ares 1.18 asks servers about these). Returns its family, or AF_UNSPEC: it is none. */
static int read_digits(const char *name, uint16_t port, struct pawl_address *address)
{
    *address = (struct pawl_address){0};
    if (inet_pton(AF_INET, name, &address->socket.v4.sin_addr) == 1) {
        address->socket.v4.sin_family = AF_INET;
        address->socket.v4.sin_port = htons(port);
        address->bytes = sizeof address->socket.v4;
        return AF_INET;
    }
    if (inet_pton(AF_INET6, name, &address->socket.v6.sin6_addr) == 1) {
        address->socket.v6.sin6_family = AF_INET6;
        address->socket.v6.sin6_port = htons(port);
        address->bytes = sizeof address->socket.v6;
        return AF_INET6;
    }
    return AF_UNSPEC;
}

/* The operation has begun, and knows all it will. */
static void end_with(struct pawl_resolve *resolve, const struct pawl_address *address, bool wanted)
{
    if (wanted)
        resolve->addresses = malloc(sizeof *address);
    if (resolve->addresses != NULL) {
        *resolve->addresses = *address;
        resolve->count = 1;
    }
    pawl_op_end(&resolve->op, resolve->count == 1 ? 1 : wanted ? -ENOMEM : -ENOENT);
}

/* It knows nothing yet. */
static void ask(struct pawl_resolve *resolve, struct resolver_query *query, struct pawl_resolver *resolver,
                const char *name, int family)
{
    const struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};

    query->resolve = resolve;
    query->next = resolver->queries;
    query->place = &resolver->queries;
    if (query->next != NULL)
        query->next->place = &query->next;
    resolver->queries = query;
    resolve->query = query;
    ares_getaddrinfo(resolver->channel, name, NULL, &hints, found, query); /* may be done already */
    pawl_resolver_arm_(resolver);
}

int pawl_resolve_name(struct pawl_resolve *resolve, struct pawl_resolver *resolver, const char *name,
                      uint16_t port, int family)
{
    struct resolver_query *query;
    struct pawl_address address;
    int error, digits;

    if ((family != AF_UNSPEC && family != AF_INET && family != AF_INET6) || name[0] == '\0')
        return -EINVAL;
    query = calloc(1, sizeof *query);
    if (query == NULL)
        return -ENOMEM;
    error = pawl_op_begin(&resolve->op, resolver, withdraw);
    if (error != 0) {
        free(query);
        return error;
    }
    query->port = port;
    resolve->addresses = NULL;
    resolve->count = 0;
    digits = read_digits(name, port, &address);
    if (digits == AF_UNSPEC) {
        ask(resolve, query, resolver, name, family);
    } else {
        free(query);
        resolve->query = NULL;
        end_with(resolve, &address, family == AF_UNSPEC || family == digits);
    }
    return 0;
}

void pawl_resolve_free(struct pawl_resolve *resolve)
{
    free(resolve->addresses);
    resolve->addresses = NULL;
    resolve->count = 0;
}
