/* SPDX-License-Identifier: MIT */
/* A connection is a stream whose context is a cache_protocol. What has been received is fed to it, its answers are
 * written; the runtime sends them with one system call when the continuation returns. Each worker has a session of the
 * store and one buffer for replies. */
#include "server.h"

#include "detail.h"
#include "listen.h"
#include "protocol.h"
#include "tokens.h"

#include <errno.h>
#include <pawl/rt.h>
#include <pawl/stream.h>
#include <pawl/task.h>
#include <pawl/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    TICK_MS = 200,     /* of the clock */
    STEPS_A_TICK = 64, /* of upkeep, some 64 items each */
    SPARE_FILES = 64,  /* descriptors beside those of connections */
};

#define MILLISECOND UINT64_C(1000000)

/* What a worker has for itself. */
struct worker {
    struct worker *next;
    struct cache_session *session;
    struct cache_reply reply;
};

struct cache_server {
    struct cache_service service; /* first: hooks lead back from it */
    const struct cache_options *options;
    struct cache_store *store;
    struct cache_tokens *tokens;
    struct pawl_rt *rt;
    struct cache_listeners listeners;
    struct pawl_stream_config stream;
    struct pawl_task starter;
    struct pawl_timer tick;
    PAWL_ATOMIC(uint32_t) numbered;       /* workers that have taken a place in the statistics */
    PAWL_ATOMIC(struct worker *) workers; /* W: all */
    PAWL_ATOMIC(uint64_t)
    connections, accepted, rejected PAWL_LINE_PAIR_ALIGNED; /* relaxed: figures and a limit */
};

static __thread struct worker *here;

/* ---- workers ---- */

/* NULL: memory is out; the connection that needs it is closed. */
static struct worker *worker_here(struct cache_server *server)
{
    struct worker *worker = here, *first;
    uint32_t number;

    if (PAWL_LIKELY(worker != NULL))
        return worker;
    worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return NULL;
    worker->session = cache_session_open(server->store);
    if (worker->session == NULL) {
        free(worker);
        return NULL;
    }
    number = pawl_fetch_add_relaxed(&server->numbered, 1u); /* relaxed: only to be different */
    cache_reply_init(&worker->reply, &server->service.workers[number]);
    first = pawl_load_relaxed(&server->workers); /* relaxed: the CAS decides */
    do
        worker->next = first;
    while (!pawl_cas_weak_release(&server->workers, &first,
                                  worker)); /* release W: with the acquire at the end */
    return here = worker;
}

/* ---- connections ---- */

static struct cache_server *server_of(const struct pawl_stream *stream)
{
    return pawl_stream_get_config(stream)->arg;
}

static void opened(struct pawl_stream *stream)
{
    static const char too_many[] = "ERROR Too many open connections\r\n";
    struct cache_server *server = server_of(stream);

    cache_protocol_init(pawl_stream_context(stream), &server->service);
    pawl_fetch_add_relaxed(&server->accepted, UINT64_C(1)); /* relaxed, all: see above */
    if (pawl_fetch_add_relaxed(&server->connections, UINT64_C(1)) < server->options->connections)
        return;
    pawl_fetch_add_relaxed(&server->rejected, UINT64_C(1));
    (void)pawl_stream_write(stream, too_many, sizeof(too_many) - 1);
    pawl_stream_close(stream);
}

/* Hands the reply over. Returns the bytes, or a negative errno. */
static int64_t answer(struct pawl_stream *stream, const struct cache_reply *reply)
{
    struct pawl_slice part;
    int64_t bytes = 0;
    int error = 0;

    for (size_t i = 0; error == 0 && cache_reply_part(reply, i, &part); i++) {
        if (part.count == 0)
            continue;
        bytes += (int64_t)part.count;
        error = part.chunk != NULL ? pawl_stream_send(stream, &part)
                                   : pawl_stream_write(stream, part.bytes, part.count);
    }
    return error == 0 ? bytes : error;
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct worker *worker = worker_here(server_of(stream));
    int64_t sent;
    int ends;

    if (worker == NULL) {
        pawl_stream_abort(stream, -ENOMEM);
        return;
    }
    ends = cache_feed(pawl_stream_context(stream), worker->session, slice->bytes, slice->count,
                      &worker->reply);
    sent = answer(stream, &worker->reply);
    cache_reply_clear(&worker->reply);
    cache_tally_many(worker->reply.stats, CACHE_BYTES_READ, slice->count);
    if (sent >= 0)
        cache_tally_many(worker->reply.stats, CACHE_BYTES_WRITTEN, (uint64_t)sent);
    if (sent == -ENOMEM)
        pawl_stream_abort(stream, -ENOMEM); /* a part of an answer would be worse than none */
    else if (ends == PROTOCOL_CLOSE)
        pawl_stream_close(stream);
}

