/* SPDX-License-Identifier: MIT */
/* Names to addresses, and connections to names. By c-ares; libpawl-resolve, `pkg-config --libs pawl-resolve`.
 *
 * Purpose    getaddrinfo(3) that does not block, and connecting to whichever of a name's addresses answers first.
 * Model      A resolver belongs to the worker that opened it, as do its operations (<pawl/op.h>). It reads
 *            /etc/resolv.conf when it is opened, and /etc/hosts when it is asked. Addresses come in the order of RFC 6724.
 *            pawl_connect_name() is "happy eyeballs" (RFC 8305): both families are asked for; an attempt begins as soon
 *            as there is an IPv6 address, or 50 ms after an IPv4 one; every 250 ms, or when one has failed, another address
 *            is tried beside it, of the other family in turn; the first connection is taken, the others are closed.
 * Errors     -ENOENT         there is no such name, or it has no address of that family
 *            -ETIMEDOUT      no server has answered, or the operation's deadline has passed
 *            -ECONNREFUSED   nobody serves names there; connecting: what the last attempt said
 *            -EAGAIN         the server failed: later, perhaps
 *            -EINVAL         no name can be so
 *            -EPROTO         the answer made no sense; -EREMOTEIO: the server refused to answer
 *            -ECANCELED      pawl_op_cancel(), or the resolver or the runtime was closed
 * Threads    All on the resolver's worker.
 * Progress   Nothing waits; pawl_resolver_open() and names that stand in files read these.
 * Closing    A runtime that closes closes its resolvers, for which pawl_resolver_close() is not called then.
 * Memory     A resolver some 10 KiB, a query 1 KiB, an attempt's socket; an operation is the caller's.
 */
#ifndef PAWL_RESOLVE_H
#define PAWL_RESOLVE_H

#include <netinet/in.h>
#include <pawl/config.h>
#include <pawl/op.h>
#include <pawl/stream.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

PAWL_BEGIN_DECLS

struct pawl_resolver;

/* Zeroed memory is a good one. */
struct pawl_resolver_config {
    const char *servers; /* "192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53"; NULL: those of /etc/resolv.conf */
    uint32_t timeout_ms; /* of the first try; 0: 2000 */
    uint32_t tries;      /* at each server; 0: 3 */
};

/* config may be NULL. Returns 0, -EPERM (not on a worker), -EPIPE (the runtime closes), -EINVAL (servers), -ENOMEM, -EMFILE,
 * ... */
PAWL_API int pawl_resolver_open(struct pawl_resolver **resolver, const struct pawl_resolver_config *config)
    __attribute__((nonnull(1))) PAWL_MUST_USE;

/* Its lookups complete with -ECANCELED, and connects that wait for them. NULL is nothing. */
PAWL_API void pawl_resolver_close(struct pawl_resolver *resolver);

struct pawl_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
    socklen_t bytes; /* of that */
    uint32_t ttl;    /* seconds for which it may be kept */
};

/* ---- addresses of a name ---- */

struct pawl_resolve {
    struct pawl_op op; /* completes with how many addresses there are (1 at least), or a negative errno */
    struct pawl_address *addresses; /* then; to be given back by pawl_resolve_free() */
    size_t count;
    void *query; /* the resolver's */
};

/* An idle one. */
PAWL_API PAWL_INLINE void pawl_resolve_init(struct pawl_resolve *resolve,
                                            void (*done)(struct pawl_op *op, int64_t result))
{
    pawl_op_init(&resolve->op, done);
    resolve->addresses = NULL;
    resolve->count = 0;
    resolve->query = NULL;
}

/* Begins to look for the addresses of a name, or of what an address says in digits. `port` goes into them; `family` is
 * AF_UNSPEC, AF_INET or AF_INET6. Returns 0; -EBUSY, -ENOMEM, -EINVAL (family, no name), -EPIPE. */
PAWL_API int pawl_resolve_name(struct pawl_resolve *resolve, struct pawl_resolver *resolver, const char *name,
                               uint16_t port, int family) PAWL_NONNULL;

/* The addresses of one that has completed. */
PAWL_API void pawl_resolve_free(struct pawl_resolve *resolve) PAWL_NONNULL;

/* ---- a connection to a name ---- */

struct pawl_connect {
    struct pawl_op op;          /* completes with 0, or a negative errno */
    struct pawl_stream *stream; /* when it has completed with 0: its `opened` comes after done() */
    void *race;                 /* the resolver's */
};

/* An idle one. In done() the stream may be told what it needs before it opens, as pawl_tls_set_name(). */
PAWL_API PAWL_INLINE void pawl_connect_init(struct pawl_connect *connect,
                                            void (*done)(struct pawl_op *op, int64_t result))
{
    pawl_op_init(&connect->op, done);
    connect->stream = NULL;
    connect->race = NULL;
}

/* Connects to a port of a name; the stream has this configuration (whose connect_ms says nothing: pawl_op_deadline()).
 * Returns 0; -EBUSY, -ENOMEM, -EINVAL (no name), -EPIPE. */
PAWL_API int pawl_connect_name(struct pawl_connect *connect, struct pawl_resolver *resolver,
                               const struct pawl_stream_config *config, const char *name, uint16_t port)
    PAWL_NONNULL;

PAWL_END_DECLS
#endif
