/* SPDX-License-Identifier: MIT */
/* For the model checker: synchronize returns, and not before the reader has left. A lost wake-up is a thread that sleeps
 * for ever: the checker reports a deadlock. -DWRITERS=2: one of them leads, the other waits for its grace period or
 * takes the lead over. */
#include <pawl/rcu.h>

#include <assert.h>
#include <pthread.h>

#ifndef WRITERS
#define WRITERS 1
#endif

enum { LIVE = 1, POISON = 99 };

struct object {
    int value;
    int made; /* by who published it, and by who replaced it */
};

static struct object objects[WRITERS + 1];
static PAWL_ATOMIC(struct object *) current = &objects[WRITERS];

static void *reader(void *unused)
{
    pawl_rcu_read_lock();
    assert(pawl_rcu_dereference(&current)->value == LIVE);
    pawl_rcu_read_unlock();
    return unused;
}

static void *writer(void *fresh)
{
    struct object *next = fresh, *old;

    next->value = LIVE;
    next->made++;
    old = pawl_exchange_acq_rel(&current, next); /* release: publishes; acquire: takes over */
    old->made++;
    pawl_rcu_synchronize();
    old->value = POISON;
    return NULL;
}

int main(void)
{
    pthread_t threads[WRITERS + 1];

    objects[WRITERS].value = LIVE;
#if READER
    pthread_create(&threads[WRITERS], NULL, reader, NULL);
#endif
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&threads[i], NULL, writer, &objects[i]);
#if READER
    pthread_join(threads[WRITERS], NULL);
#endif
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    (void)reader;
    return 0;
}
