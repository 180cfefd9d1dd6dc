/* SPDX-License-Identifier: MIT */
/* liburcu's lock-free table of split-ordered lists, resized by itself, over its membarrier flavour. Values
 * change in place. */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

#include <urcu/rculfhash.h>

#include "peers.h"

#include <stdlib.h>

struct item {
    struct cds_lfht_node node;
    uint64_t key, value;
    struct rcu_head head;
};

#define LOOP(name) word_lfht_##name
#include "urcu_table.h"

static int match(struct cds_lfht_node *node, const void *key)
{
    return item_of(node)->key == *(const uint64_t *)key;
}

/* Keys are mixed already; its table takes the low bits. */
static unsigned long hash(uint64_t key)
{
    return key ^ key >> 32;
}

static struct item *find(struct cds_lfht *table, uint64_t key)
{
    struct cds_lfht_iter iterator;
    struct cds_lfht_node *node;

    cds_lfht_lookup(table, hash(key), match, &key, &iterator);
    node = cds_lfht_iter_get_node(&iterator);
    return node != NULL ? item_of(node) : NULL;
}

static inline uint64_t get(struct cds_lfht *table, uint64_t key)
{
    struct item *item;
    uint64_t value;

    urcu_memb_read_lock();
    item = find(table, key);
    value = item != NULL ? uatomic_read(&item->value) : 0;
    urcu_memb_read_unlock();
    return value;
}

static inline void put(struct cds_lfht *table, uint64_t key, uint64_t value)
{
    struct item *item;

    urcu_memb_read_lock();
    item = find(table, key);
    if (item != NULL) {
        uatomic_set(&item->value, value);
    } else {
        struct cds_lfht_node *there;

        item = malloc(sizeof *item);
        if (item == NULL)
            abort();
        item->key = key;
        item->value = value;
        cds_lfht_node_init(&item->node);
        there = cds_lfht_add_unique(table, hash(key), match, &key, &item->node);
        if (there != &item->node) {
            free(item);
            uatomic_set(&item_of(there)->value, value);
        }
    }
    urcu_memb_read_unlock();
}

#define MAP struct cds_lfht *
#define KEY uint64_t
#define KEY_OF bench_word_of
#define GET(thread, map, key) get(*(map), (key))
#define PUT(thread, map, key, value) put(*(map), (key), (value))
#include "loops.h"
