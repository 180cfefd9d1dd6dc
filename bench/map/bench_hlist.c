/* SPDX-License-Identifier: MIT */
/* Short lists: walked by all threads, and changed by their writer.
 *
 * By operation: a walk of pawl_hlist has no RMW and no fence, its section two stores to a line of the thread's. */
#include "small.h"

#include <pawl/hlist.h>
#include <pawl/rcu.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct item {
    struct pawl_hlist_node link;
    uint64_t value;
};

struct list {
    struct pawl_hlist_head head;
    struct item items[SMALL_LIST];
};

static int open_list(unsigned threads, void **shared)
{
    struct list *list = calloc(1, sizeof *list);

    (void)threads;
    if (list == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < SMALL_LIST; i++) {
        list->items[i].value = i;
        pawl_hlist_add(&list->head, &list->items[i].link);
    }
    *shared = list;
    return 0;
}

static void walk_pawl(struct bench_thread *thread, uint64_t iterations)
{
    const struct list *list = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        const struct item *item;
        uint64_t sum = 0;

        pawl_rcu_read_lock();
        pawl_hlist_each(item, &list->head, struct item, link) sum += item->value;
        pawl_rcu_read_unlock();
        bench_keep(sum);
    }
}

/* The node at an end goes to the other: unlinked, linked. Nobody reads. */
static void change_pawl(struct bench_thread *thread, uint64_t iterations)
{
    struct list *list = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        struct item *item = &list->items[i % SMALL_LIST];

        pawl_hlist_del(&item->link);
        pawl_hlist_add(&list->head, &item->link);
    }
}

/* ---- without anything: what nothing shared can beat ---- */

struct plain {
    struct plain *next, **pprev;
    uint64_t value;
};

struct plain_list {
    struct plain *first;
    struct plain items[SMALL_LIST];
    pthread_rwlock_t lock;
};

static void plain_add(struct plain_list *list, struct plain *item)
{
    item->next = list->first;
    item->pprev = &list->first;
    if (item->next != NULL)
        item->next->pprev = &item->next;
    list->first = item;
}

static int open_plain(unsigned threads, void **shared)
{
    struct plain_list *list = calloc(1, sizeof *list);

    (void)threads;
    if (list == NULL)
        return -ENOMEM;
    pthread_rwlock_init(&list->lock, NULL);
    for (unsigned i = 0; i < SMALL_LIST; i++) {
        list->items[i].value = i;
        plain_add(list, &list->items[i]);
    }
    *shared = list;
    return 0;
}

static inline uint64_t sum_plain(const struct plain_list *list)
{
    uint64_t sum = 0;

    for (const struct plain *item = list->first; item != NULL; item = item->next)
        sum += item->value;
    return sum;
}

static void walk_plain(struct bench_thread *thread, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++) {
        const struct plain_list *list = thread->shared;

        bench_keep_pointer(list); /* or it walks once */
        bench_keep(sum_plain(list));
    }
}

static void walk_rwlock(struct bench_thread *thread, uint64_t iterations)
{
    struct plain_list *list = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        pthread_rwlock_rdlock(&list->lock);
        bench_keep(sum_plain(list));
        pthread_rwlock_unlock(&list->lock);
    }
}

static void change_plain(struct bench_thread *thread, uint64_t iterations)
{
    struct plain_list *list = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        struct plain *item = &list->items[i % SMALL_LIST];

        *item->pprev = item->next;
        if (item->next != NULL)
            item->next->pprev = item->pprev;
        plain_add(list, item);
        bench_keep_pointer(list);
    }
}

#if BENCH_HAVE_URCU
#define URCU(loop)                                                                      \
    {                                                                                   \
        .name = "liburcu cds_hlist", .setup = urcu_list_open, .enter = urcu_list_enter, \
        .leave = urcu_list_leave, .run = urcu_list_##loop, .teardown = free             \
    }
#else
#define URCU(loop)                                                                        \
    {                                                                                     \
        .name = "liburcu cds_hlist", .missing = "built without liburcu-cds (liburcu-dev)" \
    }
#endif

static const struct bench_contender walking[] = {
    {.name = "pawl_hlist, RCU", .setup = open_list, .run = walk_pawl, .teardown = free},
    {.name = "plain", .setup = open_plain, .run = walk_plain, .teardown = free},
    URCU(walk),
    {.name = "plain, rwlock", .setup = open_plain, .run = walk_rwlock, .teardown = free},
    {0},
};

static const struct bench_contender changing[] = {
    {.name = "pawl_hlist", .setup = open_list, .run = change_pawl, .teardown = free},
    {.name = "plain", .setup = open_plain, .run = change_plain, .teardown = free},
    URCU(change),
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "walk",
         .about = "A list of 8, from end to end.",
         .unit = "walk",
         .threads = {1, 2, 8},
         .contenders = walking},
        {.name = "change",
         .about = "A node is unlinked, and linked again at the head. One thread.",
         .unit = "pair",
         .threads = {1},
         .threads_fixed = true,
         .contenders = changing},
        {0},
    };
    static const struct bench_program program = {"hlist", "Short lists under RCU.", groups};

    return bench_main(argc, argv, &program);
}
