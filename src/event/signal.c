/* SPDX-License-Identifier: MIT */
/* Signals as events. The handler counts, and wakes one base: the one that added a signal last, or runs its loop since. So says
 * libevent, too: only one base at a time has signals. The handler touches nothing but these statics, so that it may come at any
 * moment of any thread. */
#include "base.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* W: how many of each have come, and whom to wake. */
static PAWL_ATOMIC(int) caught[NSIG];
static PAWL_ATOMIC(int) wake_fd = -1;
static PAWL_ATOMIC(struct event_base *) receiver;
/* How many signals the receiver has: another thread's base is not looked into, as it may be freed meanwhile. */
static PAWL_ATOMIC(int) receiver_signals;

static void handler(int number)
{
    static const uint64_t one = 1;
    int before = errno, fd;

    /* release W: pairs with the acquire in pawl_event_signals_(). What came before the signal is seen by its callback. */
    pawl_fetch_add_release(&caught[number], 1);
    /* relaxed: the descriptor of a base that has just gone gets a wake-up too many, or nobody does and nobody waits */
    fd = pawl_load_relaxed(&wake_fd);
    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        (void)fd; /* EAGAIN: it is awake */
    errno = before;
}

void pawl_event_signal_take_(struct event_base *base)
{
    if (base->signal_count == 0)
        return;
    /* relaxed, here and below: a base that is not told any more asks again in its next loop */
    if (pawl_load_relaxed(&receiver) == base)
        return;
    pawl_store_relaxed(&receiver, base);
    pawl_store_relaxed(&receiver_signals, base->signal_count);
    pawl_store_relaxed(&wake_fd, base->wake_fd);
}

/* A signal more, or less. */
static void count(struct event_base *base, int by)
{
    base->signal_count += by;
    /* relaxed, as below: the number is for a warning */
    if (pawl_load_relaxed(&receiver) == base)
        pawl_store_relaxed(&receiver_signals, base->signal_count);
}

/* Another base has signals and is told of none from now on. */
static void complain(struct event_base *base)
{
    struct event_base *other = pawl_load_relaxed(&receiver);

    if (other != NULL && other != base && pawl_load_relaxed(&receiver_signals) > 0)
        pawl_event_warnx_(
            "Added a signal to event base %p with signals already added to event_base %p. Only one can "
            "have signals at a time with the %s backend.",
            (void *)base, (void *)other, base->method->name);
}

static int handle(struct event_base *base, int number)
{
    struct sigaction *before = pawl_event_malloc_(sizeof *before), ours;

    if (before == NULL)
        return -1;
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = handler;
    ours.sa_flags = SA_RESTART;
    sigfillset(&ours.sa_mask);
    if (sigaction(number, &ours, before) != 0) {
        pawl_event_warn_("sigaction");
        pawl_event_free_(before);
        return -1;
    }
    base->before[number] = before;
    return 0;
}

static int handle_no_more(struct event_base *base, int number)
{
    struct sigaction *before = base->before[number];
    int status;

    base->before[number] = NULL;
    status = sigaction(number, before, NULL);
    if (status != 0)
        pawl_event_warn_("sigaction");
    pawl_event_free_(before);
    return status;
}

int pawl_event_signal_add_(struct event_base *base, struct event *ev)
{
    int number = ev->ev_fd;

    if (number < 0 || number >= NSIG)
        return -1;
    if (LIST_EMPTY(&base->signals[number])) {
        if (pawl_event_wake_open_(base) != 0 || handle(base, number) != 0)
            return -1;
        complain(base);
        count(base, 1);
        pawl_event_signal_take_(base);
    }
    LIST_INSERT_HEAD(&base->signals[number], ev, ev_.ev_signal.ev_signal_next);
    return 1;
}

int pawl_event_signal_del_(struct event_base *base, struct event *ev)
{
    int number = ev->ev_fd;

    LIST_REMOVE(ev, ev_.ev_signal.ev_signal_next);
    if (!LIST_EMPTY(&base->signals[number]))
        return 0;
    count(base, -1);
    return handle_no_more(base, number) == 0 ? 1 : -1;
}

void pawl_event_signal_active_(struct event_base *base, int number, int calls)
{
    struct event *ev;

    for (ev = LIST_FIRST(&base->signals[number]); ev != NULL;
         ev = LIST_NEXT(ev, ev_.ev_signal.ev_signal_next))
        pawl_event_activate_(ev, EV_SIGNAL, (short)(calls < INT16_MAX ? calls : INT16_MAX));
}

/* Called back by the loop itself. */
static void tell(struct event_callback *callback, void *arg)
{
    struct event_base *base = arg;

    (void)callback;
    pawl_event_lock_(base);
    for (int number = 1; number < NSIG; number++) {
        /* relaxed: one that has come since wakes the loop again. acquire W: pairs with the handler's release. */
        int calls = pawl_load_relaxed(&caught[number]) == 0 ? 0 : pawl_exchange_acquire(&caught[number], 0);

        if (calls > 0)
            pawl_event_signal_active_(base, number, calls);
    }
    pawl_event_unlock_(base);
}

/* Their callbacks become active in the turn of a callback of the first priority, among those that came before: so it is
 * in libevent. */
void pawl_event_signals_(struct event_base *base)
{
    if (pawl_load_relaxed(&receiver) != base || (base->telling.evcb_flags & EVLIST_ACTIVE) != 0)
        return;
    for (int number = 1; number < NSIG; number++) {
        if (pawl_load_relaxed(&caught[number]) != 0) { /* relaxed: as in tell() */
            base->telling.evcb_flags = EVLIST_INTERNAL;
            base->telling.evcb_closure = PAWL_EVENT_SELF;
            base->telling.evcb_cb_union.evcb_selfcb = tell;
            base->telling.evcb_arg = base;
            pawl_event_queue_(base, &base->telling);
            return;
        }
    }
}

static void forget(void)
{
    for (int number = 1; number < NSIG; number++)
        pawl_store_relaxed(&caught[number],
                           0); /* relaxed: one that comes meanwhile may be lost as well as told */
}

void pawl_event_signal_reinit_(struct event_base *base)
{
    if (pawl_load_relaxed(&receiver) != base)
        return;
    forget(); /* the parent's; the child's own, too: as libevent */
    pawl_store_relaxed(&wake_fd, base->wake_fd);
}

void pawl_event_signal_fini_(struct event_base *base)
{
    for (int number = 1; number < NSIG; number++)
        if (base->before[number] != NULL)
            handle_no_more(base, number);
    if (pawl_load_relaxed(&receiver) == base) {
        pawl_store_relaxed(&wake_fd, -1);
        pawl_store_relaxed(&receiver, NULL);
        forget(); /* what it was not told: no other base is meant */
    }
}

void event_base_active_by_signal(struct event_base *base, int sig)
{
    pawl_event_lock_(base);
    if (sig > 0 && sig < NSIG)
        pawl_event_signal_active_(base, sig, 1);
    pawl_event_unlock_(base);
}
