/* SPDX-License-Identifier: MIT */
#include "command_stats.h"

#include "census.h"
#include "detail.h"
#include "protocol.h"

#include <pawl/config.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char *const names[CACHE_COUNTERS] = {
    [CACHE_CMD_GET] = "cmd_get",
    [CACHE_CMD_SET] = "cmd_set",
    [CACHE_CMD_FLUSH] = "cmd_flush",
    [CACHE_CMD_TOUCH] = "cmd_touch",
    [CACHE_CMD_META] = "cmd_meta",
    [CACHE_GET_HITS] = "get_hits",
    [CACHE_GET_MISSES] = "get_misses",
    [CACHE_DELETE_MISSES] = "delete_misses",
    [CACHE_DELETE_HITS] = "delete_hits",
    [CACHE_INCR_MISSES] = "incr_misses",
    [CACHE_INCR_HITS] = "incr_hits",
    [CACHE_DECR_MISSES] = "decr_misses",
    [CACHE_DECR_HITS] = "decr_hits",
    [CACHE_CAS_MISSES] = "cas_misses",
    [CACHE_CAS_HITS] = "cas_hits",
    [CACHE_CAS_BADVAL] = "cas_badval",
    [CACHE_TOUCH_HITS] = "touch_hits",
    [CACHE_TOUCH_MISSES] = "touch_misses",
    [CACHE_STORE_TOO_LARGE] = "store_too_large",
    [CACHE_STORE_NO_MEMORY] = "store_no_memory",
    [CACHE_AUTH_CMDS] = "auth_cmds",
    [CACHE_AUTH_ERRORS] = "auth_errors",
    [CACHE_IDLE_KICKS] = "idle_kicks",
    [CACHE_BYTES_READ] = "bytes_read",
    [CACHE_BYTES_WRITTEN] = "bytes_written",
};

const char *cache_counter_name(enum cache_counter counter)
{
    return names[counter];
}

static uint64_t sum(const struct cache_service *service, enum cache_counter counter)
{
    uint64_t all = 0;

    for (uint32_t i = 0; i < service->worker_count; i++)
        all += pawl_load_relaxed(&service->workers[i].counts[counter]); /* relaxed: it may be late */
    return all;
}

uint64_t cache_counted_ever(const struct cache_service *service, enum cache_counter counter)
{
    return sum(service, counter);
}

uint64_t cache_counted(const struct cache_service *service, enum cache_counter counter)
{
    /* relaxed: whoever resets and asks at the same time gets the one or the other */
    return sum(service, counter) - pawl_load_relaxed(&service->reset[counter]);
}

/* Figures of the store that `stats reset` sets to 0. */
static const size_t since_reset[CACHE_FIGURES_RESET] = {
    offsetof(struct cache_figures, total_items),
    offsetof(struct cache_figures, evictions),
    offsetof(struct cache_figures, evicted_unfetched),
    offsetof(struct cache_figures, expired),
    offsetof(struct cache_figures, expired_unfetched),
    offsetof(struct cache_figures, spared),
    offsetof(struct cache_figures, ghosts),
    offsetof(struct cache_figures, get_expired),
    offsetof(struct cache_figures, get_flushed),
};

static uint64_t *figure_of(struct cache_figures *figures, uint32_t i)
{
    return (uint64_t *)(void *)((char *)figures + since_reset[i]);
}

static void figures_since_reset(const struct cache_service *service, const struct cache_store *store,
                                struct cache_figures *figures)
{
    cache_figures(store, figures);
    for (uint32_t i = 0; i < CACHE_FIGURES_RESET; i++)
        *figure_of(figures, i) -= pawl_load_relaxed(&service->reset_figures[i]); /* relaxed: see above */
}

void cache_stats_reset(struct cache_service *service, const struct cache_store *store)
{
    struct cache_figures figures;

    for (uint32_t i = 0; i < CACHE_COUNTERS; i++)
        pawl_store_relaxed(&service->reset[i], sum(service, (enum cache_counter)i)); /* relaxed: see above */
    cache_figures(store, &figures);
    for (uint32_t i = 0; i < CACHE_FIGURES_RESET; i++)
        pawl_store_relaxed(&service->reset_figures[i], *figure_of(&figures, i)); /* relaxed: see above */
    if (service->detail != NULL)
        cache_detail_clear(service->detail);
    if (service->reset_general != NULL)
        service->reset_general(service);
}

void cache_stat(cache_stat_fn *say, void *arg, const char *name, const char *format, ...)
{
    char value[256];
    va_list list;

    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the analyzer does not see va_start */
    (void)vsnprintf(value, sizeof value, format, list);
    va_end(list);
    say(arg, name, value);
}

static void say_number(cache_stat_fn *say, void *arg, const char *name, uint64_t number)
{
    cache_stat(say, arg, name, "%llu", (unsigned long long)number);
}

