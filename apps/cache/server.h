/* SPDX-License-Identifier: MIT */
/* The network: listeners and connections on the runtime, between the sockets and the protocol. */
#ifndef CACHE_SERVER_H
#define CACHE_SERVER_H

#include "options.h"

struct cache_server;

/* Opens the store, the runtime and the listeners. NULL: what is wrong was said on stderr. */
struct cache_server *cache_server_open(const struct cache_options *options);

/* Serves until cache_server_stop(). */
void cache_server_run(struct cache_server *server);

/* Any thread; signal handlers. */
void cache_server_stop(struct cache_server *server);

void cache_server_close(struct cache_server *server);

#endif
