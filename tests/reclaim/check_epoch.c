/* SPDX-License-Identifier: MIT */
/* For the model checker: what a pinned thread found is not reclaimed while it is pinned, each object is reclaimed once,
 * and reclaim() sees what the thread stored in it that retired it. -DREADERS=2. -DRETIRERS=2: the other one ends, and
 * what it leaves is seen to. -DREPIN=1: the reader lets go and looks again. -DUNJOINED=1: the domain is closed while
 * that one ends. -DCOLLECT=0 with -DBATCH_LEAST=1u: retire alone advances. -DPASS=1: the reader retires an object of its
 * own while it is pinned, and so passes the mark; -DPASS=2: before. -DREST=1 with -DLATE_BY=-1: an object is retired first, whose
 * fence may find that the reader rests; -DREST=2: and it has been pinned before. -DEPOCH_FENCE_AT=1: each retire fences where the
 * reader has not passed; with 99, none does. */
#include <pawl/epoch.h>

#include <assert.h>
#include <pthread.h>

#ifndef READERS
#define READERS 1
#endif
#ifndef RETIRERS
#define RETIRERS 1
#endif
#ifndef RETIRES /* by each */
#define RETIRES 1
#endif
#ifndef COLLECT
#define COLLECT 1
#endif

#ifndef PASS
#define PASS 0
#endif
#ifndef REST
#define REST 0
#endif

enum { FIRST = RETIRERS * RETIRES, OWN, LIVE = 1, RETIRED = 2, POISON = 99 };

struct object {
    int value; /* as readers see it */
    int made;  /* by who published it, and by who replaced it */
    int state;
    struct pawl_retired retired;
};

static struct object objects[OWN + 1];
static PAWL_ATOMIC(struct object *) current = &objects[FIRST];
static struct pawl_epoch *epoch;

static void poison(struct pawl_retired *retired)
{
    struct object *object = pawl_retired_of(retired, struct object, retired);

    assert(object->state == RETIRED); /* once */
    object->state = POISON;
    object->value = POISON;
}

#if PASS || REST
static void retire_own(void)
{
    objects[OWN].state = RETIRED;
    pawl_epoch_retire(epoch, &objects[OWN].retired, poison);
}
#endif

static void *reader(void *unused)
{
#if PASS == 2
    retire_own();
#endif
#if REST == 2
    pawl_epoch_pin(epoch);
    pawl_epoch_unpin(epoch);
#endif
    pawl_epoch_pin(epoch);
#if PASS == 1
    retire_own();
#endif
    assert(pawl_load_acquire(&current)->value == LIVE);
#if REPIN
    pawl_epoch_repin(epoch);
    assert(pawl_load_acquire(&current)->value == LIVE);
#endif
    pawl_epoch_unpin(epoch);
    return unused;
}

static void replace(struct object *next)
{
    struct object *old;

    next->value = LIVE;
    next->made++;
    old = pawl_exchange_acq_rel(&current, next); /* release: publishes; acquire: takes over */
    old->made++;
    old->state = RETIRED;
    pawl_epoch_retire(epoch, &old->retired, poison);
#if COLLECT
    (void)pawl_epoch_collect(epoch);
#endif
}

#if UNJOINED
static PAWL_ATOMIC(int) through;
#endif

static void *retirer(void *fresh)
{
    struct object *object = fresh;

    for (int i = 0; i < RETIRES; i++)
        replace(&object[i]);
#if UNJOINED
    pawl_fetch_add_release(&through, 1); /* pairs with the acquire in main */
#endif
    return NULL;
}

int main(void)
{
    pthread_t threads[READERS + 1];

    objects[FIRST].value = LIVE;
    epoch = pawl_epoch_open();
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[i], NULL, reader, NULL);
#if RETIRERS == 2
    pthread_create(&threads[READERS], NULL, retirer, &objects[RETIRES]);
#endif
#if REST
    retire_own();
#endif
    retirer(&objects[0]);
#if COLLECT
    (void)pawl_epoch_collect(epoch);
#endif
#if UNJOINED
    pawl_check_assume(pawl_load_acquire(&through) == RETIRERS);
    pawl_epoch_close(epoch);
#endif
    for (int i = 0; i < READERS + RETIRERS - 1; i++)
        pthread_join(threads[i], NULL);
#if !UNJOINED
    pawl_epoch_close(epoch);
#endif
    for (int i = 0; i < (PASS + REST != 0 ? OWN + 1 : OWN); i++)
        assert((objects[i].state == POISON) == (&objects[i] != pawl_load_relaxed(&current)));
    return 0;
}