static void closed(struct pawl_stream *stream, int reason)
{
    struct cache_server *server = server_of(stream);
    struct worker *worker = worker_here(server);

    if (pawl_load_relaxed(&server->service.verbosity) > 1 && reason != 0) /* relaxed: a setting */
        fprintf(stderr, "pawl-cache: a connection ended: %s\n", strerror(-reason));
    if (worker != NULL)
        cache_protocol_free(pawl_stream_context(stream), worker->session);
    pawl_fetch_sub_relaxed(&server->connections, UINT64_C(1)); /* relaxed: see above */
}

/* ---- the clock ---- */

static void tick(struct pawl_timer *timer)
{
    struct cache_server *server = pawl_timer_of(timer, struct cache_server, tick);
    struct worker *worker = worker_here(server);

    cache_tick(server->store);
    if (worker == NULL)
        return; /* the next time, perhaps */
    for (int i = 0; i < STEPS_A_TICK && cache_maintain(worker->session); i++)
        ;
}

static enum pawl_task_next start_clock(struct pawl_task *task)
{
    struct cache_server *server = (struct cache_server *)(void *)((char *)task -
                                                                  offsetof(struct cache_server, starter));

    pawl_timer_init(&server->tick, tick);
    pawl_timer_every(&server->tick, 0, TICK_MS * MILLISECOND);
    return PAWL_TASK_DONE;
}

/* ---- what `stats` asks ---- */

static struct cache_server *server_of_service(struct cache_service *service)
{
    return (struct cache_server *)service;
}

static bool authenticate(struct cache_service *service, const char *user, size_t user_bytes,
                         const char *password, size_t password_bytes)
{
    return cache_tokens_match(server_of_service(service)->tokens, user, user_bytes, password, password_bytes);
}

static void shut_down(struct cache_service *service, bool graceful)
{
    (void)graceful; /* it always is */
    cache_server_stop(server_of_service(service));
}

static void say_general(struct cache_service *service, cache_stat_fn *say, void *arg)
{
    struct cache_server *server = server_of_service(service);

    /* relaxed, all: figures */
    cache_stat(say, arg, "max_connections", "%u", server->options->connections);
    cache_stat(say, arg, "curr_connections", "%llu",
               (unsigned long long)pawl_load_relaxed(&server->connections));
    cache_stat(say, arg, "total_connections", "%llu",
               (unsigned long long)pawl_load_relaxed(&server->accepted));
    cache_stat(say, arg, "rejected_connections", "%llu",
               (unsigned long long)pawl_load_relaxed(&server->rejected));
    cache_stat(say, arg, "engine", "%s", pawl_rt_engine(server->rt));
}

static void say_settings(struct cache_service *service, cache_stat_fn *say, void *arg)
{
    const struct cache_options *options = server_of_service(service)->options;

    cache_stat(say, arg, "maxbytes", "%zu", options->limit);
    cache_stat(say, arg, "maxconns", "%u", options->connections);
    cache_stat(say, arg, "tcpport", "%u", options->unix_path == NULL ? options->port : 0u);
    cache_stat(say, arg, "udpport", "0");
    cache_stat(say, arg, "inter", "%s", options->address_count > 0 ? options->addresses[0] : "NULL");
    cache_stat(say, arg, "domain_socket", "%s", options->unix_path != NULL ? options->unix_path : "NULL");
    cache_stat(say, arg, "umask", "%o", options->unix_mask);
    cache_stat(say, arg, "evictions", "%s", options->no_eviction ? "off" : "on");
    cache_stat(say, arg, "num_threads", "%u", options->threads);
    cache_stat(say, arg, "tcp_backlog", "%d", options->backlog);
    cache_stat(say, arg, "item_size_max", "%zu", options->item_max);
    cache_stat(say, arg, "idle_timeout", "%u", options->idle_seconds);
    cache_stat(say, arg, "shutdown_command", "%s", options->may_shutdown ? "yes" : "no");
    cache_stat(say, arg, "flush_enabled", "%s", options->no_flush ? "no" : "yes");
}

static bool set_limit(struct cache_service *service, size_t bytes)
{
    return cache_store_limit(server_of_service(service)->store, bytes) == 0;
}

/* ---- all of it ---- */

