/* SPDX-License-Identifier: MIT */
/* User events.
 *
 *     count    who changes it
 *     0        nothing to tell. The raise that leaves this value sends the event's one message
 *     n        the message is under way, n raises wait for it; the worker that runs it takes them all: 0 again
 *     ... + ENDED  stop: raises count on, and send nothing
 *
 * So there is at most one message, and whoever may send it again has seen that the worker was done with it. A stop that
 * finds 0 sends it to itself; else it is under way, and arrives. stopped() is called when it has. */
#include "event_inside.h"

#include "../core/sync/fail.h"
#include "worker.h"

#include <errno.h>
#include <string.h>

#define ENDED UINT64_C(1)
#define ONE UINT64_C(2)

PAWL_STATIC_ASSERT(sizeof(struct pawl_message) <= sizeof(((struct pawl_event *)NULL)->message),
                   "room for the message");
PAWL_STATIC_ASSERT(sizeof(struct pawl_source) <= sizeof(((struct pawl_event *)NULL)->inside),
                   "room for the source");
PAWL_STATIC_ASSERT(sizeof(struct pawl_event) == 104, "as the header says");

static struct pawl_message *message_of(struct pawl_event *event)
{
    return (struct pawl_message *)(void *)event->message;
}

static struct pawl_source *source_of(struct pawl_event *event)
{
    return (struct pawl_source *)(void *)&event->inside;
}

static void source_stop(struct pawl_source *source)
{
    pawl_event_stop(pawl_event_of((void *)source, struct pawl_event, inside));
}

/* The message is nobody's any more, and never will be. */
static void end(struct pawl_event *event)
{
    pawl_slot_give_(source_of(event));
    event->worker = NULL;
    if (event->stopped != NULL)
        event->stopped(event);
}

static void arrived(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_event *event = pawl_event_of((void *)message, struct pawl_event, message);
    uint64_t count;

    (void)worker;
    if (event->ending != 0) {
        end(event);
        return;
    }
    /* acquire E: pairs with the release of each raise that it counts. release M: pairs with the acquire of the raise
     * that finds the 0 and sends this message again: the worker has taken it out of its inbox. */
    count = pawl_exchange_acq_rel(&event->count, UINT64_C(0));
    event->raised(event, count / ONE);
}

int pawl_event_start_on_(struct pawl_event *event, struct pawl_worker *worker)
{
    int status;

    if (event->worker != NULL)
        return -EBUSY;
    if (worker->engine->io.stopping)
        return -EPIPE;
    memset(&event->inside, 0, sizeof event->inside);
    source_of(event)->stop = source_stop;
    source_of(event)->fd = -1;
    status = pawl_slot_take_(worker->engine, source_of(event));
    if (status != 0)
        return status;
    message_of(event)->run = arrived;
    event->ending = 0;
    /* relaxed: whoever is to raise it learns of it from the caller */
    pawl_store_relaxed(&event->count, UINT64_C(0));
    event->worker = worker;
    return 0;
}

int pawl_event_start(struct pawl_event *event)
{
    struct pawl_worker *worker = pawl_worker_here_();

    return worker != NULL ? pawl_event_start_on_(event, worker) : -EPERM;
}

int pawl_event_raise(struct pawl_event *event)
{
    /* release E: pairs with the acquire of the exchange in arrived(), and publishes what the caller wrote before.
     * acquire M: pairs with the release there. */
    uint64_t before = pawl_fetch_add_acq_rel(&event->count, ONE);

    if ((before & ENDED) != 0)
        return -EALREADY;
    if (before == 0) {
        if (PAWL_UNLIKELY(event->worker == NULL))
            pawl_sync_fail(__func__, "the event was never started");
        pawl_worker_send_(event->worker, message_of(event));
    }
    return 0;
}

void pawl_event_stop(struct pawl_event *event)
{
    if (event->worker == NULL || event->ending != 0)
        return;
    event->ending = 1;
    /* relaxed: nothing is published, raises that find the bit touch nothing; and a 0 is this thread's own */
    if (pawl_exchange_relaxed(&event->count, ENDED) == 0)
        pawl_worker_later_(event->worker, message_of(event));
}
