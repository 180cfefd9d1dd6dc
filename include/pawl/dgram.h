/* SPDX-License-Identifier: MIT */
/* Datagrams: UDP and UNIX sockets, driven by continuations.
 *
 * Purpose    Servers and clients of protocols over UDP (DNS, QUIC, games, metrics, multicast feeds) and UNIX datagram
 *            sockets. Datagrams go in and out in batches, one system call for many.
 * Model      A `struct pawl_dgram` is a socket that belongs to one worker: its continuations run there, one after the
 *            other, never inside each other, and its functions are called there. They are, in this order:
 *
 *              ( received | failed | drained )* closed
 *
 *              received   a datagram, or with PAWL_DGRAM_GRO several of one length in one piece. It is lent:
 *                         pawl_slice_hold() keeps the bytes; the addresses are good until it returns
 *              failed     a datagram could not be sent, or the network says so of an earlier one (ICMP). The socket
 *                         lives on
 *              drained    the out-queue has fallen to the low-water mark after one was refused
 *              closed     the last: 0 after pawl_dgram_close(), or why it ended. When it returns, the socket and
 *                         its context are gone
 * Sending    What is sent in a continuation goes out when the batch that came in has been handed over; what is sent
 *            elsewhere, in the next turn: with one sendmmsg(2) for up to 32.
 * Pressure   The out-queue is bounded: above `high` bytes a datagram is refused with -EAGAIN, and nothing is queued.
 *            Who cannot wait for `drained` drops it, as the network would.
 * Fairness   A socket is read for 64 datagrams (or 64 KiB of them), and told once or twice that it has drained, then all
 *            others have their turn.
 * Truncation A datagram that is longer than `largest` is handed over with PAWL_PACKET_TRUNCATED and the bytes that fit.
 * Engines    epoll: recvmmsg. io_uring: a multishot receive into provided buffers, if `largest` is 7936 bytes at most;
 *            else as with epoll.
 * Progress   No function waits.
 * Memory     About 400 bytes a socket and its context; about 200 a datagram that waits. Buffers are the worker's, but
 *            those of sockets whose `largest` is above 64 KiB.
 * Cost       docs/dgram.md.
 */
#ifndef PAWL_DGRAM_H
#define PAWL_DGRAM_H

#include <netinet/in.h>
#include <pawl/config.h>
#include <pawl/op.h>
#include <pawl/stream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

PAWL_BEGIN_DECLS

struct pawl_dgram;

/* ---- what comes ---- */

enum pawl_packet_flags {
    PAWL_PACKET_TRUNCATED = 1, /* it was longer */
};

/* An end of this machine: the address that a datagram came to, or is sent from. */
struct pawl_dgram_local {
    int family;         /* AF_INET, AF_INET6; 0: not known, or not to be chosen */
    uint32_t interface; /* its index; 0: any */
    union {
        struct in_addr v4;
        struct in6_addr v6;
    } address;
};

struct pawl_packet {
    struct pawl_slice slice;
    const struct sockaddr *from; /* from_bytes is 0 for a UNIX socket without a name */
    socklen_t from_bytes;
    uint32_t flags; /* enum pawl_packet_flags */
    uint32_t
        segment; /* PAWL_DGRAM_GRO: the length of each datagram in the slice but the last; else the slice's */
    struct pawl_dgram_local to; /* PAWL_DGRAM_LOCAL: where it came to */
};

struct pawl_dgram_error {
    int error;                 /* a negative errno */
    const struct sockaddr *to; /* where the datagram was sent to; NULL: not known */
    socklen_t to_bytes;
    /* PAWL_DGRAM_ERRORS, what the network says: who said it (NULL: nobody in particular), by which ICMP message, and
     * how many bytes of the datagram it brought back */
    const struct sockaddr *by;
    socklen_t by_bytes;
    uint8_t origin, type, code; /* SO_EE_ORIGIN_... of <linux/errqueue.h>; 0: none of it is known */
    uint32_t info;              /* EMSGSIZE: the path's MTU */
    const char *bytes;
    size_t count;
};

/* ---- a socket ---- */

enum pawl_dgram_flags {
    PAWL_DGRAM_LOCAL = 1,      /* tell where each came to (IP_PKTINFO) */
    PAWL_DGRAM_GRO = 2,        /* let the kernel put datagrams of a flow together (UDP_GRO), where it can */
    PAWL_DGRAM_ERRORS = 4,     /* ICMP errors in full, of sockets that are not connected too (IP_RECVERR) */
    PAWL_DGRAM_SHARE_PORT = 8, /* SO_REUSEPORT: one socket a worker on the same port */
    PAWL_DGRAM_SHARE_ADDRESS = 16, /* SO_REUSEADDR: several programs hear the same multicast group */
    PAWL_DGRAM_V6_ONLY = 32,       /* IPV6_V6ONLY */
    PAWL_DGRAM_BROADCAST = 64,     /* SO_BROADCAST */
};

