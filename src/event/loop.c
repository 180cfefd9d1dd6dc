/* SPDX-License-Identifier: MIT */
/* The loop: see base.h for its turn. */
#include "base.h"

#include <limits.h>

/* ---- calling back ---- */

/* As often as the signal came; less if the event is deleted or the loop broken meanwhile. Returns without the lock. */
static void call_signal(struct event_base *base, struct event *ev)
{
    short calls = ev->ev_.ev_signal.ev_ncalls;

    if (calls != 0)
        ev->ev_.ev_signal.ev_pncalls = &calls; /* event_del() sets it to 0: the event may be gone then */
    while (calls > 0 && pawl_load_relaxed(&base->broken) == 0) { /* relaxed: one call more does no harm */
        evutil_socket_t number = ev->ev_fd;
        short what = ev->ev_res;

        calls--;
        ev->ev_.ev_signal.ev_ncalls = calls;
        if (calls == 0)
            ev->ev_.ev_signal.ev_pncalls = NULL;
        pawl_event_unlock_(base);
        ev->ev_evcallback.evcb_cb_union.evcb_callback(number, what, ev->ev_evcallback.evcb_arg);
        pawl_event_lock_(base);
    }
    if (calls > 0)
        ev->ev_.ev_signal.ev_pncalls = NULL;
    pawl_event_unlock_(base);
}

/* Its timeout begins anew: at the moment when the last one passed, if that is why it is called; else now. */
static void rearm(struct event_base *base, struct event *ev)
{
    const struct timeval *timeout = &ev->ev_.ev_io.ev_timeout;
    int64_t duration, now, due;

    if (!timerisset(timeout))
        return;
    duration = pawl_event_duration_(base, timeout);
    now = pawl_event_now_(base);
    due = ((ev->ev_res & EV_TIMEOUT) != 0 ? pawl_event_timeout_due_(ev) : now) + duration;
    if (due < now) /* late by more than one: those are left out */
        due = now + duration;
    pawl_event_add_at_(ev, due, timeout);
}

static void call_event(struct event_base *base, struct event *ev)
{
    event_callback_fn callback = ev->ev_evcallback.evcb_cb_union.evcb_callback;
    evutil_socket_t fd = ev->ev_fd;
    short what = ev->ev_res;
    void *argument = ev->ev_evcallback.evcb_arg;

    /* copied: with another thread's event_del_noblock() and event_free() it may go as soon as the lock does */
    pawl_event_unlock_(base);
    callback(fd, what, argument);
}

static void call_finalizer(struct event_base *base, struct event *ev)
{
    bool free_it = ev->ev_evcallback.evcb_closure == PAWL_EVENT_FINALIZE_FREE;

    base->current = NULL; /* nobody waits for it: it is gone when it has run */
    pawl_event_unlock_(base);
    ev->ev_evcallback.evcb_cb_union.evcb_evfinalize(ev, ev->ev_evcallback.evcb_arg);
    if (free_it)
        pawl_event_free_(ev);
}

static void call(struct event_base *base, struct event_callback *callback)
{
    switch ((enum pawl_event_closure)callback->evcb_closure) {
    case PAWL_EVENT_SIGNAL:
        call_signal(base, pawl_event_of_(callback));
        break;
    case PAWL_EVENT_PERSIST:
        rearm(base, pawl_event_of_(callback));
        call_event(base, pawl_event_of_(callback));
        break;
    case PAWL_EVENT_ONCE:
        call_event(base, pawl_event_of_(callback));
        break;
    case PAWL_EVENT_SELF:
        pawl_event_unlock_(base);
        callback->evcb_cb_union.evcb_selfcb(callback, callback->evcb_arg);
        break;
    case PAWL_EVENT_FINALIZE:
    case PAWL_EVENT_FINALIZE_FREE:
        call_finalizer(base, pawl_event_of_(callback));
        break;
    }
}

/* Out of the active queue; an event that does not persist is deleted. */
static void take(struct event_base *base, struct event_callback *callback)
{
    struct event *ev = pawl_event_of_(callback);

    if ((callback->evcb_flags & EVLIST_INIT) == 0 || (callback->evcb_flags & EVLIST_FINALIZING) != 0 ||
        (ev->ev_events & EV_PERSIST) != 0)
        pawl_event_unqueue_(base, callback);
    else
        pawl_event_del_(ev, PAWL_EVENT_NO_WAIT);
}

/* The callbacks of one priority, at most so many. Returns how many; -1: the loop is broken. The library's own do not
 * count. */
