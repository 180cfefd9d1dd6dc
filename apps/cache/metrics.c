/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include "page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOADS_MAX = 1024 }; /* as many workers as there may be */

/* All of it, gathered at about the same time. */
struct gathered {
    struct cache_figures figures;
    struct cache_latency_sum latency;
    struct cache_load loads[LOADS_MAX];
    uint64_t connections, accepted, rejected, uptime, now_ns, counts[CACHE_COUNTERS];
    uint32_t workers;
};

static struct gathered *gather(const struct cache_metrics *metrics)
{
    enum { CLOCK_BEGINS = 2 }; /* the store's */
    struct gathered *all = calloc(1, sizeof *all);

    if (all == NULL)
        return NULL;
    all->now_ns = pawl_clock_ns();
    all->uptime = cache_now(metrics->store) - CLOCK_BEGINS;
    cache_figures(metrics->store, &all->figures);
    metrics->latency(metrics->arg, &all->latency);
    all->workers = metrics->loads(metrics->arg, all->loads, LOADS_MAX);
    metrics->connections(metrics->arg, &all->connections, &all->accepted, &all->rejected);
    for (uint32_t i = 0; i < CACHE_COUNTERS; i++)
        all->counts[i] = cache_counted_ever(metrics->service, (enum cache_counter)i);
    return all;
}

/* ---- Prometheus' text ---- */

enum kind { COUNTER, GAUGE };

static void one(FILE *out, const char *name, enum kind kind, const char *help, uint64_t value)
{
    fprintf(out, "# HELP pawl_cache_%s %s\n# TYPE pawl_cache_%s %s\npawl_cache_%s %" PRIu64 "\n", name, help,
            name, kind == COUNTER ? "counter" : "gauge", name, value);
}

/* One of a family whose head was written: a command and how it ended. */
struct member {
    const char *labels;
    enum cache_counter counter;
};

static void write_commands(FILE *out, const struct gathered *all)
{
    static const struct member members[] = {
        {"command=\"get\",result=\"hit\"", CACHE_GET_HITS},
        {"command=\"get\",result=\"miss\"", CACHE_GET_MISSES},
        {"command=\"set\",result=\"any\"", CACHE_CMD_SET},
        {"command=\"cas\",result=\"hit\"", CACHE_CAS_HITS},
        {"command=\"cas\",result=\"miss\"", CACHE_CAS_MISSES},
        {"command=\"cas\",result=\"badval\"", CACHE_CAS_BADVAL},
        {"command=\"delete\",result=\"hit\"", CACHE_DELETE_HITS},
        {"command=\"delete\",result=\"miss\"", CACHE_DELETE_MISSES},
        {"command=\"incr\",result=\"hit\"", CACHE_INCR_HITS},
        {"command=\"incr\",result=\"miss\"", CACHE_INCR_MISSES},
        {"command=\"decr\",result=\"hit\"", CACHE_DECR_HITS},
        {"command=\"decr\",result=\"miss\"", CACHE_DECR_MISSES},
        {"command=\"touch\",result=\"hit\"", CACHE_TOUCH_HITS},
        {"command=\"touch\",result=\"miss\"", CACHE_TOUCH_MISSES},
        {"command=\"flush\",result=\"any\"", CACHE_CMD_FLUSH},
        {"command=\"auth\",result=\"any\"", CACHE_AUTH_CMDS},
        {"command=\"auth\",result=\"error\"", CACHE_AUTH_ERRORS},
    };

    fputs("# HELP pawl_cache_commands_total Commands by how they ended; those of cas are among the sets.\n"
          "# TYPE pawl_cache_commands_total counter\n",
          out);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        fprintf(out, "pawl_cache_commands_total{%s} %" PRIu64 "\n", members[i].labels,
                all->counts[members[i].counter]);
    one(out, "too_large_total", COUNTER, "Sets refused: larger than -I.", all->counts[CACHE_STORE_TOO_LARGE]);
    one(out, "no_memory_total", COUNTER, "Sets refused: no memory.", all->counts[CACHE_STORE_NO_MEMORY]);
    one(out, "read_bytes_total", COUNTER, "Bytes received from clients.", all->counts[CACHE_BYTES_READ]);
    one(out, "written_bytes_total", COUNTER, "Bytes sent to clients.", all->counts[CACHE_BYTES_WRITTEN]);
}

