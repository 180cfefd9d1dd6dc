/* SPDX-License-Identifier: MIT */
/* Bases: which method, making and freeing, what is in them. */
#include "base.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct event_base *pawl_event_current_;

/* In the order of preference. */
static const struct pawl_event_method *const methods[] = {&pawl_event_epoll_, &pawl_event_poll_};
enum { METHODS = sizeof methods / sizeof methods[0] };

/* ---- configuration ---- */

struct event_config {
    bool avoid[METHODS];
    int features, flags;
    int64_t interval;
    int max_callbacks, limit_after;
};

struct event_config *event_config_new(void)
{
    struct event_config *config = pawl_event_zalloc_(sizeof *config);

    if (config == NULL)
        return NULL;
    config->interval = -1;
    config->max_callbacks = INT_MAX;
    config->limit_after = 1;
    return config;
}

void event_config_free(struct event_config *cfg)
{
    pawl_event_free_(cfg);
}

/* A method that is not known here is avoided, too. */
int event_config_avoid_method(struct event_config *cfg, const char *method)
{
    for (int i = 0; i < METHODS; i++)
        if (strcmp(methods[i]->name, method) == 0)
            cfg->avoid[i] = true;
    return 0;
}

int event_config_require_features(struct event_config *cfg, int feature)
{
    if (cfg == NULL)
        return -1;
    cfg->features = feature;
    return 0;
}

int event_config_set_flag(struct event_config *cfg, int flag)
{
    if (cfg == NULL)
        return -1;
    cfg->flags |= flag;
    return 0;
}

int event_config_set_num_cpus_hint(struct event_config *cfg, int cpus)
{
    (void)cpus; /* a base has one thread */
    return cfg == NULL ? -1 : 0;
}

int event_config_set_max_dispatch_interval(struct event_config *cfg, const struct timeval *max_interval,
                                           int max_callbacks, int min_priority)
{
    cfg->interval = max_interval != NULL ? pawl_event_micros_(max_interval) : -1;
    cfg->max_callbacks = max_callbacks >= 0 ? max_callbacks : INT_MAX;
    cfg->limit_after = min_priority > 0 ? min_priority : 0;
    return 0;
}

/* ---- making one ---- */

/* EVENT_NOEPOLL and EVENT_NOPOLL. */
static bool forbidden(const struct pawl_event_method *method)
{
    return getenv(method == &pawl_event_epoll_ ? "EVENT_NOEPOLL" : "EVENT_NOPOLL") != NULL;
}

/* Opens the first method that will do. 0 or -1. */
static int choose_method(struct event_base *base, const struct event_config *config, bool environment)
{
    for (int i = 0; i < METHODS; i++) {
        if ((config != NULL &&
             (config->avoid[i] || (methods[i]->features & config->features) != config->features)) ||
            (environment && forbidden(methods[i])))
            continue;
        base->method = methods[i];
        if (base->method->open(base) == 0)
            return 0;
    }
    base->method = NULL;
    return -1;
}

static void configure(struct event_base *base, const struct event_config *config, bool environment)
{
    int flags = config != NULL ? config->flags : 0;

    base->interval = config != NULL ? config->interval : -1;
    base->max_callbacks = config != NULL ? config->max_callbacks : INT_MAX;
    base->limit_after = config != NULL ? config->limit_after : 1;
    if (base->interval < 0 && base->max_callbacks == INT_MAX)
        base->limit_after = INT_MAX;
    base->no_cache = (flags & EVENT_BASE_FLAG_NO_CACHE_TIME) != 0;
    base->precise = (flags & EVENT_BASE_FLAG_PRECISE_TIMER) != 0 ||
                    (environment && getenv("EVENT_PRECISE_TIMER") != NULL);
    base->locking = pawl_event_locks_ && (flags & EVENT_BASE_FLAG_NOLOCK) == 0;
    base->wake_fd = -1;
    base->running_priority = -1;
    TAILQ_INIT(&base->later);
}

struct event_base *event_base_new_with_config(const struct event_config *cfg)
{
    struct event_base *base = pawl_event_zalloc_(sizeof *base);
    bool environment = cfg == NULL || (cfg->flags & EVENT_BASE_FLAG_IGNORE_ENV) == 0;

    if (base == NULL) {
        pawl_event_warn_("event_base_new_with_config");
        return NULL;
    }
    configure(base, cfg, environment);
    if (pawl_event_locks_init_(base) != 0) {
        pawl_event_warnx_("event_base_new_with_config: no memory for locks");
        pawl_event_free_(base);
        return NULL;
    }
    if (choose_method(base, cfg, environment) != 0) {
        pawl_event_warnx_("event_base_new_with_config: no event mechanism available");
        pawl_event_locks_fini_(base);
        pawl_event_free_(base);
        return NULL;
    }
    if (environment && getenv("EVENT_SHOW_METHOD") != NULL)
        pawl_event_warnx_("libevent using: %s", base->method->name);
    if (event_base_priority_init(base, 1) != 0 || (base->locking && pawl_event_wake_open_(base) != 0)) {
        event_base_free(base);
        return NULL;
    }
    return base;
}

