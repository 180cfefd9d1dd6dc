/* SPDX-License-Identifier: MIT */
/* A connection is a stream whose context is a cache_protocol. What has been received is fed to it, its answers are
 * written; the runtime sends them with one system call when the continuation returns. Each worker has a session of the
 * store and one buffer for replies. */
#include "server_inner.h"

#include "census.h"
#include "detail.h"
#include "systemd.h"
#include "tell.h"
#include "tokens.h"

#include <errno.h>
#include <pawl/clock.h>
#include <pawl/rt.h>
#include <pawl/stream.h>
#include <pawl/task.h>
#include <pawl/timer.h>
#include <poll.h>
#include <pthread.h>
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

static __thread struct worker *here;

/* ---- workers ---- */

struct worker *cache_worker_here(struct cache_server *server)
{
    struct worker *worker = here, *first;
    uint32_t number;

    if (PAWL_LIKELY(worker != NULL))
        return worker;
    worker = aligned_alloc(_Alignof(struct worker), sizeof(*worker));
    if (worker == NULL)
        return NULL;
    memset(worker, 0, sizeof(*worker));
    if (pthread_getcpuclockid(pthread_self(), &worker->cpu) != 0)
        worker->cpu = CLOCK_PROCESS_CPUTIME_ID;
    worker->session = cache_session_open(server->store);
    if (worker->session == NULL) {
        free(worker);
        return NULL;
    }
    number = pawl_fetch_add_relaxed(&server->numbered, 1u); /* relaxed: only to be different */
    worker->number = number;
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

/* To who listens: it has come, or it goes. When it goes its socket is closed already. */
static void tell_of(struct cache_server *server, struct connection *connection, enum cache_tap_kind kind,
                    int reason)
{
    struct cache_protocol *protocol = &connection->protocol;

    if (PAWL_UNLIKELY((cache_tap_wanted(server->service.tap) >> kind & 1) != 0))
        cache_tap_say(server->service.tap,
                      &(struct cache_tap_event){
                          .kind = kind,
                          .fd = protocol->fd,
                          .reason = reason,
                          .ttl = CACHE_TAP_FOREVER,
                          .peer = kind == CACHE_TAP_OPEN ? cache_tell_who(protocol) : protocol->peer,
                      });
}

static void opened(struct pawl_stream *stream)
{
    static const char too_many[] = "ERROR Too many open connections\r\n";
    struct cache_server *server = server_of(stream);
    struct connection *connection = pawl_stream_context(stream);

    cache_protocol_init(&connection->protocol, &server->service);
    connection->protocol.fd = pawl_stream_fd(stream);
    cache_conns_add(&server->conns, &connection->conn, connection->protocol.fd, cache_now(server->store));
    tell_of(server, connection, CACHE_TAP_OPEN, 0);
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

/* A turn is over: how long it took, and whether that was too long. */
static void time_turn(struct pawl_stream *stream, struct worker *worker, uint64_t began,
                      const struct cache_slow_turn *turn)
{
    const struct cache_server *server = server_of(stream);
    const uint64_t took = pawl_clock_cycles() - began;
    struct cache_slow_turn slow = *turn;

    cache_latency_add(&worker->latency, took);
    if (PAWL_LIKELY(took < server->slow_cycles))
        return;
    slow.took_ns = pawl_clock_cycles_to_ns(took);
    slow.fd = pawl_stream_fd(stream);
    cache_slow_note(server->slow, &slow);
}

/* False: it was told why not, and goes on. */
static bool begin_watch(struct pawl_stream *stream, struct connection *connection)
{
    struct cache_server *server = server_of(stream);

    connection->watcher = cache_watcher_open(&server->watchers, server->service.tap, stream,
                                             connection->protocol.watches);
    if (connection->watcher != NULL) {
        pawl_stream_become(stream, &server->watching);
        return true;
    }
    cache_protocol_unwatch(&connection->protocol);
    cache_conn_does(&connection->conn, CACHE_DOING_READ);
    return false;
}

static enum cache_doing doing(const struct cache_protocol *protocol)
{
    switch ((enum cache_state)protocol->state) {
    case CACHE_VALUE:
    case CACHE_PENDING:
    case CACHE_TOKEN:
        return CACHE_DOING_VALUE;
    case CACHE_SWALLOW:
        return CACHE_DOING_SWALLOW;
    case CACHE_WATCHES:
        return CACHE_DOING_WATCH;
    default:
        return CACHE_DOING_READ;
    }
}

/* One turn: what the bytes ask for is answered. Returns what cache_feed() does, or a negative errno: the connection is
 * to be aborted, as a part of an answer would be worse than none. */
static int turn(struct pawl_stream *stream, struct worker *worker, const char *bytes, size_t count)
{
    struct connection *connection = pawl_stream_context(stream);
    const uint64_t began = pawl_clock_cycles();
    const bool inside = cache_protocol_in_value(&connection->protocol);
    int64_t sent;
    int next;

    cache_conn_asks(&connection->conn, cache_now(server_of(stream)->store));
    next = cache_feed(&connection->protocol, worker->session, bytes, count, &worker->reply);
    cache_conn_does(&connection->conn, doing(&connection->protocol));
    sent = answer(stream, &worker->reply);
    cache_reply_clear(&worker->reply);
    if (sent >= 0)
        cache_tally_many(worker->reply.stats, CACHE_BYTES_WRITTEN, (uint64_t)sent);
    time_turn(stream, worker, began,
              &(struct cache_slow_turn){.received = count - connection->protocol.left,
                                        .answered = sent > 0 ? (size_t)sent : 0,
                                        .bytes = bytes,
                                        .binary = connection->protocol.binary,
                                        .inside = inside});
    return sent == -ENOMEM ? -ENOMEM : next;
}

/* The rest of what was received waits, and no more is. */
static void hold_rest(struct pawl_stream *stream, struct connection *connection,
                      const struct pawl_slice *rest)
{
    cache_conn_does(&connection->conn, CACHE_DOING_WRITE);
    if (connection->rest.bytes == NULL) {
        pawl_slice_hold(rest);
        pawl_stream_pause(stream);
    }
    connection->rest = *rest;
}

static void go_on(struct pawl_stream *stream, const struct pawl_slice *slice);

static void drained(struct pawl_stream *stream)
{
    const struct connection *connection = pawl_stream_context(stream);

    if (connection->rest.bytes != NULL)
        go_on(stream,
              &(struct pawl_slice){connection->rest.bytes, connection->rest.count, connection->rest.chunk});
}

/* Reset, or closed on both sides: nobody will read what is answered. While it is paused nothing is received that would tell, nor
 * sent if there is nothing to say. Who has only said that he sends no more is still there. */
static bool has_left(const struct pawl_stream *stream)
{
    struct pollfd look = {.fd = pawl_stream_fd(stream)};

    return poll(&look, 1, 0) == 1 && (look.revents & (POLLERR | POLLHUP)) != 0;
}

static void go_on_with_rest(struct pawl_timer *timer)
{
    const struct cache_respite *respite = pawl_timer_of(timer, struct cache_respite, timer);

    if (PAWL_UNLIKELY(has_left(respite->stream)))
        pawl_stream_abort(respite->stream, -ECONNRESET);
    else
        drained(respite->stream);
}

/* There is more to do than one turn may take: the others' turns first. Returns 0, -ENOMEM. */
static int go_on_later(struct pawl_stream *stream, struct connection *connection)
{
    if (connection->respite == NULL) {
        connection->respite = malloc(sizeof *connection->respite);
        if (connection->respite == NULL)
            return -ENOMEM;
        connection->respite->stream = stream;
        pawl_timer_init(&connection->respite->timer, go_on_with_rest);
    }
    pawl_timer_after(&connection->respite->timer, 0);
    return 0;
}

static void close_connection(struct pawl_stream *stream, struct connection *connection)
{
    connection->wrong = !connection->protocol.quits;
    pawl_stream_close(stream);
}

static void what_is_left(const struct connection *connection, struct pawl_slice *rest)
{
    rest->bytes += rest->count - connection->protocol.left;
    rest->count = connection->protocol.left;
}

static void go_on(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    struct worker *worker = cache_worker_here(server_of(stream));
    struct connection *connection = pawl_stream_context(stream);
    struct pawl_slice rest = *slice;
    int next = -ENOMEM;

    if (worker != NULL)
        next = turn(stream, worker, rest.bytes, rest.count);
    while (PAWL_UNLIKELY(next == PROTOCOL_WATCH) && !begin_watch(stream, connection)) {
        what_is_left(connection, &rest);
        next = turn(stream, worker, rest.bytes, rest.count);
    }
    if (next == PROTOCOL_FULL) {
        what_is_left(connection, &rest);
        hold_rest(stream, connection, &rest);
        /* The client has to read what it asked for, before more of what it has sent is looked at: drained() comes then. */
        next = pawl_stream_full(stream) ? 0 : go_on_later(stream, connection);
        if (next == 0)
            return;
    }
    if (connection->rest.bytes != NULL) {
        pawl_slice_release(&connection->rest);
        connection->rest = (struct pawl_slice){NULL, 0, NULL};
        pawl_stream_resume(stream);
    }
    if (next < 0)
        pawl_stream_abort(stream, next);
    else if (next == PROTOCOL_CLOSE)
        close_connection(stream, connection);
}

static void received(struct pawl_stream *stream, const struct pawl_slice *slice)
{
    go_on(stream, slice);
}

/* The turn of this one comes next, or after the next. */
static void ahead(struct pawl_stream *stream, const char *bytes, size_t count, unsigned step)
{
    struct cache_server *server = server_of(stream);
    const struct connection *connection = pawl_stream_context(stream);

    if (PAWL_UNLIKELY(here == NULL))
        return;
    if (step == 0 && !cache_protocol_in_value(&connection->protocol))
        cache_foresee(server->store, bytes, count, &here->foreseen);
    else if (step == 1 && here->foreseen.bytes == bytes)
        cache_foresee_item(server->store, &here->foreseen);
}

static void closed(struct pawl_stream *stream, int reason)
{
    struct cache_server *server = server_of(stream);
    struct worker *worker = cache_worker_here(server);
    struct connection *connection = pawl_stream_context(stream);

    if (pawl_load_relaxed(&server->service.verbosity) > 1 && reason != 0) /* relaxed: a setting */
        fprintf(stderr, "pawl-cache: a connection ended: %s %s\n", strerror(-reason),
                server->tls != NULL ? cache_tls_error(stream) : "");
    if (connection->protocol.service == NULL)
        return; /* its handshake failed: it was never opened */
    if (reason == -ETIMEDOUT && worker != NULL)
        cache_tally(worker->reply.stats, CACHE_IDLE_KICKS);
    cache_conns_remove(&server->conns, &connection->conn);
    tell_of(server, connection, CACHE_TAP_CLOSE, reason == 0 && connection->wrong ? -EPROTO : reason);
    cache_watcher_close(connection->watcher);
    if (connection->rest.bytes != NULL)
        pawl_slice_release(&connection->rest);
    if (connection->respite != NULL)
        (void)pawl_timer_cancel(&connection->respite->timer); /* -EALREADY: it need not */
    free(connection->respite);
    cache_protocol_free(&connection->protocol, worker != NULL ? worker->session : NULL);
    pawl_fetch_sub_relaxed(&server->connections, UINT64_C(1)); /* relaxed: see above */
}

/* ---- the clock ---- */

static void tick(struct pawl_timer *timer)
{
    struct cache_server *server = pawl_timer_of(timer, struct cache_server, tick);
    struct worker *worker = cache_worker_here(server);

    cache_tick(server->store);
    if (server->service.tap != NULL)
        cache_tap_look(server->service.tap);
    cache_census_tick(server->service.census, server->store);
    cache_keep_tick(&server->keep, server->rt);
    if (server->tls != NULL)
        cache_tls_tick(server->tls);
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

static const char *refresh_certs(struct cache_service *service)
{
    return cache_tls_refresh(server_of_service(service)->tls);
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
    service->no_watch = options->no_watch;
    service->no_dump = options->no_dump;
    service->may_shutdown = options->may_shutdown;
    service->authenticate = authenticate;
    service->shutdown = shut_down;
    service->set_limit = set_limit;
    cache_server_figures(server);
    pawl_store_relaxed(&service->verbosity, options->verbosity); /* relaxed: nobody reads it yet */
    server->stream = (struct pawl_stream_config){
        .opened = opened,
        .received = received,
        .drained = drained,
        .closed = closed,
        .ahead = ahead,
        .arg = server,
        .context_bytes = sizeof(struct connection),
        .idle_ms = options->idle_seconds * 1000,
    };
    server->plain = server->watching = server->stream;
    server->watching.idle_ms = 0; /* there may be nothing to tell for long */
}

static int open_tls(struct cache_server *server)
{
    int error = cache_tls_open(&server->tls, &server->options->tls);

    if (error != 0)
        return error;
    server->stream.layer = cache_tls_layer(server->tls);
    server->service.refresh_certs = refresh_certs;
    return 0;
}

static int open_store(struct cache_server *server)
{
    const struct cache_options *options = server->options;
    struct cache_tap *tap = cache_tap_open(); /* without it the cache is as good a cache */
    const struct cache_store_config config = {
        .limit = options->limit,
        .sessions = options->threads,
        .item_max = options->item_max,
        .no_eviction = options->no_eviction,
        .tap = tap,
    };
    const uint32_t workers = options->threads;
    int error;

    if (tap == NULL)
        complain("there will be no tap", -errno);
    server->service.tap = tap;
    error = cache_store_open(&server->store, &config);
    if (error != 0)
        return complain("cannot open the store", error);
    server->service.workers = aligned_alloc(_Alignof(struct cache_command_stats),
                                            workers * sizeof(struct cache_command_stats));
    server->service.detail = cache_detail_open(options->delimiter, options->detail);
    server->service.census = cache_census_open(options->track_sizes);
    if (server->service.workers == NULL || server->service.detail == NULL || server->service.census == NULL)
        return complain("cannot open the statistics", -ENOMEM);
    memset(server->service.workers, 0, workers * sizeof(struct cache_command_stats));
    server->service.worker_count = workers;
    if (options->token_file != NULL) {
        error = cache_tokens_open(&server->tokens, options->token_file);
        if (error != 0)
            return complain(options->token_file, error);
    }
    server->slow = cache_slow_open();
    if (server->slow == NULL)
        return complain("cannot open the slow log", -ENOMEM);
    server->slow_cycles = options->slow_us != 0 ? pawl_clock_ns_to_cycles(options->slow_us * UINT64_C(1000))
                                                : UINT64_MAX;
    return cache_keep_open(&server->keep, server->store, options);
}

static int open_runtime(struct cache_server *server)
{
    const struct pawl_rt_config config = {
        .workers = server->options->threads,
        .engine = server->options->engine,
        .name = "cache",
    };
    int error = server->options->tls.on ? open_tls(server) : 0;

    if (error != 0)
        return error;
    error = pawl_rt_open(&server->rt, &config);
    if (error != 0)
        return complain("cannot start the runtime", error);
    pawl_task_init(&server->starter, start_clock, 0);
    error = pawl_task_spawn(server->rt, &server->starter);
    if (error != 0)
        return complain("cannot start the clock", error);
    error = cache_listeners_open(&server->listeners, server->rt, &server->stream, &server->plain,
                                 server->options);
    if (error == 0 && server->options->udp_port != 0)
        error = cache_udp_open(server);
    return error == 0 && server->options->metrics_port != 0 ? cache_server_metrics(server) : error;
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
    cache_conns_init(&server->conns);
    allow_files(options->connections);
    describe_service(server);
    if (open_store(server) != 0 || open_runtime(server) != 0) {
        (void)cache_server_close(server, false);
        return NULL;
    }
    return server;
}

void cache_server_run(struct cache_server *server)
{
    cache_systemd_tell("READY=1");
    (void)pawl_rt_run(server->rt);
    cache_systemd_tell("STOPPING=1");
}

void cache_server_snapshot(struct cache_server *server)
{
    cache_keep_ask(&server->keep);
}

void cache_server_refresh(struct cache_server *server)
{
    if (server->tls != NULL)
        cache_tls_ask(server->tls);
}

void cache_server_stop(struct cache_server *server)
{
    pawl_rt_stop(server->rt);
}

int cache_server_close(struct cache_server *server, bool keeps)
{
    struct worker *worker;
    int error;

    cache_listeners_close(&server->listeners);
    cache_keep_stop(&server->keep);
    (void)pawl_rt_close(server->rt);
    error = cache_keep_close(&server->keep, keeps);
    worker = pawl_load_acquire(&server->workers); /* acquire W: pairs with cache_worker_here() */
    while (worker != NULL) {
        struct worker *next = worker->next;

        cache_reply_free(&worker->reply);
        cache_session_close(worker->session);
        free(worker);
        worker = next;
    }
    cache_tls_close(server->tls);
    cache_store_close(server->store);
    cache_tap_close(server->service.tap);
    cache_census_close(server->service.census);
    cache_detail_close(server->service.detail);
    cache_tokens_close(server->tokens);
    cache_slow_close(server->slow);
    free(server->service.workers);
    free(server);
    return error;
}
