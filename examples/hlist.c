/* SPDX-License-Identifier: MIT */
/* Subscribers that may leave while others are being told. */
#include <pawl/hlist.h>
#include <pawl/mutex.h>
#include <pawl/rcu.h>

#include <stdio.h>
#include <stdlib.h>

struct subscriber {
    const char *name;
    struct pawl_hlist_node link;
    struct pawl_retired retired;
};

static struct pawl_hlist_head subscribers;
static struct pawl_mutex lock = PAWL_MUTEX_INIT; /* of writers */

static void free_subscriber(struct pawl_retired *retired)
{
    free(pawl_retired_of(retired, struct subscriber, retired));
}

static struct subscriber *subscribe(const char *name)
{
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);

    if (subscriber == NULL)
        exit(1);
    subscriber->name = name;
    pawl_mutex_lock(&lock);
    pawl_hlist_add(&subscribers, &subscriber->link);
    pawl_mutex_unlock(&lock);
    return subscriber;
}

static void leave(struct subscriber *subscriber)
{
    pawl_mutex_lock(&lock);
    pawl_hlist_del(&subscriber->link);
    pawl_mutex_unlock(&lock);
    pawl_rcu_call(&subscriber->retired, free_subscriber); /* when nobody can stand on it any more */
}

static int tell_all(const char *news)
{
    struct subscriber *item;
    int told = 0;

    pawl_rcu_read_lock(); /* any number of threads at once, no lock taken */
    pawl_hlist_each(item, &subscribers, struct subscriber, link)
        told += printf("%s hears %s\n", item->name, news) > 0;
    pawl_rcu_read_unlock();
    return told;
}

int main(void)
{
    struct subscriber *ann = subscribe("Ann");
    struct subscriber *bob = subscribe("Bob");
    int told = tell_all("that it rains");

    leave(ann);
    told += tell_all("that it stops");
    leave(bob);
    pawl_rcu_barrier();
    return told == 3 ? 0 : 1;
}
