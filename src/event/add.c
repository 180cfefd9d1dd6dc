/* SPDX-License-Identifier: MIT */
/* Adding, deleting and activating events: the rules of libevent 2.1, under the lock.
 *
 * evcb_flags: INIT, and which of these an event is in: INSERTED (a descriptor's or a signal's list), TIMEOUT, ACTIVE.
 * FINALIZING: it can be neither added, nor activated, nor deleted any more. */
#include "base.h"

enum { MOST_DEFERRED = 32 }; /* in a turn, as libevent */

/* The library's own callbacks are no reason for the loop to go on. */
static int counts(const struct event_callback *callback)
{
    return (callback->evcb_flags & EVLIST_INTERNAL) == 0;
}

static void queue(struct event_base *base, struct event_callback *callback, struct pawl_event_queue *to,
                  int flag)
{
    callback->evcb_flags = (short)(callback->evcb_flags | flag);
    pawl_event_count_(base, counts(callback));
    base->active_count++;
    if (base->active_count > base->active_max)
        base->active_max = base->active_count;
    TAILQ_INSERT_TAIL(to, callback, evcb_active_next);
    pawl_event_notify_(base);
}

/* An event may be older than the number of priorities that its base has now. */
static struct pawl_event_queue *queue_of(struct event_base *base, const struct event_callback *callback)
{
    if (PAWL_UNLIKELY(callback->evcb_pri >= base->priorities))
        pawl_event_die_("event: of priority %d, but its base has %d since event_base_priority_init()",
                        callback->evcb_pri, base->priorities);
    return &base->active[callback->evcb_pri];
}

void pawl_event_queue_(struct event_base *base, struct event_callback *callback)
{
    queue(base, callback, queue_of(base, callback), EVLIST_ACTIVE);
}

void pawl_event_defer_(struct event_base *base, struct event_callback *callback)
{
    if (base->deferred_count > MOST_DEFERRED) {
        queue(base, callback, &base->later, EVLIST_ACTIVE_LATER);
    } else {
        base->deferred_count++;
        pawl_event_queue_(base, callback);
    }
}

void pawl_event_deferred_(struct event_base *base)
{
    struct event_callback *callback;

    base->deferred_count = 0;
    while ((callback = TAILQ_FIRST(&base->later)) != NULL) {
        TAILQ_REMOVE(&base->later, callback, evcb_active_next);
        callback->evcb_flags = (short)((callback->evcb_flags & ~EVLIST_ACTIVE_LATER) | EVLIST_ACTIVE);
        TAILQ_INSERT_TAIL(queue_of(base, callback), callback, evcb_active_next);
    }
}

void pawl_event_unqueue_(struct event_base *base, struct event_callback *callback)
{
    callback->evcb_flags &= ~EVLIST_ACTIVE;
    pawl_event_count_(base, -counts(callback));
    base->active_count--;
    TAILQ_REMOVE(&base->active[callback->evcb_pri], callback, evcb_active_next);
}

/* Until the callback has returned, which another thread runs. */
static void wait_idle(struct event_base *base)
{
    uint64_t before = base->returned;

    if (!base->locking)
        return;
    base->current_waiters++;
    while (base->returned == before)
        pthread_cond_wait(&base->idle, &base->lock);
}

static bool runs_elsewhere(const struct event_base *base, const struct event *ev)
{
    return base->current == &ev->ev_evcallback && !pawl_event_here_(base);
}

/* A signal's callback that is to be called several more times is not. Who calls looks at its count alone from then on: the
 * pointer to it must not outlive that. */
static void stop_calls(struct event *ev)
{
    if ((ev->ev_events & EV_SIGNAL) != 0 && ev->ev_.ev_signal.ev_ncalls != 0 &&
        ev->ev_.ev_signal.ev_pncalls != NULL) {
        *ev->ev_.ev_signal.ev_pncalls = 0;
        ev->ev_.ev_signal.ev_pncalls = NULL;
    }
}

/* Into the list of its descriptor or signal. 0, 1 (the loop is to look again), -1. */
static int insert(struct event_base *base, struct event *ev)
{
    int changed;

    if ((ev->ev_events & (PAWL_EVENT_IO | EV_SIGNAL)) == 0 ||
        (ev->ev_evcallback.evcb_flags & (EVLIST_INSERTED | EVLIST_ACTIVE)) != 0)
        return 0;
    changed = (ev->ev_events & PAWL_EVENT_IO) != 0 ? pawl_event_io_add_(base, ev)
                                                   : pawl_event_signal_add_(base, ev);
    if (changed >= 0) {
        ev->ev_evcallback.evcb_flags |= EVLIST_INSERTED;
        pawl_event_count_(base, 1);
    }
    return changed;
}

