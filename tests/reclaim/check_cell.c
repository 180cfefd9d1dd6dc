/* SPDX-License-Identifier: MIT */
/* For the model checker: a version is dropped once, after its last user, whether that looked inside a section or held
 * it; and a user sees all that was stored in it before it was published. No thread can be created for RCU's worker
 * (check_rcu_call.c has it): destroy does the work. -DHOLD=1: hold and release in place of look; -DPUBLISHERS=2. */
#include <pawl/rcu_cell.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif

enum { LIVE = 1, DROPPED = 99 };

static struct pawl_rcu_cell cell;
static int data[PUBLISHERS + 1];

/* What the library's sources call in place of pthread_create. */
#undef pthread_create
extern int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                          void *argument);
int refuse_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                  void *argument);

int refuse_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    (void)thread;
    (void)attributes;
    (void)start;
    (void)argument;
    return EAGAIN;
}

static void drop(void *version)
{
    int *value = version;

    assert(*value == LIVE); /* once */
    *value = DROPPED;
}

static void *user(void *unused)
{
#if HOLD
    struct pawl_rcu_version *version = pawl_rcu_cell_hold(&cell);

    assert(version == NULL || *(int *)version->data == LIVE);
    pawl_rcu_version_release(version);
#else
    int *value;

    pawl_rcu_read_lock();
    value = pawl_rcu_cell_look(&cell);
    assert(value == NULL || *value == LIVE); /* NULL: destroyed already */
    pawl_rcu_read_unlock();
#endif
    return unused;
}

static void *publisher(void *fresh)
{
    int status;

    *(int *)fresh = LIVE;
    status = pawl_rcu_cell_publish(&cell, fresh);
    assert(status == 0);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];

    pawl_rcu_cell_init(&cell, drop);
    publisher(&data[PUBLISHERS]);
    pthread_create(&threads[0], NULL, user, NULL);
#if PUBLISHERS == 2
    pthread_create(&threads[1], NULL, publisher, &data[1]);
#endif
    publisher(&data[0]);
#if PUBLISHERS == 2
    pthread_join(threads[1], NULL);
#endif
    pawl_rcu_cell_destroy(&cell);
    pthread_join(threads[0], NULL);
    for (int i = 0; i <= PUBLISHERS; i++)
        assert(data[i] == DROPPED);
    return 0;
}
