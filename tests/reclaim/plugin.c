/* SPDX-License-Identifier: MIT */
/* A plugin that opens domains of its own, retires objects in several threads, closes the domains, and is
 * unloaded. */
#include <pawl/reclaim.h>

#include <pthread.h>
#include <stdlib.h>

int plugin_use(void);

struct object {
    struct pawl_retired retired;
};

static struct pawl_epoch *epoch;
static struct pawl_hazard *hazard;
static struct pawl_rcu *rcu;
static PAWL_ATOMIC(int) reclaimed;

static void reclaim(struct pawl_retired *retired)
{
    pawl_fetch_add_relaxed(&reclaimed, 1);
    free(pawl_retired_of(retired, struct object, retired));
}

static struct pawl_retired *make(void)
{
    struct object *object = malloc(sizeof *object);

    if (object == NULL)
        abort();
    return &object->retired;
}

static void *retire_some(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        pawl_epoch_pin(epoch);
        pawl_epoch_retire(epoch, make(), reclaim);
        pawl_epoch_unpin(epoch);
        pawl_hazard_retire(hazard, make(), reclaim);
        pawl_rcu_call_in(rcu, make(), reclaim);
    }
    return NULL;
}

int plugin_use(void)
{
    pthread_t threads[3];

    epoch = pawl_epoch_open();
    hazard = pawl_hazard_open(offsetof(struct object, retired));
    rcu = pawl_rcu_open();
    if (epoch == NULL || hazard == NULL || rcu == NULL)
        return 1;
    for (int i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, retire_some, NULL) != 0)
            return 2;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    retire_some(NULL);
    pawl_epoch_close(epoch);
    pawl_hazard_close(hazard);
    pawl_rcu_close(rcu);
    return pawl_exchange_relaxed(&reclaimed, 0) == 4 * 300 ? 0 : 3;
}
