/* SPDX-License-Identifier: MIT */
/* liburcu's list, and its table with numbers that are added to, over its membarrier flavour. */
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>

#include <urcu/rcuhlist.h>
#include <urcu/rculfhash.h>

#include "small.h"

#include <errno.h>
#include <stdlib.h>

struct item {
    struct cds_lfht_node node;
    uint64_t key;
    unsigned long number;
    struct rcu_head head;
};

#define LOOP(name) urcu_sums_##name
#include "urcu_table.h"

/* ---- the list ---- */

struct link {
    struct cds_hlist_node node;
    uint64_t value;
};

struct list {
    struct cds_hlist_head head;
    struct link links[SMALL_LIST];
};

int urcu_list_open(unsigned threads, void **shared)
{
    struct list *list = calloc(1, sizeof *list);

    (void)threads;
    if (list == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < SMALL_LIST; i++) {
        list->links[i].value = i;
        cds_hlist_add_head_rcu(&list->links[i].node, &list->head);
    }
    *shared = list;
    return 0;
}

void urcu_list_enter(struct bench_thread *thread)
{
    urcu_sums_enter(thread);
}

void urcu_list_leave(struct bench_thread *thread)
{
    urcu_sums_leave(thread);
}

void urcu_list_walk(struct bench_thread *thread, uint64_t iterations)
{
    const struct list *list = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        const struct cds_hlist_node *node;
        uint64_t sum = 0;

        urcu_memb_read_lock();
        cds_hlist_for_each_rcu(node, &list->head) sum += ((const struct link *)(const void *)node)->value;
        urcu_memb_read_unlock();
        bench_keep(sum);
    }
}

void urcu_list_change(struct bench_thread *thread, uint64_t iterations)
{
    struct list *list = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        struct cds_hlist_node *node = &list->links[i % SMALL_LIST].node;

        cds_hlist_del_rcu(node);
        cds_hlist_add_head_rcu(node, &list->head);
    }
}

/* ---- the table ---- */

/* Keys are mixed already; the table takes the low bits. */
static unsigned long hash(uint64_t key)
{
    return key ^ key >> 32;
}

static int match(struct cds_lfht_node *node, const void *key)
{
    return item_of(node)->key == *(const uint64_t *)key;
}

static inline struct item *find(struct cds_lfht *table, uint64_t key)
{
    struct cds_lfht_iter iterator;
    struct cds_lfht_node *node;

    cds_lfht_lookup(table, hash(key), match, &key, &iterator);
    node = cds_lfht_iter_get_node(&iterator);
    return node != NULL ? item_of(node) : NULL;
}

int urcu_sums_open_filled(unsigned threads, void **shared)
{
    int status = urcu_sums_open_empty(threads, shared);

    for (uint64_t i = 0; status == 0 && i < SMALL_KEYS; i++) {
        struct item *item = calloc(1, sizeof *item);

        if (item == NULL)
            return -ENOMEM;
        item->key = bench_word_of(i);
        cds_lfht_node_init(&item->node);
        urcu_memb_read_lock();
        cds_lfht_add(*(struct cds_lfht **)*shared, hash(item->key), &item->node);
        urcu_memb_read_unlock();
    }
    return status;
}

void urcu_sums_add(struct bench_thread *thread, uint64_t iterations)
{
    struct cds_lfht *table = *(struct cds_lfht **)thread->shared;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++) {
        struct item *item;

        urcu_memb_read_lock();
        item = find(table, small_key(&random));
        if (item == NULL)
            abort();
        uatomic_inc(&item->number);
        urcu_memb_read_unlock();
    }
    thread->random = random;
}

void urcu_sums_get(struct bench_thread *thread, uint64_t iterations)
{
    struct cds_lfht *table = *(struct cds_lfht **)thread->shared;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++) {
        const struct item *item;

        urcu_memb_read_lock();
        item = find(table, small_key(&random));
        bench_keep(item != NULL ? uatomic_read(&item->number) : 0);
        urcu_memb_read_unlock();
    }
    thread->random = random;
}
