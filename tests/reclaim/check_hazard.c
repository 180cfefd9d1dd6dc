/* SPDX-License-Identifier: MIT */
/* For the model checker: an object that a slot was found to hold is not reclaimed. As check_rcu.c. */
#include <pawl/hazard.h>

#include <assert.h>
#include <pthread.h>

struct object {
    struct pawl_retired retired;
    int value;
};

static struct object first = {.value = 1}, second = {.value = 1};
static PAWL_ATOMIC(struct object *) current = &first;
static struct pawl_hazard *hazard;

static void poison(struct pawl_retired *retired)
{
    pawl_retired_of(retired, struct object, retired)->value = 99;
}

static void *reader(void *unused)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);
    struct object *object = pawl_hazard_protect(slot, &current);

    assert(object->value == 1);
    pawl_hazard_give(hazard, slot);
    return unused;
}

int main(void)
{
    pthread_t thread;

    hazard = pawl_hazard_open(offsetof(struct object, retired));
    pthread_create(&thread, NULL, reader, NULL);
    pawl_store_release(&current, &second); /* release A: pairs with the acquire of protect */
    pawl_hazard_retire(hazard, &first.retired, poison);
    (void)pawl_hazard_collect(hazard);
    pthread_join(thread, NULL);
    return 0;
}
