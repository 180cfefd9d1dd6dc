/* SPDX-License-Identifier: MIT */
/* Timeouts: a heap, and queues of events that have the same one.
 *
 * The heap's elements carry the time, so that sifting touches the events only to tell them their place; four children a node
 * halve its depth. Timeouts are exact to the microsecond in their order: that is why it is a heap and not the wheel of
 * libpawl-rt, whose order is exact to the millisecond.
 *
 * event_base_init_common_timeout() gives out a duration that is marked: microseconds need 20 bits, the mark
 * stands above them.
 *
 *     tv_usec:   mark (4 bits, 0x5) | number of the queue (8) | microseconds (20)
 *
 * An event that has such a timeout keeps mark and number in its ev_timeout, which says which queue it is in. */
#include "base.h"

enum {
    MICROS = 0x000fffff,
    QUEUE = 0x0ff00000,
    QUEUE_SHIFT = 20,
    MARK = 0x50000000,
    MARKS = 0x70000000,
    COMMON_MAX = 256,
    CHILDREN = 4,
};

/* ---- heap ---- */

static bool earlier(const struct pawl_event_timer *a, const struct pawl_event_timer *b)
{
    return a->due != b->due ? a->due < b->due : (int64_t)(a->serial - b->serial) < 0;
}

static void put(struct event_base *base, int place, const struct pawl_event_timer *timer)
{
    base->heap[place] = *timer;
    timer->event->ev_timeout_pos.min_heap_idx = place;
}

static void sift_up(struct event_base *base, int place, struct pawl_event_timer timer)
{
    while (place > 0) {
        int parent = (place - 1) / CHILDREN;

        if (!earlier(&timer, &base->heap[parent]))
            break;
        put(base, place, &base->heap[parent]);
        place = parent;
    }
    put(base, place, &timer);
}

static void sift_down(struct event_base *base, int place, struct pawl_event_timer timer)
{
    for (;;) {
        int first = place * CHILDREN + 1, least = first, end = first + CHILDREN;

        if (first >= base->heap_count)
            break;
        if (end > base->heap_count)
            end = base->heap_count;
        for (int child = first + 1; child < end; child++)
            if (earlier(&base->heap[child], &base->heap[least]))
                least = child;
        if (!earlier(&base->heap[least], &timer))
            break;
        put(base, place, &base->heap[least]);
        place = least;
    }
    put(base, place, &timer);
}

/* To where it belongs, from a place that is free. */
static void sift(struct event_base *base, int place, struct pawl_event_timer timer)
{
    if (place > 0 && earlier(&timer, &base->heap[(place - 1) / CHILDREN]))
        sift_up(base, place, timer);
    else
        sift_down(base, place, timer);
}

/* There is room: see pawl_event_timeout_reserve_(). */
static void heap_insert(struct event_base *base, struct event *ev, int64_t due)
{
    struct pawl_event_timer timer = {due, base->serial++, ev};

    sift_up(base, base->heap_count++, timer);
}

static void heap_remove(struct event_base *base, struct event *ev)
{
    int place = ev->ev_timeout_pos.min_heap_idx;
    struct pawl_event_timer last = base->heap[--base->heap_count];

    ev->ev_timeout_pos.min_heap_idx = -1;
    if (place != base->heap_count)
        sift(base, place, last);
}

int pawl_event_timeout_reserve_(struct event_base *base)
{
    /* one for each common queue too, which enter with their first event */
    return pawl_event_room_(&base->heap, &base->heap_size, base->heap_count + base->common_count + 1,
                            sizeof *base->heap);
}

/* ---- common timeouts ---- */

bool pawl_event_is_common_(const struct event_base *base, const struct timeval *tv)
{
    return (tv->tv_usec & MARKS) == MARK && (tv->tv_usec & QUEUE) >> QUEUE_SHIFT < base->common_count;
}

int64_t pawl_event_duration_(const struct event_base *base, const struct timeval *tv)
{
    struct timeval plain = *tv;

    if (pawl_event_is_common_(base, tv))
        plain.tv_usec &= MICROS;
    return pawl_event_micros_(&plain);
}

static struct pawl_event_common *common_of(const struct event_base *base, const struct event *ev)
{
    return base->commons[(ev->ev_timeout.tv_usec & QUEUE) >> QUEUE_SHIFT];
}

/* The queue has another first event, or none. */
static void common_first(struct event_base *base, struct pawl_event_common *common)
{
    const struct event *first = TAILQ_FIRST(&common->events);

    if (common->first.ev_timeout_pos.min_heap_idx >= 0)
        heap_remove(base, &common->first);
    if (first != NULL)
        heap_insert(base, &common->first, pawl_event_timeout_due_(first));
}

/* Behind those that pass before it: nearly always at the end, as all wait for as long. */
static void common_insert(struct event_base *base, struct pawl_event_common *common, struct event *ev)
{
    int64_t due = pawl_event_timeout_due_(ev);
    struct event *before = TAILQ_LAST(&common->events, event_list);

    while (before != NULL && pawl_event_timeout_due_(before) > due)
        before = TAILQ_PREV(before, event_list, ev_timeout_pos.ev_next_with_common_timeout);
    if (before != NULL) {
        TAILQ_INSERT_AFTER(&common->events, before, ev, ev_timeout_pos.ev_next_with_common_timeout);
    } else {
        TAILQ_INSERT_HEAD(&common->events, ev, ev_timeout_pos.ev_next_with_common_timeout);
        common_first(base, common);
    }
}