struct event_base *event_base_new(void)
{
    return event_base_new_with_config(NULL);
}

int event_base_priority_init(struct event_base *base, int npriorities)
{
    struct pawl_event_queue *queues;
    int status = -1;

    pawl_event_lock_(base);
    if (base->active_count == 0 && npriorities >= 1 && npriorities < EVENT_MAX_PRIORITIES) {
        queues = npriorities == base->priorities ? NULL
                                                 : pawl_event_malloc_((size_t)npriorities * sizeof *queues);
        if (queues != NULL) {
            pawl_event_free_(base->active);
            base->active = queues;
            base->priorities = npriorities;
            for (int i = 0; i < npriorities; i++)
                TAILQ_INIT(&base->active[i]);
        }
        if (npriorities == base->priorities)
            status = 0;
        else
            pawl_event_warn_("event_base_priority_init: malloc");
    }
    pawl_event_unlock_(base);
    return status;
}

int event_base_get_npriorities(struct event_base *eb)
{
    int count;

    if (eb == NULL)
        eb = pawl_event_current_;
    pawl_event_lock_(eb);
    count = eb->priorities;
    pawl_event_unlock_(eb);
    return count;
}

/* ---- freeing it ---- */

/* What an event was finalized for. */
static void finalize(struct event *ev)
{
    bool free_it = ev->ev_evcallback.evcb_closure == PAWL_EVENT_FINALIZE_FREE;

    ev->ev_evcallback.evcb_cb_union.evcb_evfinalize(ev, ev->ev_evcallback.evcb_arg);
    if (free_it)
        pawl_event_free_(ev);
}

static struct event_callback *first_active(const struct event_base *base)
{
    for (int i = 0; i < base->priorities; i++)
        if (!TAILQ_EMPTY(&base->active[i]))
            return TAILQ_FIRST(&base->active[i]);
    return NULL;
}

/* Finalizers may activate others: until nothing is active. */
static void cancel_active(struct event_base *base, bool finalizers)
{
    struct event_callback *callback;

    while ((callback = first_active(base)) != NULL) {
        bool finalizing = (callback->evcb_flags & EVLIST_FINALIZING) != 0;

        if ((callback->evcb_flags & EVLIST_INIT) == 0)
            pawl_event_unqueue_(base, callback);
        else
            pawl_event_del_(pawl_event_of_(callback), PAWL_EVENT_FORCE);
        if (finalizers && finalizing)
            finalize(pawl_event_of_(callback));
    }
}

/* The events stay the program's: they wait for nothing any more. */
static void delete_all(struct event_base *base)
{
    struct event *ev;

    for (int fd = 0; fd < base->slot_count; fd++)
        while ((ev = LIST_FIRST(&base->slots[fd].events)) != NULL)
            pawl_event_del_(ev, PAWL_EVENT_FORCE);
    for (int number = 1; number < NSIG; number++)
        while ((ev = LIST_FIRST(&base->signals[number])) != NULL)
            pawl_event_del_(ev, PAWL_EVENT_FORCE);
    while (base->heap_count > 0) {
        ev = base->heap[0].event;
        if ((ev->ev_evcallback.evcb_flags & EVLIST_INTERNAL) != 0)
            ev = TAILQ_FIRST(&((struct pawl_event_common *)ev->ev_evcallback.evcb_arg)->events);
        pawl_event_del_(ev, PAWL_EVENT_FORCE);
    }
}

static void free_base(struct event_base *base, bool finalizers)
{
    struct pawl_event_once *once;

    if (base == NULL)
        base = pawl_event_current_;
    if (base == NULL) {
        pawl_event_warnx_("event_base_free: no base to free");
        return;
    }
    delete_all(base);
    pawl_event_deferred_(base);
    cancel_active(base, finalizers);
    while ((once = LIST_FIRST(&base->once)) != NULL) {
        LIST_REMOVE(once, next);
        pawl_event_free_(once);
    }
    pawl_event_signal_fini_(base);
    pawl_event_timeouts_fini_(base);
    base->method->close(base);
    if (base->wake_fd >= 0)
        close(base->wake_fd);
    pawl_event_free_(base->slots);
    pawl_event_free_(base->active);
    pawl_event_locks_fini_(base);
    if (base == pawl_event_current_)
        pawl_event_current_ = NULL;
    pawl_event_free_(base);
}

void event_base_free(struct event_base *base)
{
    free_base(base, true);
}

void event_base_free_nofinalize(struct event_base *base)
{
    free_base(base, false);
}

/* ---- fork ---- */

int event_reinit(struct event_base *base)
{
    bool wakes;
    int status = 0;

    pawl_event_lock_(base);
    /* What the parent shares is left alone: closing takes nothing out of it. */
    wakes = base->wake_fd >= 0;
    if (wakes) {
        close(base->wake_fd);
        base->wake_fd = -1;
        base->wake_pending = false;
    }
    base->method->close(base);
    if (base->method->open(base) != 0 || pawl_event_io_reinit_(base) != 0 ||
        (wakes && pawl_event_wake_open_(base) != 0))
        status = -1;
    pawl_event_signal_reinit_(base);
    pawl_event_unlock_(base);
    return status;
}

