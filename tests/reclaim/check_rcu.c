/* SPDX-License-Identifier: MIT */
/* For the model checker: what a reader found is not poisoned while it is inside, and all it read was stored
 * before.
 *
 * The writer replaces an object, takes a grace period by polling, and stores to the old one, plainly. In an execution
 * in which the reader is still at it, that is a race, or poison in its hand. -DREADERS=2; -DSECTIONS=2: one after the
 * other; -DNEST=1: the object is used in the outer section, after an inner one; -DDOMAIN=1: a domain of its own. */
#include <pawl/rcu.h>

#include <assert.h>
#include <pthread.h>

#ifndef READERS
#define READERS 1
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif

enum { FIRST = 1, SECOND = 2, POISON = 99 };

struct object {
    int value;
};

static struct object first = {FIRST}, second;
static PAWL_ATOMIC(struct object *) current = &first;

static struct pawl_rcu *rcu = &pawl_rcu_default;

static void read_once(void)
{
    struct object *object;
    int value;

    pawl_rcu_read_lock_in(rcu);
#if NEST
    pawl_rcu_read_lock_in(rcu);
    object = pawl_rcu_dereference(&current);
    pawl_rcu_read_unlock_in(rcu);
#else
    object = pawl_rcu_dereference(&current);
#endif
    value = object->value;
    assert(value == (object == &first ? FIRST : SECOND));
    pawl_rcu_read_unlock_in(rcu);
}

static void *reader(void *unused)
{
    for (int i = 0; i < SECTIONS; i++)
        read_once();
    return unused;
}

int main(void)
{
    pthread_t readers[READERS];
    uint64_t ticket;

#if DOMAIN
    rcu = pawl_rcu_open();
#endif
    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, reader, NULL);
    second.value = SECOND;
    pawl_rcu_assign(&current, &second);
    ticket = pawl_rcu_start_poll_in(rcu);
    if (pawl_rcu_poll_in(rcu, ticket))
        first.value = POISON;
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert(pawl_rcu_poll_in(rcu, ticket));
#if DOMAIN
    pawl_rcu_close(rcu);
#endif
    return 0;
}