static const struct timeval *common_find(const struct event_base *base, int64_t duration)
{
    for (int i = 0; i < base->common_count; i++)
        if (pawl_event_duration_(base, &base->commons[i]->duration) == duration)
            return &base->commons[i]->duration;
    return NULL;
}

static const struct timeval *common_new(struct event_base *base, int64_t duration)
{
    struct pawl_event_common *common;

    if (base->common_count == COMMON_MAX) {
        pawl_event_warnx_(
            "event_base_init_common_timeout: Too many common timeouts already in use; only %d are allowed",
            COMMON_MAX);
        return NULL;
    }
    if (pawl_event_room_(&base->commons, &base->common_size, base->common_count + 1,
                         sizeof(struct pawl_event_common *)) != 0 ||
        (common = pawl_event_zalloc_(sizeof *common)) == NULL) {
        pawl_event_warnx_("event_base_init_common_timeout: out of memory");
        return NULL;
    }
    TAILQ_INIT(&common->events);
    common->first.ev_evcallback.evcb_flags = EVLIST_INIT | EVLIST_INTERNAL;
    common->first.ev_timeout_pos.min_heap_idx = -1;
    common->first.ev_evcallback.evcb_arg = common;
    common->duration = pawl_event_timeval_(duration);
    common->duration.tv_usec |= MARK | base->common_count << QUEUE_SHIFT;
    base->commons[base->common_count++] = common;
    return &common->duration;
}

const struct timeval *event_base_init_common_timeout(struct event_base *base, const struct timeval *duration)
{
    const struct timeval *found;
    int64_t us;

    pawl_event_lock_(base);
    us = pawl_event_duration_(base, duration);
    found = common_find(base, us);
    if (found == NULL)
        found = common_new(base, us);
    pawl_event_unlock_(base);
    return found;
}

/* ---- an event's timeout ---- */

int64_t pawl_event_timeout_due_(const struct event *ev)
{
    struct timeval tv = ev->ev_timeout;

    tv.tv_usec &= MICROS;
    return pawl_event_micros_(&tv);
}

bool pawl_event_timeout_set_(struct event_base *base, struct event *ev, int64_t due, const struct timeval *tv)
{
    if ((ev->ev_evcallback.evcb_flags & EVLIST_TIMEOUT) != 0) {
        if (!pawl_event_is_common_(base, tv) && !pawl_event_is_common_(base, &ev->ev_timeout)) {
            struct pawl_event_timer timer = {due, base->serial++, ev};

            ev->ev_timeout = pawl_event_timeval_(due);
            sift(base, ev->ev_timeout_pos.min_heap_idx, timer);
            return base->heap[0].event == ev;
        }
        pawl_event_timeout_unset_(base, ev);
    }
    ev->ev_timeout = pawl_event_timeval_(due);
    ev->ev_evcallback.evcb_flags |= EVLIST_TIMEOUT;
    pawl_event_count_(base, 1);
    if (pawl_event_is_common_(base, tv)) {
        struct pawl_event_common *common;

        ev->ev_timeout.tv_usec |= tv->tv_usec & ~(suseconds_t)MICROS;
        common = common_of(base, ev);
        common_insert(base, common, ev);
        return base->heap[0].event == &common->first && TAILQ_FIRST(&common->events) == ev;
    }
    heap_insert(base, ev, due);
    return base->heap[0].event == ev;
}

void pawl_event_timeout_unset_(struct event_base *base, struct event *ev)
{
    pawl_event_count_(base, -1);
    ev->ev_evcallback.evcb_flags &= ~EVLIST_TIMEOUT;
    if (pawl_event_is_common_(base, &ev->ev_timeout)) {
        struct pawl_event_common *common = common_of(base, ev);
        bool first = TAILQ_FIRST(&common->events) == ev;

        TAILQ_REMOVE(&common->events, ev, ev_timeout_pos.ev_next_with_common_timeout);
        if (first)
            common_first(base, common);
    } else {
        heap_remove(base, ev);
    }
}

/* ---- the loop's ---- */

int64_t pawl_event_timeout_left_(struct event_base *base)
{
    int64_t left;

    if (base->heap_count == 0)
        return -1;
    left = base->heap[0].due - pawl_event_now_(base);
    return left > 0 ? left : 0;
}

void pawl_event_timeouts_(struct event_base *base)
{
    int64_t now;

    if (base->heap_count == 0)
        return;
    now = pawl_event_now_(base);
    while (base->heap_count > 0 && base->heap[0].due <= now) {
        struct event *ev = base->heap[0].event;

        if ((ev->ev_evcallback.evcb_flags & EVLIST_INTERNAL) != 0) {
            struct pawl_event_common *common = ev->ev_evcallback.evcb_arg;

            ev = TAILQ_FIRST(&common->events);
        }
        pawl_event_del_(ev, PAWL_EVENT_NO_WAIT);
        pawl_event_activate_(ev, EV_TIMEOUT, 1);
    }
}

void pawl_event_timeouts_fini_(struct event_base *base)
{
    for (int i = 0; i < base->common_count; i++)
        pawl_event_free_(base->commons[i]);
    pawl_event_free_(base->commons);
    pawl_event_free_(base->heap);
}
