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

/* SIGUSR1: a snapshot is written soon, beside the work (-o snapshot). Any thread; signal handlers. */
void cache_server_snapshot(struct cache_server *server);

/* Reads the certificates again, soon. Any thread; signal handlers. */
void cache_server_refresh(struct cache_server *server);

/* Ends it; `keeps`: the items are written for the next start (-e). Returns 0, or why they could not be, which was said. */
int cache_server_close(struct cache_server *server, bool keeps);

#endif