static void say_process(const struct cache_service *service, struct cache_store *store, cache_stat_fn *say,
                        void *arg)
{
    enum { CLOCK_BEGINS = 2 }; /* the store's clock */
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    cache_stat(say, arg, "pid", "%ld", (long)getpid());
    say_number(say, arg, "uptime", cache_now(store) - CLOCK_BEGINS);
    say_number(say, arg, "time", (uint64_t)time(NULL));
    say(arg, "version", service->version);
    say_number(say, arg, "pointer_size", 8 * sizeof(void *));
    cache_stat(say, arg, "rusage_user", "%ld.%06ld", (long)usage.ru_utime.tv_sec,
               (long)usage.ru_utime.tv_usec);
    cache_stat(say, arg, "rusage_system", "%ld.%06ld", (long)usage.ru_stime.tv_sec,
               (long)usage.ru_stime.tv_usec);
}

/* What memcached counts and we have not: the threads and lists that do it are not there. Programs that watch servers ask for
 * them, and some take a server that does not know one for dead. */
static void say_nothing(const char *const *which, cache_stat_fn *say, void *arg)
{
    for (; *which != NULL; which++)
        say(arg, *which, "0");
}

static void say_general(struct cache_service *service, struct cache_store *store, cache_stat_fn *say,
                        void *arg)
{
    static const char *const nothing[] = {"time_in_listen_disabled_us",
                                          "conn_yields",
                                          "slab_reassign_running",
                                          "slabs_moved",
                                          "lru_crawler_running",
                                          "lru_crawler_starts",
                                          "lru_maintainer_juggles",
                                          "malloc_fails",
                                          "evicted_active",
                                          "crawler_reclaimed",
                                          "crawler_items_checked",
                                          "lrutail_reflocked",
                                          "moves_to_cold",
                                          "moves_to_warm",
                                          "moves_within_lru",
                                          "direct_reclaims",
                                          "lru_bumps_dropped",
                                          NULL};
    struct cache_figures figures;

    figures_since_reset(service, store, &figures);
    say_process(service, store, say, arg);
    if (service->say_general != NULL)
        service->say_general(service, say, arg);
    for (uint32_t i = 0; i < CACHE_COUNTERS; i++)
        say_number(say, arg, names[i], cache_counted(service, (enum cache_counter)i));
    say_number(say, arg, "get_expired", figures.get_expired);
    say_number(say, arg, "get_flushed", figures.get_flushed);
    say_number(say, arg, "limit_maxbytes", figures.limit);
    say_number(say, arg, "threads", service->worker_count);
    say_number(say, arg, "hash_power_level", (uint64_t)__builtin_ctzll(figures.map_buckets));
    say_number(say, arg, "hash_bytes", figures.map_bytes);
    say_number(say, arg, "hash_is_expanding", figures.map_resizing);
    say_number(say, arg, "bytes", figures.bytes);
    say_number(say, arg, "memory", figures.memory);
    say_number(say, arg, "curr_items", figures.items);
    say_number(say, arg, "total_items", figures.total_items);
    say_number(say, arg, "expired_unfetched", figures.expired_unfetched);
    say_number(say, arg, "evicted_unfetched", figures.evicted_unfetched);
    say_number(say, arg, "evictions", figures.evictions);
    say_number(say, arg, "reclaimed", figures.expired);
    say_number(say, arg, "spared", figures.spared);
    say_number(say, arg, "ghosts", figures.ghosts);
    say_nothing(nothing, say, arg);
}

static void say_settings(struct cache_service *service, struct cache_store *store, cache_stat_fn *say,
                         void *arg)
{
    static const char *const dialects[] = {"auto-negotiate", "ascii", "binary"};
    struct cache_figures figures;

    cache_figures(store, &figures);
    say_number(say, arg, "maxbytes", figures.limit);
    say_number(say, arg, "verbosity", pawl_load_relaxed(&service->verbosity)); /* relaxed: a setting */
    say(arg, "shutdown_command", service->may_shutdown ? "yes" : "no");
    say_number(say, arg, "num_threads", service->worker_count);
    say(arg, "detail_enabled", service->detail != NULL && cache_detail_is_on(service->detail) ? "yes" : "no");
    say(arg, "cas_enabled", "yes");
    say(arg, "binding_protocol",
        dialects[service->sasl == service->tokens ? service->dialect
                 : service->sasl                  ? 2
                                                  : 1]);
    say(arg, "auth_enabled_sasl", service->sasl ? "yes" : "no");
    say_number(say, arg, "item_size_max", service->item_max);
    say(arg, "flush_enabled", service->no_flush ? "no" : "yes");
    say(arg, "dump_enabled", service->no_dump ? "no" : "yes");
    if (service->say_settings != NULL)
        service->say_settings(service, say, arg);
}

