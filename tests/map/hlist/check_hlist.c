/* SPDX-License-Identifier: MIT */
/* Closures of the list for the model checker: a walk of the list 10, 20, 30 while one writer changes it. The walk must
 * find what is linked all the time, in order, and whole; nothing is freed before it is over, as RCU sees to.
 * -DCHANGE=1: link 5 at the head; 2: link 40 behind 30; 3: unlink 20; 4: replace 20 by another 20; 5: link 25 before
 * 30, then unlink 20, so that a walk comes to 25 from 10.
 *
 * Together they kill every weaker order: what survives in one of them is needed in another. */
#include <pawl/hlist.h>

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

struct object {
    int number; /* plain: written before it is linked */
    struct pawl_hlist_node link;
};

static struct pawl_hlist_head head;
static struct object a = {.number = 10}, b = {.number = 20}, c = {.number = 30}, fresh;

static void *walk(void *unused)
{
    struct object *item;
    bool middle = false;
    int ends = 0;
    int last = 0;

    (void)unused;
    pawl_hlist_each(item, &head, struct object, link)
    {
        assert(item->number > last); /* in order, nothing twice */
        last = item->number;
        ends += item == &a || item == &c;
        middle |= item->number == 20;
    }
    assert(ends == 2);
    assert(middle || CHANGE == 3 || CHANGE == 5);
    return NULL;
}

static void change(void)
{
#if CHANGE == 1
    fresh.number = 5;
    pawl_hlist_add(&head, &fresh.link);
#elif CHANGE == 2
    fresh.number = 40;
    pawl_hlist_add_behind(&c.link, &fresh.link);
#elif CHANGE == 3
    pawl_hlist_del(&b.link);
#elif CHANGE == 4
    fresh.number = 20;
    pawl_hlist_replace(&b.link, &fresh.link);
#elif CHANGE == 5
    fresh.number = 25;
    pawl_hlist_add_before(&c.link, &fresh.link);
    pawl_hlist_del(&b.link);
    assert(!pawl_hlist_linked(&b.link) && pawl_hlist_linked(&fresh.link));
#endif
}

int main(void)
{
    pthread_t reader;

    pawl_hlist_add(&head, &a.link);
    pawl_hlist_add_behind(&a.link, &c.link);
    pawl_hlist_add_before(&c.link, &b.link);
    pthread_create(&reader, NULL, walk, NULL);
    change();
    pthread_join(reader, NULL);
    return 0;
}