static bool set_timeout(struct event_base *base, struct event *ev, int64_t due, const struct timeval *tv)
{
    /* Active for a timeout that is put off: not any more. */
    if ((ev->ev_evcallback.evcb_flags & EVLIST_ACTIVE) != 0 && (ev->ev_res & EV_TIMEOUT) != 0) {
        stop_calls(ev);
        pawl_event_unqueue_(base, &ev->ev_evcallback);
    }
    return pawl_event_timeout_set_(base, ev, due, tv);
}

/* Without a timeout if tv is NULL. */
static int add(struct event *ev, int64_t due, const struct timeval *tv)
{
    struct event_base *base = ev->ev_base;
    int changed;

    if ((ev->ev_evcallback.evcb_flags & EVLIST_FINALIZING) != 0)
        return -1;
    if (tv != NULL && pawl_event_timeout_reserve_(base) != 0)
        return -1;
    if ((ev->ev_events & EV_SIGNAL) != 0 && runs_elsewhere(base, ev))
        wait_idle(base);
    changed = insert(base, ev);
    if (changed < 0)
        return -1;
    if (tv != NULL && set_timeout(base, ev, due, tv))
        changed = 1;
    if (changed != 0)
        pawl_event_notify_(base);
    return 0;
}

int pawl_event_add_(struct event *ev, const struct timeval *tv)
{
    int64_t due = 0;

    if (tv != NULL) {
        struct event_base *base = ev->ev_base;

        due = pawl_event_now_(base) + pawl_event_duration_(base, tv);
    }
    if (add(ev, due, tv) != 0)
        return -1;
    if (tv != NULL && ev->ev_evcallback.evcb_closure == PAWL_EVENT_PERSIST)
        ev->ev_.ev_io.ev_timeout = *tv;
    return 0;
}

int pawl_event_add_at_(struct event *ev, int64_t due, const struct timeval *tv)
{
    return add(ev, due, tv);
}

int pawl_event_del_(struct event *ev, enum pawl_event_wait wait)
{
    struct event_base *base = ev->ev_base;
    short flags = ev->ev_evcallback.evcb_flags;
    int changed = 0;

    if ((flags & EVLIST_FINALIZING) != 0 && wait != PAWL_EVENT_FORCE)
        return 0;
    stop_calls(ev);
    if ((flags & EVLIST_TIMEOUT) != 0)
        pawl_event_timeout_unset_(base, ev);
    if ((flags & EVLIST_ACTIVE) != 0)
        pawl_event_unqueue_(base, &ev->ev_evcallback);
    if ((flags & EVLIST_INSERTED) != 0) {
        ev->ev_evcallback.evcb_flags &= ~EVLIST_INSERTED;
        pawl_event_count_(base, -1);
        changed = (ev->ev_events & PAWL_EVENT_IO) != 0 ? pawl_event_io_del_(base, ev)
                                                       : pawl_event_signal_del_(base, ev);
        if (changed == 1 || base->event_count == 0) /* the last one: the loop ends */
            pawl_event_notify_(base);
    }
    if ((wait == PAWL_EVENT_WAIT || (wait == PAWL_EVENT_AUTO && (ev->ev_events & EV_FINALIZE) == 0)) &&
        runs_elsewhere(base, ev))
        wait_idle(base);
    return changed < 0 ? -1 : 0;
}

void pawl_event_activate_(struct event *ev, int what, short calls)
{
    struct event_base *base = ev->ev_base;
    short flags = ev->ev_evcallback.evcb_flags;

    if ((flags & EVLIST_FINALIZING) != 0)
        return;
    if ((flags & EVLIST_ACTIVE) != 0) {
        ev->ev_res = (short)(ev->ev_res | what);
        return;
    }
    ev->ev_res = (short)what;
    /* More urgent than what runs: the loop goes back to it first. */
    if (ev->ev_evcallback.evcb_pri < base->running_priority)
        pawl_store_relaxed(&base->again, 1); /* relaxed: under the lock; see loop.c */
    if ((ev->ev_events & EV_SIGNAL) != 0) {
        if (runs_elsewhere(base, ev))
            wait_idle(base);
        ev->ev_.ev_signal.ev_ncalls = calls;
        ev->ev_.ev_signal.ev_pncalls = NULL;
    }
    pawl_event_queue_(base, &ev->ev_evcallback);
}
