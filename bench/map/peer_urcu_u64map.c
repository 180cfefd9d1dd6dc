/* SPDX-License-Identifier: MIT */
/* liburcu's lock-free table of split-ordered lists, resized by itself, over its membarrier flavour. Values
 * change in place. */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

#include <urcu/rculfhash.h>

#include "u64map_peers.h"

#include <stdlib.h>

struct item {
    struct cds_lfht_node node;
    uint64_t key, value;
    struct rcu_head head;
};

static inline struct item *item_of(struct cds_lfht_node *node)
{
    return (struct item *)(void *)((char *)node - offsetof(struct item, node));
}

static int match(struct cds_lfht_node *node, const void *key)
{
    return item_of(node)->key == *(const uint64_t *)key;
}

static void free_item(struct rcu_head *head)
{
    free((char *)head - offsetof(struct item, head));
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

/* The thread that opens may be one that works, too. */
static __thread int registered;

static void enter(void)
{
    if (registered++ == 0)
        urcu_memb_register_thread();
}

static void leave(void)
{
    if (--registered == 0)
        urcu_memb_unregister_thread();
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

    urcu_memb_read_lock();
    cds_lfht_for_each(table, &iterator, node) if (cds_lfht_del(table, node) == 0)
        urcu_memb_call_rcu(&item_of(node)->head, free_item);
    urcu_memb_read_unlock();
    urcu_memb_barrier();
    cds_lfht_destroy(table, NULL);
}

/* The table has an address of its own, so that it can be a fresh one. */
int word_lfht_open_empty(unsigned threads, void **shared)
{
    struct cds_lfht **table = malloc(sizeof *table);

    (void)threads;
    if (table == NULL)
        abort();
    enter();
    *table = open_table();
    *shared = table;
    return 0;
}

void word_lfht_empty(void *shared)
{
    struct cds_lfht **table = shared;

    close_table(*table);
    *table = open_table();
}

void word_lfht_close(void *shared)
{
    struct cds_lfht **table = shared;

    close_table(*table);
    free(table);
    leave();
}

void word_lfht_enter(struct bench_thread *thread)
{
    (void)thread;
    enter();
}

void word_lfht_leave(struct bench_thread *thread)
{
    (void)thread;
    leave();
}

#define LOOP(name) word_lfht_##name
#define MAP struct cds_lfht *
#define GET(map, key) get(*(map), (key))
#define PUT(map, key, value) put(*(map), (key), (value))
#include "u64map_loops.h"
