/* SPDX-License-Identifier: MIT */
/* Datagrams in straight lines, for fibers.
 *
 * Purpose    Questions and answers over UDP and UNIX datagram sockets, as a resolver or a heartbeat has them. The calls suspend
 *            the fiber (<pawl/fiber.h>), never its worker. What serves many peers as fast as the kernel can takes
 *            continuations: <pawl/dgram.h>, on which this stands.
 * Model      A `struct pawl_mailbox` lies in the fiber's memory, usually on its stack. pawl_receive_from() gives one datagram after
 *            the other, each whole; pawl_send_to() sends one. Datagrams that come while nobody receives are kept, up to
 *            some 64 KiB, then the kernel keeps and drops them as its buffer goes.
 *            One fiber receives and one sends at a time, both on the worker where the mailbox was opened. Who closes is the
 *            last. pawl_mailbox_close() must have returned before the memory goes.
 * Errors     What the kernel or the network says of a datagram that was sent (-ECONNREFUSED, -EMSGSIZE, -ENETUNREACH, ...) is the
 *            result of the next call, as with sockets; the mailbox lives on.
 * Deadlines  The forms with _until end with -ETIMEDOUT when `deadline` (CLOCK_MONOTONIC, ns: pawl_deadline(ns from now),
 *            PAWL_FOREVER) has passed. The mailbox lives on.
 * Cancel     A fiber that is cancelled gets -ECANCELED from the call it is in, and from each later one; close ends such
 *            a mailbox at once, without sending what is queued.
 * Progress   Functions suspend the fiber, but for those that say so.
 * Memory     A mailbox: 480 bytes, the caller's, and its socket of <pawl/dgram.h>; a datagram that is kept: 160 bytes and the worker's
 *            buffer that it came in.
 * Cost       That of <pawl/dgram.h>, a copy of what is received, and two switches a wait.
 * By fibers; elsewhere they abort.
 */
#ifndef PAWL_FIBER_DGRAM_H
#define PAWL_FIBER_DGRAM_H

#include <pawl/config.h>
#include <pawl/dgram.h>
#include <pawl/fiber.h>
#include <pawl/op.h>
#include <pawl/park.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

PAWL_BEGIN_DECLS

struct pawl_letter;

struct pawl_mailbox {
    /* the runtime's */
    struct pawl_dgram *dgram; /* NULL: it has ended */
    struct pawl_dgram_config config;
    struct pawl_op reader, writer, closer;
    void *room; /* of who receives */
    size_t count;
    struct sockaddr *from;
    socklen_t *from_bytes;
    struct pawl_letter *first, *last; /* what came while nobody received */
    size_t weight;
    int error;  /* of a datagram that was sent; the next call is told */
    int reason; /* why it ended */
    uint32_t paused;
};

/* Opens a socket that is bound to an address: of AF_INET, AF_INET6 (port 0: any) or AF_UNIX (of the family alone: the kernel
 * chooses a name). largest: bytes of a datagram that is received; 0: 2048. flags: of enum pawl_dgram_flags, without
 * PAWL_DGRAM_GRO (-EINVAL). Returns 0 or as pawl_dgram_open(). Does not suspend. */
PAWL_API int pawl_mailbox_open(struct pawl_mailbox *mailbox, const struct sockaddr *address,
                               socklen_t address_bytes, uint32_t largest, uint32_t flags) PAWL_NONNULL;

/* The same with a descriptor, as pawl_dgram_adopt(): which is the caller's still if it fails. Does not suspend. */
PAWL_API int pawl_mailbox_adopt(struct pawl_mailbox *mailbox, int fd, uint32_t largest) PAWL_NONNULL;

/* Datagrams go to and come from that peer only, and its refusals are told. What connect(2) says. Does not suspend. */
PAWL_API int pawl_mailbox_connect(struct pawl_mailbox *mailbox, const struct sockaddr *address,
                                  socklen_t address_bytes) PAWL_NONNULL;

/* Where it is bound. Returns 0, -EINVAL (too little room), -EPIPE (it has ended). Does not suspend. */
PAWL_API int pawl_mailbox_address(const struct pawl_mailbox *mailbox, struct sockaddr *address,
                                  socklen_t *address_bytes) PAWL_NONNULL;

/* The next datagram. Returns its length, which may be 0; -EMSGSIZE: it was longer than `count` or `largest`, its first bytes are
 * there; or an error: of a datagram that was sent before, of what ended the mailbox, -ECANCELED, -ETIMEDOUT. from, from_bytes: as
 * recvfrom(2) has them; both may be NULL. */
PAWL_API int64_t pawl_receive_from(struct pawl_mailbox *mailbox, void *bytes, size_t count,
                                   struct sockaddr *from, socklen_t *from_bytes)
    __attribute__((nonnull(1, 2)));
PAWL_API int64_t pawl_receive_from_until(struct pawl_mailbox *mailbox, void *bytes, size_t count,
                                         struct sockaddr *from, socklen_t *from_bytes, uint64_t deadline)
    __attribute__((nonnull(1, 2)));

/* Sends a datagram to an address (NULL, 0: to the connected peer); waits while the out-queue is full. Returns `count`: it is sent or
 * queued, and the bytes are the caller's again; or an error, as above, of this call or an earlier datagram: it was not queued. */
PAWL_API int64_t pawl_send_to(struct pawl_mailbox *mailbox, const void *bytes, size_t count,
                              const struct sockaddr *to, socklen_t to_bytes) __attribute__((nonnull(1, 2)));
PAWL_API int64_t pawl_send_to_until(struct pawl_mailbox *mailbox, const void *bytes, size_t count,
                                    const struct sockaddr *to, socklen_t to_bytes, uint64_t deadline)
    __attribute__((nonnull(1, 2)));

/* Sends what is queued, closes, and waits until that is done; at the deadline, or if the fiber is cancelled, without sending. Returns
 * 0, or why it ended. Nothing if it has been closed. */
PAWL_API int pawl_mailbox_close(struct pawl_mailbox *mailbox) PAWL_NONNULL;
PAWL_API int pawl_mailbox_close_until(struct pawl_mailbox *mailbox, uint64_t deadline) PAWL_NONNULL;

PAWL_END_DECLS
#endif
