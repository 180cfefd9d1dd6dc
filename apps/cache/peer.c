/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static void name_it(char *text, const char *name)
{
    memcpy(text, name, strlen(name) + 1);
}

static uint16_t split(char address[CACHE_PEER_TEXT], int fd)
{
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof peer;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;

    memset(&peer, 0, sizeof peer);
    if (getpeername(fd, (struct sockaddr *)&peer, &bytes) != 0) {
        name_it(address, "unknown");
        return 0;
    }
    if (peer.ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, address, CACHE_PEER_TEXT) != NULL)
        return ntohs(v4->sin_port);
    if (peer.ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, address, CACHE_PEER_TEXT) != NULL)
        return ntohs(v6->sin6_port);
    name_it(address, "unix");
    return 0;
}

struct cache_peer *cache_peer_open(int fd)
{
    struct cache_peer *peer = malloc(sizeof *peer);

    if (peer != NULL)
        peer->port = split(peer->address, fd);
    return peer;
}

void cache_peer_text(char text[CACHE_PEER_TEXT], int fd)
{
    char address[CACHE_PEER_TEXT];
    const uint16_t port = split(address, fd);

    if (port == 0)
        name_it(text, strcmp(address, "unknown") == 0 ? "gone" : address);
    else /* an address has 45 bytes at most */
        (void)snprintf(text, CACHE_PEER_TEXT, strchr(address, ':') != NULL ? "[%.45s]:%u" : "%.45s:%u",
                       address, port);
}

bool cache_peer_stat(char text[CACHE_PEER_LONG], int fd, bool other)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
        struct sockaddr_storage room;
    } at = {.room = {.ss_family = AF_UNSPEC}};
    socklen_t bytes = sizeof at;
    char address[INET6_ADDRSTRLEN] = "";

    if ((other ? getpeername(fd, &at.any, &bytes) : getsockname(fd, &at.any, &bytes)) != 0)
        return false;
    switch (at.any.sa_family) {
    case AF_INET:
        (void)inet_ntop(AF_INET, &at.v4.sin_addr, address, sizeof address);
        (void)snprintf(text, CACHE_PEER_LONG, "tcp:%s:%u", address, ntohs(at.v4.sin_port));
        return true;
    case AF_INET6:
        (void)inet_ntop(AF_INET6, &at.v6.sin6_addr, address, sizeof address);
        (void)snprintf(text, CACHE_PEER_LONG, "tcp6:[%s]:%u", address, ntohs(at.v6.sin6_port));
        return true;
    case AF_UNIX: /* one without a name is as long as its family */
        (void)snprintf(text, CACHE_PEER_LONG, "unix:%.*s",
                       (int)(bytes - offsetof(struct sockaddr_un, sun_path)), at.path.sun_path);
        return true;
    default:
        return false;
    }
}
