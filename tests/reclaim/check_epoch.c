/* SPDX-License-Identifier: MIT */
/* For the model checker: what a pinned thread found is not reclaimed by a thread that retires and advances,
 * twice, while a third may be at it as well. As check_rcu.c. */
#include <pawl/epoch.h>

#include <assert.h>
#include <pthread.h>

struct object {
    int value;
    struct pawl_retired retired;
};

static struct object objects[3] = {{.value = 1}, {.value = 1}, {.value = 1}};
static PAWL_ATOMIC(struct object *) current = &objects[0];
static struct pawl_epoch *epoch;

static void poison(struct pawl_retired *retired)
{
    pawl_retired_of(retired, struct object, retired)->value = 99;
}

static void *reader(void *unused)
{
    pawl_epoch_pin(epoch);
    assert(pawl_load_acquire(&current)->value == 1);
    pawl_epoch_unpin(epoch);
    return unused;
}

static void replace(struct object *next)
{
    struct object *old = pawl_exchange_acq_rel(&current, next); /* release: publishes; acquire: takes over */

    pawl_epoch_retire(epoch, &old->retired, poison);
    (void)pawl_epoch_collect(epoch);
}

int main(void)
{
    pthread_t thread;

    epoch = pawl_epoch_open();
    pthread_create(&thread, NULL, reader, NULL);
    replace(&objects[1]);
    (void)pawl_epoch_collect(epoch);
    pthread_join(thread, NULL);
    return 0;
}
