/* SPDX-License-Identifier: MIT */
#include "conns.h"

#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

/* What is told of one, copied under the lock. */
struct seen {
    int fd;
    uint32_t asked, doing;
};

void cache_conns_init(struct cache_conns *conns)
{
    *conns = (struct cache_conns){.first = NULL};
    pawl_mutex_init(&conns->lock, 0);
}

void cache_conns_add(struct cache_conns *conns, struct cache_conn *conn, int fd, uint32_t now)
{
    conn->fd = fd;
    conn->before = NULL;
    cache_conn_asks(conn, now);
    cache_conn_does(conn, CACHE_DOING_NEW);
    pawl_mutex_lock(&conns->lock);
    conn->next = conns->first;
    if (conn->next != NULL)
        conn->next->before = conn;
    conns->first = conn;
    conns->count++;
    pawl_mutex_unlock(&conns->lock);
}

void cache_conns_remove(struct cache_conns *conns, struct cache_conn *conn)
{
    pawl_mutex_lock(&conns->lock);
    if (conn->before != NULL)
        conn->before->next = conn->next;
    else
        conns->first = conn->next;
    if (conn->next != NULL)
        conn->next->before = conn->before;
    conns->count--;
    pawl_mutex_unlock(&conns->lock);
}

/* All that there are; *count of them. NULL: none, or memory is out. */
static struct seen *look(struct cache_conns *conns, uint64_t *count)
{
    struct seen *seen;
    uint64_t i = 0;

    pawl_mutex_lock(&conns->lock);
    seen = calloc(conns->count, sizeof *seen);
    for (const struct cache_conn *conn = conns->first; seen != NULL && conn != NULL; conn = conn->next)
        /* relaxed, both: figures */
        seen[i++] = (struct seen){conn->fd, pawl_load_relaxed(&conn->asked), pawl_load_relaxed(&conn->doing)};
    pawl_mutex_unlock(&conns->lock);
    *count = i;
    return seen;
}

static void say_one(const struct seen *seen, uint32_t now, cache_stat_fn *say, void *arg)
{
    static const char *const names[] = {
        [CACHE_DOING_NEW] = "conn_new_cmd",     [CACHE_DOING_READ] = "conn_read",
        [CACHE_DOING_PARSE] = "conn_parse_cmd", [CACHE_DOING_VALUE] = "conn_nread",
        [CACHE_DOING_SWALLOW] = "conn_swallow", [CACHE_DOING_WRITE] = "conn_mwrite",
        [CACHE_DOING_WATCH] = "conn_watch",
    };
    char name[48], there[CACHE_PEER_LONG], here[CACHE_PEER_LONG];

    if (!cache_peer_stat(there, seen->fd, true) || !cache_peer_stat(here, seen->fd, false))
        return; /* it has gone since */
    (void)snprintf(name, sizeof name, "%d:addr", seen->fd);
    say(arg, name, there);
    (void)snprintf(name, sizeof name, "%d:listen_addr", seen->fd);
    say(arg, name, here);
    (void)snprintf(name, sizeof name, "%d:state", seen->fd);
    say(arg, name, names[seen->doing]);
    (void)snprintf(name, sizeof name, "%d:secs_since_last_cmd", seen->fd);
    cache_stat(say, arg, name, "%u", now > seen->asked ? now - seen->asked : 0);
}

void cache_conns_say(struct cache_conns *conns, uint32_t now, cache_stat_fn *say, void *arg)
{
    uint64_t count;
    struct seen *seen = look(conns, &count);

    for (uint64_t i = count; i > 0; i--) /* who came first stands last */
        say_one(&seen[i - 1], now, say, arg);
    free(seen);
}
