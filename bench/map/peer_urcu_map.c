/* SPDX-License-Identifier: MIT */
/* liburcu's lock-free table of split-ordered lists, resized by itself, over its membarrier flavour. */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

#include <urcu/rculfhash.h>

#include "map_peers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct cds_lfht_node node;
    struct bench_key key;
    uint64_t value;
    struct rcu_head head;
};

/* liburcu's macro casts a const away, which not every compiler of ours lets pass. */
static inline struct item *item_of(struct cds_lfht_node *node)
{
    return (struct item *)(void *)((char *)node - offsetof(struct item, node));
}

static int match(struct cds_lfht_node *node, const void *key)
{
    return memcmp(&item_of(node)->key, key, sizeof(struct bench_key)) == 0;
}

static void free_item(struct rcu_head *head)
{
    free((char *)head - offsetof(struct item, head));
}

static inline uint64_t get(struct cds_lfht *table, const struct bench_key *key)
{
    struct cds_lfht_iter iterator;
    struct cds_lfht_node *node;
    uint64_t value = 0;

    urcu_memb_read_lock();
    cds_lfht_lookup(table, bench_map_hash(key), match, key, &iterator);
    node = cds_lfht_iter_get_node(&iterator);
    if (node != NULL)
        value = item_of(node)->value;
    urcu_memb_read_unlock();
    return value;
}

static inline void put(struct cds_lfht *table, const struct bench_key *key, uint64_t value)
{
    struct item *item = malloc(sizeof *item);
    struct cds_lfht_node *old;

    if (item == NULL)
        abort();
    item->key = *key;
    item->value = value;
    cds_lfht_node_init(&item->node);
    urcu_memb_read_lock();
    old = cds_lfht_add_replace(table, bench_map_hash(key), match, key, &item->node);
    urcu_memb_read_unlock();
    if (old != NULL)
        urcu_memb_call_rcu(&item_of(old)->head, free_item);
}

static struct cds_lfht *open_table(void)
{
    struct cds_lfht *table = cds_lfht_new_flavor(64, 64, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING,
                                                 &urcu_memb_flavor, NULL);

    if (table == NULL)
        abort();
    return table;
}

static void close_table(struct cds_lfht *table)
{
    struct cds_lfht_iter iterator;
    struct cds_lfht_node *node;

    urcu_memb_barrier();
    urcu_memb_read_lock();
    cds_lfht_for_each(table, &iterator, node) if (cds_lfht_del(table, node) == 0)
        urcu_memb_call_rcu(&item_of(node)->head, free_item);
    urcu_memb_read_unlock();
    urcu_memb_barrier();
    cds_lfht_destroy(table, NULL);
}

/* The table has an address of its own, so that it can be a fresh one. */
int peer_lfht_open_empty(unsigned threads, void **shared)
{
    struct cds_lfht **table = malloc(sizeof *table);

    (void)threads;
    if (table == NULL)
        abort();
    urcu_memb_register_thread();
    *table = open_table();
    *shared = table;
    return 0;
}

int peer_lfht_open(unsigned threads, void **shared)
{
    int status = peer_lfht_open_empty(threads, shared);

    for (uint64_t i = 0; i < bench_map_keys; i++) {
        struct bench_key key = bench_key_of(i);

        put(*(struct cds_lfht **)*shared, &key, i + 1);
    }
    return status;
}

void peer_lfht_empty(void *shared)
{
    struct cds_lfht **table = shared;

    close_table(*table);
    *table = open_table();
}

void peer_lfht_close(void *shared)
{
    struct cds_lfht **table = shared;

    close_table(*table);
    free(table);
    urcu_memb_unregister_thread();
}

void peer_lfht_enter(struct bench_thread *thread)
{
    (void)thread;
    urcu_memb_register_thread();
}

void peer_lfht_leave(struct bench_thread *thread)
{
    (void)thread;
    urcu_memb_unregister_thread();
}

#define LOOP(name) peer_lfht_##name
#define MAP struct cds_lfht *
#define GET(thread, map, key) get(*(map), (key))
#define PUT(thread, map, key, value) put(*(map), (key), (value))
#include "map_loops.h"
