/* SPDX-License-Identifier: MIT */
/* Events as the program sees them. */
#include "base.h"

#include <event2/event_compat.h>

/* ---- making them ---- */

static char self; /* its address stands for the event itself */

void *event_self_cbarg(void)
{
    return &self;
}

int event_assign(struct event *ev, struct event_base *base, evutil_socket_t fd, short events,
                 event_callback_fn callback, void *arg)
{
    if (base == NULL)
        base = pawl_event_current_;
    ev->ev_base = base;
    ev->ev_evcallback.evcb_cb_union.evcb_callback = callback;
    ev->ev_evcallback.evcb_arg = arg == &self ? ev : arg;
    ev->ev_fd = fd;
    ev->ev_events = events;
    ev->ev_res = 0;
    ev->ev_evcallback.evcb_flags = EVLIST_INIT;
    ev->ev_timeout_pos.min_heap_idx = -1;
    if ((events & EV_SIGNAL) != 0) {
        if ((events & PAWL_EVENT_IO) != 0) {
            pawl_event_warnx_(
                "event_assign: EV_SIGNAL is not compatible with EV_READ, EV_WRITE or EV_CLOSED");
            return -1;
        }
        ev->ev_evcallback.evcb_closure = PAWL_EVENT_SIGNAL;
        ev->ev_.ev_signal.ev_ncalls = 0;
        ev->ev_.ev_signal.ev_pncalls = NULL;
    } else if ((events & EV_PERSIST) != 0) {
        ev->ev_evcallback.evcb_closure = PAWL_EVENT_PERSIST;
        timerclear(&ev->ev_.ev_io.ev_timeout);
    } else {
        ev->ev_evcallback.evcb_closure = PAWL_EVENT_ONCE;
    }
    if (base != NULL)
        ev->ev_evcallback.evcb_pri = (ev_uint8_t)(base->priorities / 2);
    return 0;
}

void event_set(struct event *ev, evutil_socket_t fd, short events, event_callback_fn callback, void *arg)
{
    if (event_assign(ev, pawl_event_current_, fd, events, callback, arg) != 0)
        pawl_event_die_("event_set: these events cannot be waited for");
}

int event_base_set(struct event_base *base, struct event *ev)
{
    if (ev->ev_evcallback.evcb_flags != EVLIST_INIT)
        return -1;
    ev->ev_base = base;
    ev->ev_evcallback.evcb_pri = (ev_uint8_t)(base->priorities / 2);
    return 0;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short events, event_callback_fn callback,
                        void *arg)
{
    struct event *ev = pawl_event_malloc_(sizeof *ev);

    if (ev != NULL && event_assign(ev, base, fd, events, callback, arg) != 0) {
        pawl_event_free_(ev);
        return NULL;
    }
    return ev;
}

void event_free(struct event *ev)
{
    event_del(ev);
    pawl_event_free_(ev);
}

void event_debug_unassign(struct event *ev)
{
    ev->ev_evcallback.evcb_flags &= ~EVLIST_INIT;
}

int event_priority_set(struct event *ev, int pri)
{
    if ((ev->ev_evcallback.evcb_flags & EVLIST_ACTIVE) != 0 || pri < 0 || pri >= ev->ev_base->priorities)
        return -1;
    ev->ev_evcallback.evcb_pri = (ev_uint8_t)pri;
    return 0;
}

/* ---- waiting ---- */

static bool has_base(const struct event *ev, const char *function)
{
    if (PAWL_UNLIKELY(ev->ev_base == NULL))
        pawl_event_warnx_("%s: event has no event_base set.", function);
    return ev->ev_base != NULL;
}

int event_add(struct event *ev, const struct timeval *timeout)
{
    struct event_base *base = ev->ev_base;
    int status;

    if (!has_base(ev, "event_add"))
        return -1;
    pawl_event_lock_(base);
    status = pawl_event_add_(ev, timeout);
    pawl_event_unlock_(base);
    return status;
}

int event_remove_timer(struct event *ev)
{
    struct event_base *base = ev->ev_base;

    if (!has_base(ev, "event_remove_timer"))
        return -1;
    pawl_event_lock_(base);
    if ((ev->ev_evcallback.evcb_flags & EVLIST_TIMEOUT) != 0) {
        pawl_event_timeout_unset_(base, ev);
        if (ev->ev_evcallback.evcb_closure == PAWL_EVENT_PERSIST)
            timerclear(&ev->ev_.ev_io.ev_timeout);
    }
    pawl_event_unlock_(base);
    return 0;
}

static int del(struct event *ev, enum pawl_event_wait wait)
{
    struct event_base *base = ev->ev_base;
    int status;

    if (!has_base(ev, "event_del"))
        return -1;
    pawl_event_lock_(base);
    status = pawl_event_del_(ev, wait);
    pawl_event_unlock_(base);
    return status;
}

int event_del(struct event *ev)
{
    return del(ev, PAWL_EVENT_AUTO);
}

int event_del_block(struct event *ev)
{
    return del(ev, PAWL_EVENT_WAIT);
}

int event_del_noblock(struct event *ev)
{
    return del(ev, PAWL_EVENT_NO_WAIT);
}

void event_active(struct event *ev, int res, short ncalls)
{
    struct event_base *base = ev->ev_base;

    if (!has_base(ev, "event_active"))
        return;
    pawl_event_lock_(base);
    pawl_event_activate_(ev, res, ncalls);
    pawl_event_unlock_(base);
}

