/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a connection, for people. */
#ifndef CACHE_PEER_H
#define CACHE_PEER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CACHE_PEER_TEXT = 64,
    CACHE_PEER_LONG = 128, /* with a path */
};

struct cache_peer {
    uint16_t port; /* 0: a UNIX socket */
    char address[CACHE_PEER_TEXT];
};

/* Of a connected socket; freed by free(). NULL: memory is out. */
struct cache_peer *cache_peer_open(int fd);

/* "127.0.0.1:40000", "[::1]:40000", "unix", or "gone". */
void cache_peer_text(char text[CACHE_PEER_TEXT], int fd);

/* As memcached's `stats conns` has it, of the other end or of this one: "tcp:127.0.0.1:40000", "tcp6:[::1]:40000",
 * "unix:/path", where the other end's path is empty. False: there is no such socket any more. */
bool cache_peer_stat(char text[CACHE_PEER_LONG], int fd, bool other);
#endif
