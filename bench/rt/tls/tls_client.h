/* SPDX-License-Identifier: MIT */
/* The client of all servers: blocking sockets with OpenSSL, many of them behind one epoll. */
#ifndef BENCH_TLS_CLIENT_H
#define BENCH_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

/* So many connections to one server. */
struct tls_clients {
    const struct sockaddr *address;
    socklen_t address_bytes;
    int epoll;
    unsigned count;
    SSL **ssl;
};

/* Version 12 or 13. */
void tls_client_begin(unsigned version);

/* Connects, says a byte, hears it, says goodbye and hears that: so many ms of this. Each but the first with the session of
 * the one before, or none. Returns how many. */
uint64_t tls_client_greet(const struct tls_clients *clients, bool resume, unsigned ms);

void tls_client_connect(struct tls_clients *clients, unsigned count);
void tls_client_disconnect(struct tls_clients *clients);

/* On each: sends so many bytes, the first of which is `first`, waits for `answer` bytes, and again, for so many ms. Returns
 * how many messages. */
uint64_t tls_client_talk(struct tls_clients *clients, char first, size_t count, size_t answer, unsigned ms);

#endif
