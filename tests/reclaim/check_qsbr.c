/* SPDX-License-Identifier: MIT */
/* For the model checker: an online thread uses what it finds until it says that it is quiescent, and what it finds
 * then it finds anew. -DOFFLINE=1: it goes offline and online again in place of that; -DINNER=1: with a section
 * inside, which must end nothing. */
#include <pawl/rcu.h>

#include <assert.h>
#include <pthread.h>

enum { LIVE = 1, POISON = 99 };

struct object {
    int value;
};

static struct object first = {LIVE}, second;
static PAWL_ATOMIC(struct object *) current = &first;

static void turn(void)
{
    struct object *object = pawl_rcu_dereference(&current);

#if INNER
    pawl_rcu_read_lock();
    pawl_rcu_read_unlock();
#endif
    assert(object->value == LIVE);
}

static void *loop(void *unused)
{
    pawl_rcu_online();
    turn();
#if OFFLINE
    pawl_rcu_offline();
    pawl_rcu_online();
#else
    pawl_rcu_quiescent();
#endif
    turn();
    pawl_rcu_offline();
    return unused;
}

int main(void)
{
    pthread_t thread;
    uint64_t ticket;

    pthread_create(&thread, NULL, loop, NULL);
    second.value = LIVE;
    pawl_rcu_assign(&current, &second);
    ticket = pawl_rcu_start_poll();
    for (int i = 0; i < 2; i++)
        if (pawl_rcu_poll(ticket)) {
            first.value = POISON;
            break;
        }
    pthread_join(thread, NULL);
    assert(pawl_rcu_poll(ticket));
    return 0;
}
