/* SPDX-License-Identifier: MIT */
/* Where the server listens. */
#ifndef CACHE_LISTEN_H
#define CACHE_LISTEN_H

#include "options.h"

#include <netdb.h>
#include <pawl/stream.h>

enum { CACHE_LISTENERS_MAX = 64 };

struct cache_listeners {
    struct pawl_listener *listener[CACHE_LISTENERS_MAX];
    unsigned count;
    const char *unix_path; /* to be removed at the end; NULL: none */
};

/* Returns 0 or a negative errno; what is wrong was said on stderr. */
int cache_listeners_open(struct cache_listeners *listeners, struct pawl_rt *rt,
                         const struct pawl_stream_config *stream, const struct pawl_stream_config *plain,
                         const struct cache_options *options);

/* The same addresses at another port, for other streams; 127.0.0.1 where the others are no addresses. */
int cache_listeners_add(struct cache_listeners *listeners, struct pawl_rt *rt,
                        const struct pawl_stream_config *stream, const struct cache_options *options,
                        uint16_t port);

/* The addresses behind one of -l, for sockets of that type: freeaddrinfo(). NULL: all of this machine. `port`: where the text
 * names none; `other_port`: whatever it names; 0: none. Returns as above. */
int cache_listen_resolve(const char *text, uint16_t port, uint16_t other_port, int type,
                         struct addrinfo **found);

void cache_listeners_close(struct cache_listeners *listeners);

#endif
