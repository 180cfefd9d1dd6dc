/* SPDX-License-Identifier: MIT */
/* The connections that there are, for `stats conns`: who, what it is doing, and since when it has asked for nothing.
 *
 * Each tells of itself by two stores a turn, into memory of its own. The lock is taken when one comes or goes, and while
 * somebody asks; nobody waits for the system meanwhile. */
#ifndef CACHE_CONNS_H
#define CACHE_CONNS_H

#include "command_stats.h"

#include <pawl/atomic.h>
#include <pawl/mutex.h>
#include <stdint.h>

/* memcached's names of it are in conns.c. */
enum cache_doing {
    CACHE_DOING_NEW, /* it has not asked for anything yet */
    CACHE_DOING_READ,
    CACHE_DOING_PARSE,
    CACHE_DOING_VALUE,
    CACHE_DOING_SWALLOW,
    CACHE_DOING_WRITE,
    CACHE_DOING_WATCH,
};

struct cache_conn {
    struct cache_conn *next, *before; /* under the lock */
    int fd;
    PAWL_ATOMIC(uint32_t) asked; /* second of the cache's clock. Relaxed, both: figures */
    PAWL_ATOMIC(uint32_t) doing; /* enum cache_doing */
};

struct cache_conns {
    struct pawl_mutex lock;
    struct cache_conn *first;
    uint64_t count;
};

void cache_conns_init(struct cache_conns *conns);

/* It has come, at second `now`. */
void cache_conns_add(struct cache_conns *conns, struct cache_conn *conn, int fd, uint32_t now);
void cache_conns_remove(struct cache_conns *conns, struct cache_conn *conn);

static inline void cache_conn_asks(struct cache_conn *conn, uint32_t now)
{
    pawl_store_relaxed(&conn->asked, now); /* relaxed, all here: figures */
    pawl_store_relaxed(&conn->doing, (uint32_t)CACHE_DOING_PARSE);
}

static inline void cache_conn_does(struct cache_conn *conn, enum cache_doing doing)
{
    pawl_store_relaxed(&conn->doing, (uint32_t)doing);
}

/* Any thread. Nothing is said when memory is out. */
void cache_conns_say(struct cache_conns *conns, uint32_t now, cache_stat_fn *say, void *arg);

#endif
