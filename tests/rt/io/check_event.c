/* SPDX-License-Identifier: MIT */
/* A closure of user events for the model checker: raises by other threads, against the worker, and a stop.
 *
 *   -DRAISERS=n   so many threads raise it
 *   -DRAISES=n    each so often
 *   -DSTOP=1      the worker stops it when it has come to it once; 2: at once; 0: when all raises were told
 *
 * The worker is a thread with an inbox of one message, as there is never more than one of an event. Mutants that survive,
 * and why: docs/sources.md. */
#include "../../../src/rt/event_inside.h"
#include "../../../src/rt/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#ifndef RAISERS
#define RAISERS 2
#endif
#ifndef RAISES
#define RAISES 1
#endif
#ifndef STOP
#define STOP 0
#endif

static struct pawl_event event_;
static struct pawl_engine engine;
static struct pawl_worker worker;
static PAWL_ATOMIC(struct pawl_message *) inbox;
static struct pawl_message *queue; /* the worker's: for its next turn */
static uint64_t told, calls;
static int stops, slots;
static int written[RAISERS]; /* plain: before each raise */
static uint64_t refused[RAISERS];

/* ---- what event.c calls ---- */

struct pawl_worker *pawl_worker_here_(void)
{
    return &worker;
}

void pawl_worker_send_(struct pawl_worker *to, struct pawl_message *message)
{
    struct pawl_message *none = NULL;

    assert(to == &worker);
    message->next = NULL;                             /* plain: the queue writes to it */
    assert(pawl_cas_release(&inbox, &none, message)); /* it is not under way already */
}

void pawl_worker_later_(struct pawl_worker *to, struct pawl_message *message)
{
    assert(to == &worker && queue == NULL);
    message->next = NULL;
    queue = message;
}

int pawl_slot_take_(struct pawl_engine *of, struct pawl_source *source)
{
    source->engine = of;
    slots++;
    return 0;
}

void pawl_slot_give_(struct pawl_source *source)
{
    assert(source->engine == &engine);
    slots--;
}

/* ---- the program ---- */

static void raised(struct pawl_event *event, uint64_t count)
{
    assert(event == &event_ && count > 0 && stops == 0);
    told += count;
    calls++;
    if (told == RAISERS * RAISES)
        for (int i = 0; i < RAISERS; i++)
            assert(written[i] == RAISES); /* what was written before the raises is seen */
    if (STOP == 1 || (STOP == 0 && told == RAISERS * RAISES))
        pawl_event_stop(event);
}

static void stopped(struct pawl_event *event)
{
    assert(event == &event_ && slots == 0);
    stops++;
}

static void *serve(void *unused)
{
    (void)unused;
    if (STOP == 2)
        pawl_event_stop(&event_);
    while (stops == 0) {
        struct pawl_message *message = queue;

        queue = NULL;
        if (message == NULL) {
            while ((message = pawl_load_acquire(&inbox)) == NULL)
                pawl_relax();
            message->next = NULL; /* plain: taken out, it is the worker's */
            pawl_store_relaxed(&inbox, NULL);
        }
        message->run(message, &worker);
    }
    return NULL;
}

static void *ring(void *argument)
{
    int self = (int)(intptr_t)argument;

    for (int i = 0; i < RAISES; i++) {
        int status;

        written[self]++;
        status = pawl_event_raise(&event_);
        assert(status == 0 || (status == -EALREADY && STOP != 0));
        refused[self] += status != 0;
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[RAISERS], server;

    worker.engine = &engine;
    event_.raised = raised;
    event_.stopped = stopped;
    assert(pawl_event_start(&event_) == 0);
    assert(pawl_event_start(&event_) == -EBUSY);
    pthread_create(&server, NULL, serve, NULL);
    for (intptr_t i = 0; i < RAISERS; i++)
        pthread_create(&threads[i], NULL, ring, (void *)i);
    for (int i = 0; i < RAISERS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(server, NULL);
    assert(stops == 1 && slots == 0 && event_.worker == NULL);
    assert(pawl_load_relaxed(&inbox) == NULL && queue == NULL); /* nothing is under way to who has gone */
    if (STOP == 0)
        assert(told == RAISERS * RAISES);
    assert(pawl_event_raise(&event_) == -EALREADY);
    return 0;
}