static void write_items(FILE *out, const struct gathered *all)
{
    const struct cache_figures *figures = &all->figures;

    one(out, "items", GAUGE, "Items in the cache.", figures->items);
    one(out, "item_bytes", GAUGE, "Bytes of items, headers included.", figures->bytes);
    one(out, "memory_bytes", GAUGE, "Bytes of segments, of the map and of what is remembered.",
        figures->memory);
    one(out, "limit_bytes", GAUGE, "The limit of that: -m.", figures->limit);
    one(out, "map_bytes", GAUGE, "Bytes of the map alone.", figures->map_bytes);
    one(out, "stored_total", COUNTER, "Items ever stored.", figures->total_items);
    one(out, "evictions_total", COUNTER, "Valid items dropped for want of memory.", figures->evictions);
    one(out, "evicted_unfetched_total", COUNTER, "Of these, those that nobody had asked for.",
        figures->evicted_unfetched);
    one(out, "expired_total", COUNTER, "Items removed after their time.", figures->expired);
    one(out, "spared_total", COUNTER, "Items that stayed when their segment was emptied.", figures->spared);
    one(out, "ghosts_total", COUNTER, "Sets of what had been evicted shortly before.", figures->ghosts);
}

/* Latencies: Prometheus' histogram, with bounds that people know. */
static void write_latency(FILE *out, const struct cache_latency_sum *latency)
{
    static const uint64_t bounds_us[] = {1,     2,      5,      10,     20,      50,      100,
                                         200,   500,    1000,   2000,   5000,    10000,   20000,
                                         50000, 100000, 200000, 500000, 1000000, 10000000};
    uint64_t below = 0;
    uint32_t class = 0;

    fputs("# HELP pawl_cache_turn_seconds From when bytes were received to when their answers were handed to "
          "the socket.\n# TYPE pawl_cache_turn_seconds histogram\n",
          out);
    for (size_t i = 0; i < sizeof bounds_us / sizeof bounds_us[0]; i++) {
        const uint64_t bound = pawl_clock_ns_to_cycles(bounds_us[i] * 1000);

        while (class < LATENCY_CLASSES && cache_latency_end(class) <= bound)
            below += latency->counts[class ++];
        fprintf(out, "pawl_cache_turn_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", (double)bounds_us[i] / 1e6,
                below);
    }
    fprintf(out,
            "pawl_cache_turn_seconds_bucket{le=\"+Inf\"} %" PRIu64
            "\npawl_cache_turn_seconds_sum %.9f\npawl_cache_turn_seconds_count %" PRIu64 "\n",
            latency->count, (double)pawl_clock_cycles_to_ns(latency->sum) / 1e9, latency->count);
}

static void write_loads(FILE *out, const struct gathered *all)
{
    fputs("# HELP pawl_cache_worker_cpu_seconds_total CPU time of each worker.\n"
          "# TYPE pawl_cache_worker_cpu_seconds_total counter\n",
          out);
    for (uint32_t i = 0; i < all->workers; i++)
        fprintf(out, "pawl_cache_worker_cpu_seconds_total{worker=\"%u\"} %.6f\n", i,
                (double)all->loads[i].cpu_ns / 1e9);
    fputs("# HELP pawl_cache_worker_turns_total How often each worker received and answered.\n"
          "# TYPE pawl_cache_worker_turns_total counter\n",
          out);
    for (uint32_t i = 0; i < all->workers; i++)
        fprintf(out, "pawl_cache_worker_turns_total{worker=\"%u\"} %" PRIu64 "\n", i, all->loads[i].turns);
}

static void write_runtime(FILE *out, const struct pawl_rt *rt)
{
    const size_t bytes = pawl_rt_prometheus(rt, NULL, 0) + 1024; /* numbers grow meanwhile */
    char *text = malloc(bytes);

    if (text == NULL)
        return;
    if (pawl_rt_prometheus(rt, text, bytes) < bytes)
        fputs(text, out);
    free(text);
}