static int run_queue(struct event_base *base, struct pawl_event_queue *queue, int most, int64_t end)
{
    struct event_callback *callback;
    int count = 0;

    while ((callback = TAILQ_FIRST(queue)) != NULL) {
        if ((callback->evcb_flags & EVLIST_INTERNAL) == 0)
            count++;
        take(base, callback);
        base->current = callback;
        base->current_waiters = 0;
        call(base, callback);
        pawl_event_lock_(base);
        base->current = NULL;
        if (base->current_waiters > 0) {
            base->current_waiters = 0;
            base->returned++;
            pthread_cond_broadcast(&base->idle);
        }
        /* relaxed: other threads set these under the lock; a handler of this one is seen, now or in the next turn */
        if (pawl_load_relaxed(&base->broken) != 0)
            return -1;
        if (count >= most)
            return count;
        if (count > 0 && end >= 0) {
            pawl_event_now_keep_(base);
            if (pawl_event_now_(base) >= end)
                return count;
        }
        if (pawl_load_relaxed(&base->again) != 0)
            return count;
    }
    return count;
}

/* The first priority that has anything; the others wait for the next turn. Returns as run_queue(). */
static int run_active(struct event_base *base)
{
    int64_t end = -1;
    int count = 0;

    if (base->interval >= 0) {
        pawl_event_now_keep_(base);
        end = pawl_event_now_(base) + base->interval;
    }
    for (int priority = 0; priority < base->priorities && count == 0; priority++) {
        bool limited = priority >= base->limit_after;

        base->running_priority = priority;
        count = run_queue(base, &base->active[priority], limited ? base->max_callbacks : INT_MAX,
                          limited ? end : -1);
    }
    base->running_priority = -1;
    return count;
}

/* ---- the loop ---- */

/* One turn. 0: go on; 1: nothing is left to wait for; 2: the flags want no more; -1. */
static int turn(struct event_base *base, int flags)
{
    int64_t wait = 0;

    if (base->active_count == 0 && (flags & EVLOOP_NONBLOCK) == 0)
        wait = pawl_event_timeout_left_(base);
    if ((flags & EVLOOP_NO_EXIT_ON_EMPTY) == 0 && base->event_count == 0)
        return 1;
    pawl_event_deferred_(base);
    base->now = 0;
    if (base->method->wait(base, wait) != 0)
        return -1;
    pawl_event_now_keep_(base);
    pawl_event_timeouts_(base);
    if (base->active_count == 0)
        return (flags & EVLOOP_NONBLOCK) != 0 ? 2 : 0;
    if (run_active(base) != 0 && (flags & EVLOOP_ONCE) != 0 && base->active_count == 0)
        return 2;
    return 0;
}

int event_base_loop(struct event_base *base, int flags)
{
    int status = 0;

    pawl_event_lock_(base);
    if (base->running) {
        pawl_event_warnx_(
            "event_base_loop: reentrant invocation.  Only one event_base_loop can run on each event_base at "
            "once.");
        pawl_event_unlock_(base);
        return -1;
    }
    base->running = true;
    base->now = 0;
    base->owner = pthread_self();
    base->exiting = false;
    pawl_store_relaxed(&base->broken, 0); /* relaxed, here and below: see run_queue() */
    pawl_event_signal_take_(base);
    while (status == 0 && !base->exiting && pawl_load_relaxed(&base->broken) == 0) {
        pawl_store_relaxed(&base->again, 0);
        status = turn(base, flags);
    }
    base->now = 0;
    base->running = false;
    pawl_event_unlock_(base);
    return status == 2 ? 0 : status;
}

int event_base_dispatch(struct event_base *base)
{
    return event_base_loop(base, 0);
}

static void exit_loop(evutil_socket_t fd, short events, void *arg)
{
    struct event_base *base = arg;

    (void)fd;
    (void)events;
    pawl_event_lock_(base);
    base->exiting = true;
    pawl_event_unlock_(base);
}

int event_base_loopexit(struct event_base *base, const struct timeval *tv)
{
    return event_base_once(base, -1, EV_TIMEOUT, exit_loop, base, tv);
}

int event_base_loopbreak(struct event_base *base)
{
    if (base == NULL)
        return -1;
    pawl_event_lock_(base);
    pawl_store_relaxed(&base->broken, 1);
    pawl_event_notify_(base);
    pawl_event_unlock_(base);
    return 0;
}

int event_base_loopcontinue(struct event_base *base)
{
    if (base == NULL)
        return -1;
    pawl_event_lock_(base);
    pawl_store_relaxed(&base->again, 1);
    pawl_event_notify_(base);
    pawl_event_unlock_(base);
    return 0;
}

int event_base_got_exit(struct event_base *base)
{
    int got;

    pawl_event_lock_(base);
    got = base->exiting;
    pawl_event_unlock_(base);
    return got;
}

int event_base_got_break(struct event_base *base)
{
    int got;

    pawl_event_lock_(base);
    got = pawl_load_relaxed(&base->broken);
    pawl_event_unlock_(base);
    return got;
}

struct event *event_base_get_running_event(struct event_base *base)
{
    struct event *running = NULL;

    pawl_event_lock_(base);
    if (base->running && pawl_event_here_(base) && base->current != NULL &&
        (base->current->evcb_flags & EVLIST_INIT) != 0)
        running = pawl_event_of_(base->current);
    pawl_event_unlock_(base);
    return running;
}
