/* SPDX-License-Identifier: MIT */
/* What the commands did: counters of each worker, and the answers to `stats`.
 *
 * A worker adds to its own line of counters, by a load and a store; whoever asks adds up those of all workers. So the
 * sum may be some commands behind, which no reader of statistics can tell. */
#ifndef CACHE_COMMAND_STATS_H
#define CACHE_COMMAND_STATS_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stdint.h>

struct cache_service;
struct cache_store;

enum { CACHE_FIGURES_RESET = 9 }; /* of the store, that `stats reset` sets to 0 */

enum cache_counter {
    CACHE_CMD_GET,
    CACHE_CMD_SET,
    CACHE_CMD_FLUSH,
    CACHE_CMD_TOUCH,
    CACHE_CMD_META,
    CACHE_GET_HITS,
    CACHE_GET_MISSES,
    CACHE_DELETE_MISSES,
    CACHE_DELETE_HITS,
    CACHE_INCR_MISSES,
    CACHE_INCR_HITS,
    CACHE_DECR_MISSES,
    CACHE_DECR_HITS,
    CACHE_CAS_MISSES,
    CACHE_CAS_HITS,
    CACHE_CAS_BADVAL,
    CACHE_TOUCH_HITS,
    CACHE_TOUCH_MISSES,
    CACHE_STORE_TOO_LARGE,
    CACHE_STORE_NO_MEMORY,
    CACHE_AUTH_CMDS,
    CACHE_AUTH_ERRORS,
    CACHE_IDLE_KICKS,
    CACHE_BYTES_READ,
    CACHE_BYTES_WRITTEN,
    CACHE_COUNTERS,
};

/* All zero at the beginning. */
struct cache_command_stats {
    PAWL_ATOMIC(uint64_t) counts[CACHE_COUNTERS];
} PAWL_LINE_PAIR_ALIGNED;

static inline void cache_tally_many(struct cache_command_stats *stats, enum cache_counter counter,
                                    uint64_t by)
{
    /* relaxed: only this worker writes; those who add up may be late */
    pawl_store_relaxed(&stats->counts[counter], pawl_load_relaxed(&stats->counts[counter]) + by);
}

static inline void cache_tally(struct cache_command_stats *stats, enum cache_counter counter)
{
    cache_tally_many(stats, counter, 1);
}

/* The sum over all workers of the service, less what it was at the last `stats reset`. */
uint64_t cache_counted(const struct cache_service *service, enum cache_counter counter);

/* The same since the start. */
uint64_t cache_counted_ever(const struct cache_service *service, enum cache_counter counter);

/* The name in `stats`: cmd_get and so on. */
const char *cache_counter_name(enum cache_counter counter);

/* Said for every statistic. */
typedef void cache_stat_fn(void *arg, const char *name, const char *value);

/* With a value as printf makes it, of less than 256 bytes. */
void cache_stat(cache_stat_fn *say, void *arg, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* `stats` followed by this word; "" for the general ones. False: there is none of that name. */
bool cache_stats_say(struct cache_service *service, struct cache_store *store, const char *what,
                     cache_stat_fn *say, void *arg);

/* From now on `stats` counts from 0, but for what there is at present. Metrics go on (metrics.h). */
void cache_stats_reset(struct cache_service *service, const struct cache_store *store);

#endif
