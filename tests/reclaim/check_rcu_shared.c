/* SPDX-License-Identifier: MIT */
/* For the model checker: a grace period that another thread carries on serves this one's ticket too, and
 * only if it began late enough. As check_rcu.c. */
#include <pawl/rcu.h>

#include <assert.h>
#include <pthread.h>

enum { LIVE = 1, POISON = 99 };

struct object {
    int value;
};

static struct object first = {LIVE}, second;
static PAWL_ATOMIC(struct object *) current = &first;

static void *reader(void *unused)
{
    pawl_rcu_read_lock();
    assert(pawl_rcu_dereference(&current)->value == LIVE);
    pawl_rcu_read_unlock();
    return unused;
}

/* Wants a grace period of its own, at any time. */
static void *other_writer(void *unused)
{
    bool over = pawl_rcu_poll(pawl_rcu_start_poll());

    (void)over; /* true or not: the reader may be inside */
    return unused;
}

int main(void)
{
    pthread_t threads[2];
    uint64_t ticket;

    pthread_create(&threads[0], NULL, reader, NULL);
    pthread_create(&threads[1], NULL, other_writer, NULL);
    second.value = LIVE;
    pawl_rcu_assign(&current, &second);
    ticket = pawl_rcu_start_poll();
    if (pawl_rcu_poll(ticket))
        first.value = POISON;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    return 0;
}
