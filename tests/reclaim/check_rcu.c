/* SPDX-License-Identifier: MIT */
/* For the model checker: what a reader found is not poisoned while it is inside, and all it read was stored
 * before.
 *
 * The writer replaces an object, takes a grace period, and stores to the old one, plainly. In an execution
 * in which the reader is still at it, that is a race, or poison in its hand. Run with -DPAWL_READER_MAX=64,
 * beside src/core/reclaim, sync and percpu. */
#include <pawl/check.h>
#include <pawl/rcu.h>

#include <assert.h>
#include <pthread.h>

#ifndef READERS
#define READERS 1
#endif

enum { FIRST = 1, SECOND = 2, POISON = 99 };

struct object {
    int value;
};

static struct object first = {FIRST}, second;
static PAWL_ATOMIC(struct object *) current = &first;

static void *reader(void *unused)
{
    struct object *object;
    int value;

    pawl_rcu_read_lock();
    object = pawl_rcu_dereference(&current);
    value = object->value;
    assert(value == (object == &first ? FIRST : SECOND));
    pawl_rcu_read_unlock();
    return unused;
}

int main(void)
{
    pthread_t readers[READERS];
    uint64_t ticket;

    for (int i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, reader, NULL);
    second.value = SECOND;
    pawl_rcu_assign(&current, &second);
    ticket = pawl_rcu_start_poll();
    if (pawl_rcu_poll(ticket))
        first.value = POISON;
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert(pawl_rcu_poll(ticket));
    return 0;
}