static void write_prometheus(const struct cache_metrics *metrics, const struct gathered *all, FILE *out)
{
    fprintf(out,
            "# HELP pawl_cache_info The server.\n# TYPE pawl_cache_info gauge\n"
            "pawl_cache_info{version=\"%s\",engine=\"%s\"} 1\n",
            metrics->service->version, pawl_rt_engine(metrics->rt));
    one(out, "uptime_seconds", COUNTER, "Since it was started.", all->uptime);
    one(out, "connections", GAUGE, "Connections of clients.", all->connections);
    one(out, "connections_total", COUNTER, "Connections ever accepted.", all->accepted);
    one(out, "connections_rejected_total", COUNTER, "Of these, those above -c.", all->rejected);
    write_commands(out, all);
    write_items(out, all);
    write_latency(out, &all->latency);
    write_loads(out, all);
    write_runtime(out, metrics->rt);
}

/* ---- JSON ---- */

/* Only what is not 0: pairs of the class's end in nanoseconds and how many. */
static void write_classes(FILE *out, const struct cache_latency_sum *latency)
{
    const char *comma = "";

    fputs("\"latency\":[", out);
    for (uint32_t i = 0; i < LATENCY_CLASSES; i++) {
        if (latency->counts[i] == 0)
            continue;
        fprintf(out, "%s[%" PRIu64 ",%" PRIu64 "]", comma, pawl_clock_cycles_to_ns(cache_latency_end(i)),
                latency->counts[i]);
        comma = ",";
    }
    fputs("]", out);
}

static void write_json(const struct cache_metrics *metrics, const struct gathered *all, FILE *out)
{
    const struct cache_figures *figures = &all->figures;

    fprintf(out,
            "{\"version\":\"%s\",\"engine\":\"%s\",\"uptime\":%" PRIu64 ",\"now_ns\":%" PRIu64
            ",\"connections\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64 ",\"counters\":{",
            metrics->service->version, pawl_rt_engine(metrics->rt), all->uptime, all->now_ns,
            all->connections, all->accepted, all->rejected);
    for (uint32_t i = 0; i < CACHE_COUNTERS; i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", cache_counter_name((enum cache_counter)i),
                all->counts[i]);
    fprintf(out,
            "},\"items\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"memory\":%" PRIu64 ",\"limit\":%" PRIu64
            ",\"map_bytes\":%" PRIu64 ",\"evictions\":%" PRIu64 ",\"expired\":%" PRIu64 ",\"workers\":[",
            figures->items, figures->bytes, figures->memory, figures->limit, figures->map_bytes,
            figures->evictions, figures->expired);
    for (uint32_t i = 0; i < all->workers; i++)
        fprintf(out, "%s{\"cpu_ns\":%" PRIu64 ",\"turns\":%" PRIu64 "}", i == 0 ? "" : ",",
                all->loads[i].cpu_ns, all->loads[i].turns);
    fputs("],", out);
    write_classes(out, &all->latency);
    fputs("}\n", out);
}

/* ---- by their names ---- */

static void write_text(const struct cache_metrics *metrics, struct cache_http_answer *answer,
                       void (*write)(const struct cache_metrics *metrics, const struct gathered *all,
                                     FILE *out))
{
    struct gathered *all = gather(metrics);
    FILE *out = all != NULL ? open_memstream(&answer->owned, &answer->count) : NULL;
    bool good = out != NULL;

    if (good) {
        write(metrics, all, out);
        good = ferror(out) == 0;
        good &= fclose(out) == 0;
    }
    answer->body = good ? answer->owned : NULL;
    free(all);
}

bool cache_metrics_answer(void *arg, const char *path, struct cache_http_answer *answer)
{
    const struct cache_metrics *metrics = arg;

    if (strcmp(path, "/") == 0) {
        answer->type = "text/html; charset=utf-8";
        answer->body = cache_page;
        answer->count = cache_page_bytes;
    } else if (strcmp(path, "/metrics") == 0) {
        answer->type = "text/plain; version=0.0.4; charset=utf-8";
        write_text(metrics, answer, write_prometheus);
    } else if (strcmp(path, "/stats.json") == 0) {
        answer->type = "application/json";
        write_text(metrics, answer, write_json);
    } else {
        return false;
    }
    return true;
}
