/* SPDX-License-Identifier: MIT */
/* For the model checker: an object that a slot was found to hold is not reclaimed before the slot lets it go, each is
 * reclaimed once, and reclaim() sees what the thread stored in it that retired it. -DREADERS=2. -DRETIRERS=2: the other
 * one ends, and what it leaves is seen to. -DTWICE=1: the slot moves from one object to the next. -DPAGE=1: the slot
 * is in a page; with -DPAWL_HAZARD_SLOTS=1u. -DAGAIN=1: the slot is taken again, for nothing. -DUNJOINED=1: the
 * domain is closed while that one ends. -DCOLLECT=0 with -DMARK_EVERY=1u: retire alone marks and scans. -DPASS=1: the
 * reader retires an object of its own while it holds the other, and so passes the mark; -DPASS=2: before. -DFENCER=1: it
 * does not, but a third thread fences. -DREST=1 with -DLATE_BY=-1: the reader may be found to rest, before anything is
 * retired; -DREST=2: it has taken a slot before and given it back. */
#include <pawl/hazard.h>

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
#ifndef FENCER
#define FENCER 0
#endif
#ifndef REST
#define REST 0
#endif

enum { FIRST = RETIRERS * RETIRES, OWN, LIVE = 1, RETIRED = 2, POISON = 99 };

struct object {
    struct pawl_retired retired;
    int value; /* as readers see it */
    int made;  /* by who published it, and by who replaced it */
    int state;
};

static struct object objects[OWN + 1];
static PAWL_ATOMIC(struct object *) current = &objects[FIRST];
static struct pawl_hazard *hazard;

static void poison(struct pawl_retired *retired)
{
    struct object *object = pawl_retired_of(retired, struct object, retired);

    assert(object->state == RETIRED); /* once */
    object->state = POISON;
    object->value = POISON;
}

#if PASS
static void retire_own(void)
{
    objects[OWN].state = RETIRED;
    pawl_hazard_retire(hazard, &objects[OWN].retired, poison);
}
#endif

#if FENCER
static void *fence(void *unused)
{
    (void)pawl_hazard_collect(hazard);
    return unused;
}
#endif

static void *reader(void *unused)
{
    struct pawl_hazard_slot *slot = pawl_hazard_take(hazard);
    struct object *object;

#if REST == 2
    pawl_hazard_give(hazard, slot);
    slot = pawl_hazard_take(hazard);
#endif
#if PASS == 2
    retire_own();
#endif
#if PAGE
    for (unsigned int i = 0; i < PAWL_HAZARD_SLOTS; i++)
        slot = pawl_hazard_take(hazard);
#endif
    object = pawl_hazard_protect(slot, &current);
#if PASS == 1
    retire_own();
#endif
    assert(object->value == LIVE);
#if TWICE
    assert(pawl_hazard_protect(slot, &current)->value == LIVE);
#endif
    pawl_hazard_give(hazard, slot);
#if AGAIN
    (void)pawl_hazard_take(hazard);
#endif
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
    pawl_hazard_retire(hazard, &old->retired, poison);
#if COLLECT
    (void)pawl_hazard_collect(hazard);
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
#if FENCER
    pthread_t fencer;
#endif

    objects[FIRST].value = LIVE;
    hazard = pawl_hazard_open(offsetof(struct object, retired));
    for (int i = 0; i < READERS; i++)
        pthread_create(&threads[i], NULL, reader, NULL);
#if FENCER
    pthread_create(&fencer, NULL, fence, NULL);
#endif
#if RETIRERS == 2
    pthread_create(&threads[READERS], NULL, retirer, &objects[RETIRES]);
#endif
#if REST
    (void)pawl_hazard_collect(hazard);
#endif
    retirer(&objects[0]);
#if UNJOINED
    pawl_check_assume(pawl_load_acquire(&through) == RETIRERS);
    pawl_hazard_close(hazard);
#endif
    for (int i = 0; i < READERS + RETIRERS - 1; i++)
        pthread_join(threads[i], NULL);
#if FENCER
    pthread_join(fencer, NULL);
#endif
#if !UNJOINED
    pawl_hazard_close(hazard);
#endif
    for (int i = 0; i < (PASS != 0 ? OWN + 1 : OWN); i++)
        assert((objects[i].state == POISON) == (&objects[i] != pawl_load_relaxed(&current)));
    return 0;
}
