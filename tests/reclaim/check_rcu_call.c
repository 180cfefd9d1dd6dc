/* SPDX-License-Identifier: MIT */
/* For the model checker: a callback runs once, after the sections that could have its object, and before the barrier
 * returns that came after its call. -DWORKER=1: by the domain's worker, who is woken, works, and is stopped by close;
 * else no thread can be created for it, and the barriers do the work. -DCALLERS=2: two call, and each waits for its own.
 * -DREADER=1: beside a reader. -DSPILL=1: there is no memory for lists, so that calls go to one stack. */
#include <pawl/rcu.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#ifndef CALLERS
#define CALLERS 1
#endif

enum { LIVE = 1, POISON = 99 };

struct object {
    int value;
    int made; /* by who published it, and by who replaced it */
    struct pawl_retired retired;
};

static struct object objects[CALLERS + 1];
static PAWL_ATOMIC(struct object *) current = &objects[CALLERS];
static struct pawl_rcu *rcu;

#if !WORKER
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
#endif

#if SPILL
#include <pawl/percpu.h>

/* What the library's sources call in place of pawl_percpu_open. */
struct pawl_percpu *refuse_lists(size_t bytes, enum pawl_percpu_index by)
{
    (void)bytes;
    (void)by;
    return NULL;
}
#endif

static void poison(struct pawl_retired *retired)
{
    struct object *object = pawl_retired_of(retired, struct object, retired);

    assert(object->value == LIVE); /* once */
    object->value = POISON;
}

static void *reader(void *unused)
{
    pawl_rcu_read_lock_in(rcu);
    assert(pawl_rcu_dereference(&current)->value == LIVE);
    pawl_rcu_read_unlock_in(rcu);
    return unused;
}

static void *caller(void *fresh)
{
    struct object *next = fresh, *old;

    next->value = LIVE;
    next->made++;
    old = pawl_exchange_acq_rel(&current, next); /* release: publishes; acquire: takes over */
    old->made++;
    pawl_rcu_call_in(rcu, &old->retired, poison);
    pawl_rcu_barrier_in(rcu);
    assert(old->value == POISON);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];

    objects[CALLERS].value = LIVE;
    rcu = pawl_rcu_open();
#if READER
    pthread_create(&threads[0], NULL, reader, NULL);
#endif
#if CALLERS == 2
    pthread_create(&threads[1], NULL, caller, &objects[1]);
#endif
    caller(&objects[0]);
#if READER
    pthread_join(threads[0], NULL);
#endif
#if CALLERS == 2
    pthread_join(threads[1], NULL);
#endif
    pawl_rcu_close(rcu);
    (void)threads;
    (void)reader;
    return 0;
}
