/* SPDX-License-Identifier: MIT */
/* What the server does, for others to read: Prometheus' text, JSON for the page, the page. */
#ifndef CACHE_METRICS_H
#define CACHE_METRICS_H

#include "http.h"
#include "latency.h"
#include "protocol.h"

#include <pawl/rt.h>
#include <time.h>

/* Of one worker. */
struct cache_load {
    uint64_t cpu_ns;
    uint64_t turns; /* how often something was received and answered */
};

/* Where the figures come from. */
struct cache_metrics {
    struct cache_service *service;
    struct cache_store *store;
    struct pawl_rt *rt;
    void *arg;                                                             /* the hooks' */
    uint32_t (*loads)(void *arg, struct cache_load *loads, uint32_t room); /* how many there are */
    void (*latency)(void *arg, struct cache_latency_sum *sum);             /* added to it */
    void (*connections)(void *arg, uint64_t *now, uint64_t *accepted, uint64_t *rejected);
};

/* `arg` is a struct cache_metrics; as struct cache_http has it. "/", "/metrics", "/stats.json". */
bool cache_metrics_answer(void *arg, const char *path, struct cache_http_answer *answer);

#endif
