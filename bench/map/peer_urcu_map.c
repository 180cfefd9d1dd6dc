/* SPDX-License-Identifier: MIT */
/* liburcu's lock-free table of split-ordered lists, resized by itself, over its membarrier flavour. */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

#include <urcu/rculfhash.h>

#include "peers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct cds_lfht_node node;
    struct bench_key key;
    uint64_t value;
    struct rcu_head head;
};

#define LOOP(name) key_lfht_##name
#include "urcu_table.h"

static int match(struct cds_lfht_node *node, const void *key)
{
    return memcmp(&item_of(node)->key, key, sizeof(struct bench_key)) == 0;
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

#define MAP struct cds_lfht *
#define KEY struct bench_key
#define KEY_OF bench_key_of
#define GET(thread, map, key) get(*(map), &(key))
#define PUT(thread, map, key, value) put(*(map), &(key), (value))
#include "loops.h"
