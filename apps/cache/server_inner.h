/* SPDX-License-Identifier: MIT */
/* What the files of the server share. */
#ifndef CACHE_SERVER_INNER_H
#define CACHE_SERVER_INNER_H

#include "conns.h"
#include "http.h"
#include "keep.h"
#include "latency.h"
#include "listen.h"
#include "metrics.h"
#include "protocol.h"
#include "server.h"
#include "slow.h"
#include "udp.h"
#include "watch.h"

#include <pawl/stream.h>
#include <pawl/task.h>
#include <pawl/timer.h>
#include <time.h>

/* What a worker has for itself. */
struct worker {
    struct worker *next;
    struct cache_session *session;
    clockid_t cpu; /* its thread's */
    uint32_t number;
    struct cache_foreseen foreseen; /* of the slice that comes behind the next */
    struct cache_reply reply;
    struct cache_latency latency; /* of turns: from what was received to what was answered */
};

/* Of a connection whose request takes more than a turn. */
struct cache_respite {
    struct pawl_timer timer; /* on the worker of the stream, as is all of it */
    struct pawl_stream *stream;
};

/* The context of a client's stream. */
struct connection {
    struct cache_protocol protocol;
    struct cache_conn conn;
    struct cache_watcher *watcher; /* `watch`; NULL: it is an ordinary one */
    struct cache_respite *respite; /* NULL: it never took so long */
    bool wrong;                    /* closed for what the client sent */
    struct pawl_slice
        rest; /* PROTOCOL_FULL: received, and waits for the client to read, or for the others; bytes NULL: none */
};

struct cache_server {
    struct cache_service service; /* first: hooks lead back from it */
    const struct cache_options *options;
    struct cache_store *store;
    struct cache_tokens *tokens;
    struct pawl_rt *rt;
    struct cache_listeners listeners;
    struct pawl_stream_config stream, plain; /* with TLS, if it is on, and without */
    struct pawl_stream_config
        watching;          /* of a connection that has said `watch`; the layer that it has stays */
    struct cache_tls *tls; /* NULL: none */
    struct cache_udp udp;  /* -U */
    struct cache_http http;
    struct cache_metrics metrics;
    struct cache_slow *slow;
    struct cache_keep keep;
    struct cache_watchers watchers;
    struct cache_conns conns;
    uint64_t slow_cycles; /* turns that take longer are noted */
    struct pawl_task starter;
    struct pawl_timer tick;
    PAWL_ATOMIC(uint32_t) numbered;       /* workers that have taken a place in the statistics */
    PAWL_ATOMIC(struct worker *) workers; /* W: all */
    PAWL_ATOMIC(uint64_t)
    connections, accepted, rejected PAWL_LINE_PAIR_ALIGNED; /* relaxed: figures and a limit */
    PAWL_ATOMIC(uint64_t) accepted_before, rejected_before; /* the last `stats reset`; relaxed */
};

/* The worker that runs this thread. NULL: memory is out. */
struct worker *cache_worker_here(struct cache_server *server);

/* ---- server_figures.c ---- */

/* The hooks of `stats`. */
void cache_server_figures(struct cache_server *server);

/* --metrics. Returns 0 or a negative errno; what is wrong was said on stderr. */
int cache_server_metrics(struct cache_server *server);

#endif