/* Lives as long as its sockets. */
struct pawl_dgram_config {
    /* Continuations. Each may be NULL, but for received. */
    void (*received)(struct pawl_dgram *dgram, const struct pawl_packet *packet);
    void (*failed)(struct pawl_dgram *dgram, const struct pawl_dgram_error *error);
    void (*drained)(struct pawl_dgram *dgram);
    void (*closed)(struct pawl_dgram *dgram, int reason);
    void *arg;            /* the program's */
    size_t context_bytes; /* of the program's memory behind the socket, zeroed when it opens */
    uint32_t high, low;   /* marks of the out-queue in bytes; 0, 0: 256 KiB and 64 KiB */
    uint32_t largest;     /* bytes of a datagram that is received; 0: 2048, with PAWL_DGRAM_GRO 65535 */
    uint32_t flags;       /* enum pawl_dgram_flags */
};

/* A socket, bound to the address: of AF_INET, AF_INET6 (port 0: any) or AF_UNIX (of the family alone: the kernel chooses a
 * name). Returns 0; -EPERM (not on a worker); -EPIPE (the runtime closes); -ENOMEM; what socket, setsockopt and bind
 * say. On a worker. */
PAWL_API int pawl_dgram_open(struct pawl_dgram **dgram, const struct pawl_dgram_config *config,
                             const struct sockaddr *address, socklen_t address_bytes) PAWL_NONNULL;

/* The same with a descriptor, which is the caller's still if it fails: -EPROTOTYPE if it is no datagram socket. */
PAWL_API int pawl_dgram_adopt(struct pawl_dgram **dgram, const struct pawl_dgram_config *config, int fd)
    PAWL_NONNULL;

/* Datagrams go to and come from that peer only. What connect(2) says. */
PAWL_API int pawl_dgram_connect(struct pawl_dgram *dgram, const struct sockaddr *address,
                                socklen_t address_bytes) PAWL_NONNULL;

PAWL_API void *pawl_dgram_context(struct pawl_dgram *dgram) PAWL_NONNULL; /* aligned to 16 */
PAWL_API const struct pawl_dgram_config *pawl_dgram_get_config(const struct pawl_dgram *dgram) PAWL_NONNULL;
PAWL_API int pawl_dgram_fd(const struct pawl_dgram *dgram) PAWL_NONNULL; /* for setsockopt and the like */

/* Where it is bound. Returns 0, -EINVAL (too little room), or what getsockname says. */
PAWL_API int pawl_dgram_address(const struct pawl_dgram *dgram, struct sockaddr *address,
                                socklen_t *address_bytes) PAWL_NONNULL;

/* ---- sending ---- */

/* Where to; NULL for it: the connected peer. */
struct pawl_dgram_target {
    const struct sockaddr *address; /* NULL: the connected peer */
    socklen_t address_bytes;
    uint32_t
        segment; /* the bytes are datagrams of this length, the last may be shorter (UDP_SEGMENT, where the
                         kernel has it); 0: one datagram */
    const struct pawl_dgram_local
        *from; /* the address to send from, as a packet's `to`; NULL: the kernel chooses */
};

/* Queues a copy of the bytes. An empty datagram is one. Returns 0; -EAGAIN: the queue is full, see Pressure; -EPIPE: it
 * closes; -EMSGSIZE: longer than any datagram can be; -EINVAL: an address that is too long; -ENOMEM. What the kernel says
 * later, `failed` is told. */
PAWL_API int pawl_dgram_write(struct pawl_dgram *dgram, const struct pawl_dgram_target *target,
                              const void *bytes, size_t count) __attribute__((nonnull(1, 3)));

/* Queues the slice and holds it until it is sent. Returns as above. */
PAWL_API int pawl_dgram_send(struct pawl_dgram *dgram, const struct pawl_dgram_target *target,
                             const struct pawl_slice *slice) __attribute__((nonnull(1, 3)));

PAWL_API size_t pawl_dgram_queued(const struct pawl_dgram *dgram) PAWL_NONNULL; /* bytes in the out-queue */

/* ---- receiving ---- */

/* No more `received` until pawl_dgram_resume(), but for what the kernel had handed over before: up to 31 of a batch, or what
 * lies in the ring. Not counted. The kernel keeps what fits into its buffer. */
PAWL_API void pawl_dgram_pause(struct pawl_dgram *dgram) PAWL_NONNULL;
PAWL_API void pawl_dgram_resume(struct pawl_dgram *dgram) PAWL_NONNULL;

/* Hears a multicast group, of the socket's family, on an interface (0: the one of the route); or no more. `source`: only
 * what that one sends; NULL: all. Returns 0 or what setsockopt says. */
PAWL_API int pawl_dgram_join(struct pawl_dgram *dgram, const struct sockaddr *group, uint32_t interface,
                             const struct sockaddr *source) __attribute__((nonnull(1, 2)));
PAWL_API int pawl_dgram_leave(struct pawl_dgram *dgram, const struct sockaddr *group, uint32_t interface,
                              const struct sockaddr *source) __attribute__((nonnull(1, 2)));

/* ---- the end ---- */

/* Sends what is queued, then closes. Receives no more. */
PAWL_API void pawl_dgram_close(struct pawl_dgram *dgram) PAWL_NONNULL;

/* Closes at once. `reason` is what closed() will be told: 0 or a negative errno. */
PAWL_API void pawl_dgram_abort(struct pawl_dgram *dgram, int reason) PAWL_NONNULL;

PAWL_END_DECLS
#endif
