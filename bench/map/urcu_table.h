/* SPDX-License-Identifier: MIT */
/* liburcu's lock-free table of split-ordered lists, resized by itself, over its membarrier flavour: opened,
 * closed, used by threads. What is in it is the includer's: `struct item` with a `node` and a `head`, and
 * get and put. Defined before:
 *
 *   LOOP(name)    the name of a function */

/* NOLINTBEGIN(misc-definitions-in-headers): included for its definitions, as loops.h */

/* liburcu's macro casts a const away, which not every compiler of ours lets pass. */
static inline struct item *item_of(struct cds_lfht_node *node)
{
    return (struct item *)(void *)((char *)node - offsetof(struct item, node));
}

static void free_item(struct rcu_head *head)
{
    free((char *)head - offsetof(struct item, head));
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

    urcu_memb_barrier();
    urcu_memb_read_lock();
    cds_lfht_for_each(table, &iterator, node) if (cds_lfht_del(table, node) == 0)
        urcu_memb_call_rcu(&item_of(node)->head, free_item);
    urcu_memb_read_unlock();
    urcu_memb_barrier();
    cds_lfht_destroy(table, NULL);
}

/* The table has an address of its own, so that it can be a fresh one. */
int LOOP(open_empty)(unsigned threads, void **shared)
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

void LOOP(empty)(void *shared)
{
    struct cds_lfht **table = shared;

    close_table(*table);
    *table = open_table();
}

void LOOP(close)(void *shared)
{
    struct cds_lfht **table = shared;

    close_table(*table);
    free(table);
    leave();
}

void LOOP(enter)(struct bench_thread *thread)
{
    (void)thread;
    enter();
}

void LOOP(leave)(struct bench_thread *thread)
{
    (void)thread;
    leave();
}

/* NOLINTEND(misc-definitions-in-headers) */