/* There are no slab classes: all items stand in one, and in one list, as in memcached without its maintainer. */
static void say_items(struct cache_service *service, struct cache_store *store, cache_stat_fn *say, void *arg)
{
    static const char *const nothing[] = {"items:1:number_hot",
                                          "items:1:number_warm",
                                          "items:1:number_temp",
                                          "items:1:age_hot",
                                          "items:1:age_warm",
                                          "items:1:tailrepairs",
                                          "items:1:evicted_active",
                                          "items:1:crawler_reclaimed",
                                          "items:1:lrutail_reflocked",
                                          "items:1:moves_to_cold",
                                          "items:1:moves_to_warm",
                                          "items:1:moves_within_lru",
                                          "items:1:direct_reclaims",
                                          "items:1:hits_to_hot",
                                          "items:1:hits_to_warm",
                                          "items:1:hits_to_temp",
                                          NULL};
    struct cache_figures figures;

    figures_since_reset(service, store, &figures);
    if (figures.items == 0)
        return;
    say_number(say, arg, "items:1:number", figures.items);
    say_number(say, arg, "items:1:number_cold", figures.items);
    say_number(say, arg, "items:1:age", figures.age);
    say_number(say, arg, "items:1:hits_to_cold", cache_counted(service, CACHE_GET_HITS));
    say_number(say, arg, "items:1:mem_requested", figures.bytes);
    say_number(say, arg, "items:1:evicted", figures.evictions);
    say_number(say, arg, "items:1:outofmemory", cache_counted(service, CACHE_STORE_NO_MEMORY));
    say_number(say, arg, "items:1:reclaimed", figures.expired);
    say_number(say, arg, "items:1:expired_unfetched", figures.expired_unfetched);
    say_number(say, arg, "items:1:evicted_unfetched", figures.evicted_unfetched);
    say_nothing(nothing, say, arg);
}

/* Segments for pages; a chunk is what items are rounded up to. */
static void say_pages(const struct cache_figures *figures, cache_stat_fn *say, void *arg)
{
    const uint64_t a_page = figures->segment_bytes / CACHE_ITEM_ALIGN, all = figures->segments * a_page;
    const uint64_t used = figures->bytes / CACHE_ITEM_ALIGN;

    say_number(say, arg, "1:chunk_size", CACHE_ITEM_ALIGN);
    say_number(say, arg, "1:chunks_per_page", a_page);
    say_number(say, arg, "1:total_pages", figures->segments);
    say_number(say, arg, "1:total_chunks", all);
    say_number(say, arg, "1:used_chunks", used);
    say_number(say, arg, "1:free_chunks",
               all > used ? all - used : 0); /* large items have segments beside these */
    say_number(say, arg, "1:free_chunks_end", 0);
    say_number(say, arg, "1:mem_requested", figures->bytes);
    say_number(say, arg, "1:free_pages", figures->segments_free);
    say_number(say, arg, "1:page_size", figures->segment_bytes);
}

static void say_slabs(struct cache_service *service, struct cache_store *store, cache_stat_fn *say, void *arg)
{
    static const enum cache_counter counters[] = {CACHE_GET_HITS,   CACHE_CMD_SET,   CACHE_DELETE_HITS,
                                                  CACHE_INCR_HITS,  CACHE_DECR_HITS, CACHE_CAS_HITS,
                                                  CACHE_CAS_BADVAL, CACHE_TOUCH_HITS};
    struct cache_figures figures;

    cache_figures(store, &figures);
    if (figures.segments != 0) {
        say_pages(&figures, say, arg);
        for (uint32_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
            char name[64];

            (void)snprintf(name, sizeof name, "1:%s", names[counters[i]]);
            say_number(say, arg, name, cache_counted(service, counters[i]));
        }
    }
    say(arg, "active_slabs", figures.segments != 0 ? "1" : "0");
    say_number(say, arg, "total_malloced", figures.memory);
}

bool cache_stats_say(struct cache_service *service, struct cache_store *store, const char *what,
                     cache_stat_fn *say, void *arg)
{
    if (what[0] == '\0') {
        say_general(service, store, say, arg);
    } else if (strcmp(what, "settings") == 0) {
        say_settings(service, store, say, arg);
    } else if (strcmp(what, "items") == 0) {
        say_items(service, store, say, arg);
    } else if (strcmp(what, "slabs") == 0) {
        say_slabs(service, store, say, arg);
    } else if (strcmp(what, "sizes") == 0) {
        if (service->census != NULL)
            cache_census_say(service->census, say, arg);
        else
            say(arg, "sizes_status", "disabled");
    } else if (service->census != NULL &&
               (strcmp(what, "sizes_enable") == 0 || strcmp(what, "sizes_disable") == 0)) {
        cache_census_turn(service->census, what[6] == 'e');
        say(arg, "sizes_status", what[6] == 'e' ? "enabled" : "disabled");
    } else if (strcmp(what, "slow") == 0) {
        if (service->say_slow != NULL)
            service->say_slow(service, say, arg);
    } else if (strcmp(what, "conns") == 0) {
        if (service->say_conns != NULL)
            service->say_conns(service, say, arg);
    } else {
        return false;
    }
    return true;
}