/* ---- what is in it ---- */

const char *event_base_get_method(const struct event_base *base)
{
    return base->method->name;
}

int event_base_get_features(const struct event_base *base)
{
    return base->method->features;
}

const char **event_get_supported_methods(void)
{
    static const char *names[METHODS + 1]; /* NULL at the end */

    for (int i = 0; i < METHODS; i++)
        names[i] = methods[i]->name;
    return names;
}

int event_base_get_num_events(struct event_base *base, unsigned int type)
{
    int count = 0;

    pawl_event_lock_(base);
    if ((type & EVENT_BASE_COUNT_ACTIVE) != 0)
        count += base->active_count;
    if ((type & EVENT_BASE_COUNT_ADDED) != 0)
        count += base->event_count;
    pawl_event_unlock_(base);
    return count;
}

int event_base_get_max_events(struct event_base *base, unsigned int type, int clear)
{
    int count = 0;

    pawl_event_lock_(base);
    if ((type & EVENT_BASE_COUNT_ACTIVE) != 0) {
        count += base->active_max;
        if (clear)
            base->active_max = 0;
    }
    if ((type & EVENT_BASE_COUNT_ADDED) != 0) {
        count += base->event_max;
        if (clear)
            base->event_max = 0;
    }
    pawl_event_unlock_(base);
    return count;
}

static int each_inserted(struct event_base *base, event_base_foreach_event_cb fn, void *arg)
{
    const struct event *ev;
    int status;

    for (int fd = 0; fd < base->slot_count; fd++)
        for (ev = LIST_FIRST(&base->slots[fd].events); ev != NULL; ev = LIST_NEXT(ev, ev_.ev_io.ev_io_next))
            if ((status = fn(base, ev, arg)) != 0)
                return status;
    for (int number = 1; number < NSIG; number++)
        for (ev = LIST_FIRST(&base->signals[number]); ev != NULL;
             ev = LIST_NEXT(ev, ev_.ev_signal.ev_signal_next))
            if ((status = fn(base, ev, arg)) != 0)
                return status;
    return 0;
}

static int each_timeout(struct event_base *base, event_base_foreach_event_cb fn, void *arg)
{
    const struct event *ev;
    int status;

    for (int i = 0; i < base->heap_count; i++) {
        ev = base->heap[i].event;
        if ((ev->ev_evcallback.evcb_flags & (EVLIST_INTERNAL | EVLIST_INSERTED)) == 0 &&
            (status = fn(base, ev, arg)) != 0)
            return status;
    }
    for (int i = 0; i < base->common_count; i++)
        for (ev = TAILQ_FIRST(&base->commons[i]->events); ev != NULL;
             ev = TAILQ_NEXT(ev, ev_timeout_pos.ev_next_with_common_timeout))
            if ((ev->ev_evcallback.evcb_flags & EVLIST_INSERTED) == 0 && (status = fn(base, ev, arg)) != 0)
                return status;
    return 0;
}

static int each_active(struct event_base *base, event_base_foreach_event_cb fn, void *arg)
{
    struct event_callback *callback;
    int status;

    for (int i = 0; i < base->priorities; i++)
        for (callback = TAILQ_FIRST(&base->active[i]); callback != NULL;
             callback = TAILQ_NEXT(callback, evcb_active_next))
            if ((callback->evcb_flags & (EVLIST_INIT | EVLIST_INSERTED | EVLIST_TIMEOUT)) == EVLIST_INIT &&
                (status = fn(base, pawl_event_of_(callback), arg)) != 0)
                return status;
    return 0;
}

int event_base_foreach_event(struct event_base *base, event_base_foreach_event_cb fn, void *arg)
{
    int status;

    if (fn == NULL || base == NULL)
        return -1;
    pawl_event_lock_(base);
    status = each_inserted(base, fn, arg);
    if (status == 0)
        status = each_timeout(base, fn, arg);
    if (status == 0)
        status = each_active(base, fn, arg);
    pawl_event_unlock_(base);
    return status;
}

static int dump(const struct event_base *base, const struct event *ev, void *arg)
{
    int events = ev->ev_events;

    (void)base;
    fprintf(arg, "  %p [%s %d]%s%s%s%s%s%s%s%s\n", (const void *)ev, (events & EV_SIGNAL) != 0 ? "sig" : "fd",
            ev->ev_fd, (events & EV_READ) != 0 ? " Read" : "", (events & EV_WRITE) != 0 ? " Write" : "",
            (events & EV_CLOSED) != 0 ? " EOF" : "", (events & EV_SIGNAL) != 0 ? " Signal" : "",
            (events & EV_PERSIST) != 0 ? " Persist" : "", (events & EV_ET) != 0 ? " ET" : "",
            (ev->ev_evcallback.evcb_flags & EVLIST_TIMEOUT) != 0 ? " Timeout" : "",
            (ev->ev_evcallback.evcb_flags & EVLIST_ACTIVE) != 0 ? " active" : "");
    return 0;
}

void event_base_dump_events(struct event_base *base, FILE *output)
{
    fprintf(output, "Events:\n");
    event_base_foreach_event(base, dump, output);
}