static int complain(const char *what, int error)
{
    fprintf(stderr, "pawl-cache: %s: %s\n", what, strerror(-error));
    return error;
}

/* As many descriptors as connections may be. */
static void allow_files(uint32_t connections)
{
    struct rlimit limit;
    const rlim_t wanted = (rlim_t)connections + SPARE_FILES;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted && geteuid() == 0)
        limit.rlim_max = wanted;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        fprintf(stderr, "pawl-cache: only %llu descriptors are allowed, for %u connections (-c); ulimit -n\n",
                (unsigned long long)limit.rlim_cur, connections);
}

static void describe_service(struct cache_server *server)
{
    struct cache_service *service = &server->service;
    const struct cache_options *options = server->options;

    service->version = "1.6.18-pawl-" CACHE_VERSION; /* clients ask which memcached's commands they may use */
    service->item_max = options->item_max;
    service->dialect = options->dialect;
    service->sasl = options->sasl;
    service->tokens = options->token_file != NULL;
    service->no_flush = options->no_flush;
    service->may_shutdown = options->may_shutdown;
    service->authenticate = authenticate;
    service->shutdown = shut_down;
    service->set_limit = set_limit;
    service->say_general = say_general;
    service->say_settings = say_settings;
    pawl_store_relaxed(&service->verbosity, options->verbosity); /* relaxed: nobody reads it yet */
    server->stream = (struct pawl_stream_config){
        .opened = opened,
        .received = received,
        .closed = closed,
        .arg = server,
        .context_bytes = sizeof(struct cache_protocol),
        .idle_ms = options->idle_seconds * 1000,
    };
}

static int open_store(struct cache_server *server)
{
    const struct cache_options *options = server->options;
    const struct cache_store_config config = {
        .limit = options->limit,
        .item_max = options->item_max,
        .no_eviction = options->no_eviction,
    };
    const uint32_t workers = options->threads;
    int error = cache_store_open(&server->store, &config);

    if (error != 0)
        return complain("cannot open the store", error);
    server->service.workers = aligned_alloc(_Alignof(struct cache_command_stats),
                                            workers * sizeof(struct cache_command_stats));
    server->service.detail = cache_detail_open(options->delimiter, options->detail);
    if (server->service.workers == NULL || server->service.detail == NULL)
        return complain("cannot open the statistics", -ENOMEM);
    memset(server->service.workers, 0, workers * sizeof(struct cache_command_stats));
    server->service.worker_count = workers;
    if (options->token_file != NULL) {
        error = cache_tokens_open(&server->tokens, options->token_file);
        if (error != 0)
            return complain(options->token_file, error);
    }
    return 0;
}

static int open_runtime(struct cache_server *server)
{
    const struct pawl_rt_config config = {
        .workers = server->options->threads,
        .engine = server->options->engine,
        .name = "cache",
    };
    int error = pawl_rt_open(&server->rt, &config);

    if (error != 0)
        return complain("cannot start the runtime", error);
    pawl_task_init(&server->starter, start_clock, 0);
    error = pawl_task_spawn(server->rt, &server->starter);
    if (error != 0)
        return complain("cannot start the clock", error);
    return cache_listeners_open(&server->listeners, server->rt, &server->stream, server->options);
}

struct cache_server *cache_server_open(const struct cache_options *options)
{
    struct cache_server *server = aligned_alloc(_Alignof(struct cache_server), sizeof(*server));

    if (server == NULL) {
        complain("cannot start", -ENOMEM);
        return NULL;
    }
    memset(server, 0, sizeof(*server));
    server->options = options;
    allow_files(options->connections);
    describe_service(server);
    if (open_store(server) != 0 || open_runtime(server) != 0) {
        cache_server_close(server);
        return NULL;
    }
    return server;
}

void cache_server_run(struct cache_server *server)
{
    (void)pawl_rt_run(server->rt);
}

void cache_server_stop(struct cache_server *server)
{
    pawl_rt_stop(server->rt);
}

void cache_server_close(struct cache_server *server)
{
    struct worker *worker;

    cache_listeners_close(&server->listeners);
    (void)pawl_rt_close(server->rt);
    worker = pawl_load_acquire(&server->workers); /* acquire W: pairs with worker_here() */
    while (worker != NULL) {
        struct worker *next = worker->next;

        cache_reply_free(&worker->reply);
        cache_session_close(worker->session);
        free(worker);
        worker = next;
    }
    cache_store_close(server->store);
    cache_detail_close(server->service.detail);
    cache_tokens_close(server->tokens);
    free(server->service.workers);
    free(server);
}
