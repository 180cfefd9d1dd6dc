/* SPDX-License-Identifier: MIT */
/* What the server tells of itself: to `stats`, and to --metrics. */
#include "server_inner.h"

#include <errno.h>
#include <pawl/rt.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

/* ---- what `stats` asks ---- */

static struct cache_server *server_of_service(struct cache_service *service)
{
    return (struct cache_server *)service;
}

static void say_general(struct cache_service *service, cache_stat_fn *say, void *arg)
{
    struct cache_server *server = server_of_service(service);

    /* relaxed, all: figures */
    cache_stat(say, arg, "max_connections", "%u", server->options->connections);
    cache_stat(say, arg, "curr_connections", "%llu",
               (unsigned long long)pawl_load_relaxed(&server->connections));
    cache_stat(say, arg, "total_connections", "%llu",
               (unsigned long long)(pawl_load_relaxed(&server->accepted) -
                                    pawl_load_relaxed(&server->accepted_before)));
    cache_stat(say, arg, "connection_structures", "%llu",
               (unsigned long long)pawl_load_relaxed(&server->connections));
    cache_stat(say, arg, "accepting_conns", "1"); /* those above -c are told so; none waits to be accepted */
    cache_stat(say, arg, "listen_disabled_num", "0");
    cache_stat(say, arg, "rejected_connections", "%llu",
               (unsigned long long)(pawl_load_relaxed(&server->rejected) -
                                    pawl_load_relaxed(&server->rejected_before)));
    cache_stat(say, arg, "engine", "%s", pawl_rt_engine(server->rt));
    cache_stat(say, arg, "log_watchers", "%u", pawl_load_relaxed(&server->watchers.count));
    cache_stat(say, arg, "log_watcher_skipped", "%llu",
               (unsigned long long)pawl_load_relaxed(&server->watchers.skipped));
    cache_stat(say, arg, "log_watcher_sent", "%llu",
               (unsigned long long)pawl_load_relaxed(&server->watchers.sent));
    if (server->tls != NULL)
        cache_tls_say_general(server->tls, say, arg);
    cache_stat(say, arg, "slow_turns", "%llu", (unsigned long long)cache_slow_count(server->slow));
}

/* --metrics goes on counting. */
static void reset_general(struct cache_service *service)
{
    struct cache_server *server = server_of_service(service);

    /* relaxed, all: figures. One that comes meanwhile is counted or not */
    pawl_store_relaxed(&server->accepted_before, pawl_load_relaxed(&server->accepted));
    pawl_store_relaxed(&server->rejected_before, pawl_load_relaxed(&server->rejected));
}

static void say_conns(struct cache_service *service, cache_stat_fn *say, void *arg)
{
    struct cache_server *server = server_of_service(service);

    cache_conns_say(&server->conns, cache_now(server->store), say, arg);
}

static void say_slow(struct cache_service *service, cache_stat_fn *say, void *arg)
{
    cache_slow_say(server_of_service(service)->slow, say, arg);
}

static void say_settings(struct cache_service *service, cache_stat_fn *say, void *arg)
{
    const struct cache_options *options = server_of_service(service)->options;

    cache_stat(say, arg, "maxconns", "%u", options->connections);
    cache_stat(say, arg, "tcpport", "%u", options->unix_path == NULL ? options->port : 0u);
    cache_stat(say, arg, "udpport", "%u", options->udp_port);
    cache_stat(say, arg, "inter", "%s", options->address_count > 0 ? options->addresses[0] : "NULL");
    cache_stat(say, arg, "domain_socket", "%s", options->unix_path != NULL ? options->unix_path : "NULL");
    cache_stat(say, arg, "umask", "%o", options->unix_mask);
    cache_stat(say, arg, "evictions", "%s", options->no_eviction ? "off" : "on");
    cache_stat(say, arg, "tcp_backlog", "%d", options->backlog);
    cache_stat(say, arg, "idle_timeout", "%u", options->idle_seconds);
    cache_stat(say, arg, "stat_key_prefix", "%c", options->delimiter);
    cache_stat(say, arg, "maxconns_fast", "yes");
    cache_stat(say, arg, "auth_enabled_ascii", "%s",
               options->token_file != NULL ? options->token_file : "no");
    cache_stat(say, arg, "track_sizes", "%s", options->track_sizes ? "yes" : "no");
    cache_stat(say, arg, "memory_file", "%s", options->restart_file != NULL ? options->restart_file : "NULL");
    cache_tls_say_settings(&options->tls, say, arg);
}

void cache_server_figures(struct cache_server *server)
{
    server->service.say_general = say_general;
    server->service.say_settings = say_settings;
    server->service.reset_general = reset_general;
    server->service.say_conns = say_conns;
    server->service.say_slow = say_slow;
}

/* ---- what metrics ask ---- */

#if CACHE_HAVE_HTTP

static uint32_t get_loads(void *arg, struct cache_load *loads, uint32_t room)
{
    struct cache_server *server = arg;
    uint32_t count = 0;

    /* acquire W: pairs with cache_worker_here() */
    for (const struct worker *at = pawl_load_acquire(&server->workers); at != NULL; at = at->next) {
        struct timespec cpu = {0, 0};

        if (at->number >= room)
            continue;
        (void)clock_gettime(at->cpu, &cpu);
        loads[at->number].cpu_ns = (uint64_t)cpu.tv_sec * SECOND + (uint64_t)cpu.tv_nsec;
        for (uint32_t i = 0; i < LATENCY_CLASSES; i++)
            loads[at->number].turns += pawl_load_relaxed(&at->latency.counts[i]); /* relaxed: a figure */
        count = at->number >= count ? at->number + 1 : count;
    }
    return count;
}

static void get_latency(void *arg, struct cache_latency_sum *sum)
{
    struct cache_server *server = arg;

    /* acquire W: pairs with cache_worker_here() */
    for (const struct worker *at = pawl_load_acquire(&server->workers); at != NULL; at = at->next)
        cache_latency_gather(sum, &at->latency);
}

static void get_connections(void *arg, uint64_t *now, uint64_t *accepted, uint64_t *rejected)
{
    struct cache_server *server = arg;

    *now = pawl_load_relaxed(&server->connections); /* relaxed, all: figures */
    *accepted = pawl_load_relaxed(&server->accepted);
    *rejected = pawl_load_relaxed(&server->rejected);
}

int cache_server_metrics(struct cache_server *server)
{
    server->metrics = (struct cache_metrics){
        .service = &server->service,
        .store = server->store,
        .rt = server->rt,
        .arg = server,
        .loads = get_loads,
        .latency = get_latency,
        .connections = get_connections,
    };
    cache_http_init(&server->http, cache_metrics_answer, &server->metrics);
    return cache_listeners_add(&server->listeners, server->rt, &server->http.stream, server->options,
                               server->options->metrics_port);
}
#else
int cache_server_metrics(struct cache_server *server)
{
    (void)server;
    return -EOPNOTSUPP; /* the options were refused */
}
#endif
