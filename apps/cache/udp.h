/* SPDX-License-Identifier: MIT */
/* The protocols over UDP, as memcached speaks them: before each datagram a header of four numbers of 16 bits, in the order of
 * the network.
 *
 *   byte 0         2          4       6          8
 *        | request | datagram | of so | reserved | bytes of the protocol |
 *        |         | number   | many  | (0)      |
 *
 * Purpose    Clients that ask for many small values and would rather lose one than wait. Off unless -U is given: who can
 *            lie about his address has the answers sent to somebody else (docs/cache.md).
 * Model      A datagram is a connection of its own: it holds whole requests, and what is not whole is refused. All
 *            answers to it come with its number, in as many datagrams of 1400 bytes as it takes.
 * Lost       What finds no room in the out-queue is dropped as a whole, as the network would; half an answer helps nobody.
 * Loops      What comes from our own port number is not answered: an answer that was made to look like a request of
 *            another server would be answered for ever. Servers at other ports and whoever echoes are stopped by the
 *            second rule: what begins with ERROR, CLIENT_ERROR or SERVER_ERROR is not answered, and no answer to an
 *            answer begins otherwise. */
#ifndef CACHE_UDP_H
#define CACHE_UDP_H

#include <pawl/dgram.h>
#include <pawl/task.h>

struct cache_server;

enum { CACHE_UDP_SOCKETS_MAX = 64 };

struct cache_udp {
    struct pawl_dgram_config config;
    struct pawl_task opener;
    int fds[CACHE_UDP_SOCKETS_MAX]; /* until a worker has taken them: -1 from then on */
    unsigned count;
    int status; /* of the opener */
};

/* A socket for each address, on some worker. Returns 0 or a negative errno; what is wrong was said on stderr. The sockets
 * end with the runtime. */
int cache_udp_open(struct cache_server *server);

#endif
