/* SPDX-License-Identifier: MIT */
/* Closures of the hand-over for the model checker: a box with one place, filled and emptied by threads that wait.
 * A lost wake-up is a thread that sleeps for ever, which the checker reports as a deadlock.
 * -DPOPPERS, -DPUSHERS: how many of each, one element a thread. -DCLOSE: the pushers are one, and the box is closed
 * behind it; poppers pop until it is. -DFLAGS=PAWL_SHARED: the form with ordinary fences.
 *
 * Mutants that survive, beside those of the eventcount (tests/sync/check_eventcount.c): the heavy fence, because here it
 * is an ordinary one and stands beside the one in prepare (-DFLAGS=PAWL_SHARED, without the former, kills the latter);
 * acquire in _closed where nothing is closed; both halves of the exchange in _close: release, because the fences of
 * notify_all release too; acquire, because nobody here looks at what another closer did. */
#include <pawl/handover.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#ifndef POPPERS
#define POPPERS 1
#endif
#ifndef PUSHERS
#define PUSHERS 1
#endif
#ifndef FLAGS
#define FLAGS PAWL_PRIVATE
#endif

static struct pawl_handover h;
static PAWL_ATOMIC(int) place; /* 0: free */
static int popped[POPPERS];

static int try_push(void *unused)
{
    int empty = 0;

    (void)unused;
    return pawl_cas_relaxed(&place, &empty, 1) ? 0 : -EAGAIN;
}

static int try_pop(void *unused)
{
    /* Closed is looked at before the place: what was pushed before closing is then seen. */
    bool closed = pawl_handover_closed(&h);
    int full = 1;

    (void)unused;
    if (pawl_cas_relaxed(&place, &full, 0))
        return 0;
    return closed ? -EPIPE : -EAGAIN;
}

static void *push(void *unused)
{
    (void)unused;
    assert(pawl_handover_push_wait(&h, try_push, NULL, PAWL_FOREVER) == 0);
    pawl_handover_pushed(&h, 1);
#if CLOSE
    assert(pawl_handover_close(&h) == 0);
    assert(pawl_handover_close(&h) == -EALREADY);
#endif
    return NULL;
}

static void *pop(void *argument)
{
    int *count = argument;
    int status;

    do {
        status = pawl_handover_pop_wait(&h, try_pop, NULL, PAWL_FOREVER);
        if (status == 0) {
            ++*count;
            pawl_handover_popped(&h, 1);
        }
    } while (CLOSE && status == 0);
    assert(status == (CLOSE ? -EPIPE : 0));
    return NULL;
}

int main(void)
{
    pthread_t pushers[PUSHERS], poppers[POPPERS];
    int all = 0;

    pawl_handover_init(&h, FLAGS);
    for (int i = 0; i < POPPERS; i++)
        pthread_create(&poppers[i], NULL, pop, &popped[i]);
    for (int i = 0; i < PUSHERS; i++)
        pthread_create(&pushers[i], NULL, push, NULL);
    for (int i = 0; i < PUSHERS; i++)
        pthread_join(pushers[i], NULL);
    for (int i = 0; i < POPPERS; i++) {
        pthread_join(poppers[i], NULL);
        all += popped[i];
    }
    assert(all == PUSHERS && pawl_load_relaxed(&place) == 0);
    return 0;
}