static int finalize(struct event *ev, event_finalize_callback_fn callback, enum pawl_event_closure closure)
{
    struct event_base *base = ev->ev_base;

    if (!has_base(ev, "event_finalize"))
        return -1;
    pawl_event_lock_(base);
    pawl_event_del_(ev, PAWL_EVENT_NO_WAIT);
    ev->ev_evcallback.evcb_closure = (ev_uint8_t)closure;
    ev->ev_evcallback.evcb_cb_union.evcb_evfinalize = callback;
    pawl_event_activate_(ev, EV_FINALIZE, 1);
    ev->ev_evcallback.evcb_flags |= EVLIST_FINALIZING;
    pawl_event_unlock_(base);
    return 0;
}

int event_finalize(unsigned flags, struct event *ev, event_finalize_callback_fn callback)
{
    (void)flags; /* there are none */
    return finalize(ev, callback, PAWL_EVENT_FINALIZE);
}

int event_free_finalize(unsigned flags, struct event *ev, event_finalize_callback_fn callback)
{
    (void)flags;
    return finalize(ev, callback, PAWL_EVENT_FINALIZE_FREE);
}

/* ---- once ---- */

static void run_once(evutil_socket_t fd, short events, void *arg)
{
    struct pawl_event_once *once = arg;
    struct event_base *base = once->event.ev_base;

    once->callback(fd, events, once->argument);
    pawl_event_lock_(base);
    LIST_REMOVE(once, next);
    pawl_event_unlock_(base);
    pawl_event_free_(once);
}

int event_base_once(struct event_base *base, evutil_socket_t fd, short events, event_callback_fn callback,
                    void *arg, const struct timeval *tv)
{
    struct pawl_event_once *once;
    bool timer = (events & (PAWL_EVENT_IO | EV_TIMEOUT)) == EV_TIMEOUT;
    int status = 0;

    if (base == NULL || (events & (EV_SIGNAL | EV_PERSIST)) != 0 ||
        (events & (PAWL_EVENT_IO | EV_TIMEOUT)) == 0)
        return -1;
    once = pawl_event_malloc_(sizeof *once);
    if (once == NULL)
        return -1;
    once->callback = callback;
    once->argument = arg;
    event_assign(&once->event, base, timer ? -1 : fd, (short)(timer ? 0 : events & PAWL_EVENT_IO), run_once,
                 once);
    pawl_event_lock_(base);
    if (timer && (tv == NULL || !timerisset(tv)))
        pawl_event_activate_(&once->event, EV_TIMEOUT, 1);
    else
        status = pawl_event_add_(&once->event, tv);
    if (status == 0)
        LIST_INSERT_HEAD(&base->once, once, next);
    pawl_event_unlock_(base);
    if (status != 0)
        pawl_event_free_(once);
    return status;
}

/* ---- asking ---- */

int event_pending(const struct event *ev, short events, struct timeval *tv)
{
    struct event_base *base = ev->ev_base;
    int waits = 0, flags;

    if (!has_base(ev, "event_pending"))
        return 0;
    pawl_event_lock_(base);
    flags = ev->ev_evcallback.evcb_flags;
    if ((flags & EVLIST_INSERTED) != 0)
        waits |= ev->ev_events & (PAWL_EVENT_IO | EV_SIGNAL);
    if ((flags & EVLIST_ACTIVE) != 0)
        waits |= ev->ev_res;
    if ((flags & EVLIST_TIMEOUT) != 0)
        waits |= EV_TIMEOUT;
    waits &= events & (EV_TIMEOUT | PAWL_EVENT_IO | EV_SIGNAL);
    if (tv != NULL && (flags & EVLIST_TIMEOUT) != 0 && (waits & EV_TIMEOUT) != 0)
        *tv = pawl_event_timeval_(pawl_event_timeout_due_(ev) + base->real_minus_now);
    pawl_event_unlock_(base);
    return waits;
}

int event_initialized(const struct event *ev)
{
    return (ev->ev_evcallback.evcb_flags & EVLIST_INIT) != 0;
}

evutil_socket_t event_get_fd(const struct event *ev)
{
    return ev->ev_fd;
}

struct event_base *event_get_base(const struct event *ev)
{
    return ev->ev_base;
}

short event_get_events(const struct event *ev)
{
    return ev->ev_events;
}

event_callback_fn event_get_callback(const struct event *ev)
{
    return ev->ev_evcallback.evcb_cb_union.evcb_callback;
}

void *event_get_callback_arg(const struct event *ev)
{
    return ev->ev_evcallback.evcb_arg;
}

int event_get_priority(const struct event *ev)
{
    return ev->ev_evcallback.evcb_pri;
}

void event_get_assignment(const struct event *event, struct event_base **base_out, evutil_socket_t *fd_out,
                          short *events_out, event_callback_fn *callback_out, void **arg_out)
{
    if (base_out != NULL)
        *base_out = event->ev_base;
    if (fd_out != NULL)
        *fd_out = event->ev_fd;
    if (events_out != NULL)
        *events_out = event->ev_events;
    if (callback_out != NULL)
        *callback_out = event->ev_evcallback.evcb_cb_union.evcb_callback;
    if (arg_out != NULL)
        *arg_out = event->ev_evcallback.evcb_arg;
}

size_t event_get_struct_event_size(void)
{
    return sizeof(struct event);
}
