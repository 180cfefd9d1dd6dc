/* SPDX-License-Identifier: MIT */
/* Which events wait for which descriptor, and for what the method waits on their behalf. */
#include "base.h"

#include <errno.h>
#include <string.h>

/* The table is moved: the first event of each list points back into it. */
static void moved(struct event_base *base)
{
    for (int fd = 0; fd < base->slot_count; fd++) {
        struct event *first = LIST_FIRST(&base->slots[fd].events);

        if (first != NULL)
            first->ev_.ev_io.ev_io_next.le_prev = &base->slots[fd].events.lh_first;
    }
}

/* A table of 2 GiB is none that a descriptor needs: the number is a wrong one. */
enum { FD_LIMIT = INT32_MAX / 2 / (int)sizeof(struct pawl_event_slot) };

struct pawl_event_slot *pawl_event_slot_(struct event_base *base, int fd)
{
    if (fd >= FD_LIMIT)
        return NULL;
    if (PAWL_UNLIKELY(fd >= base->slot_count)) {
        struct pawl_event_slot *before = base->slots;
        int size = base->slot_count;

        if (pawl_event_room_(&base->slots, &size, fd + 1, sizeof *base->slots) != 0)
            return NULL;
        if (base->slots != before)
            moved(base);
        memset(base->slots + base->slot_count, 0, (size_t)(size - base->slot_count) * sizeof *base->slots);
        base->slot_count = size;
    }
    return &base->slots[fd];
}

static int waits_for(const struct pawl_event_slot *slot)
{
    return (slot->reads > 0 ? EV_READ : 0) | (slot->writes > 0 ? EV_WRITE : 0) |
           (slot->closes > 0 ? EV_CLOSED : 0);
}

static void count(struct pawl_event_slot *slot, int events, int by)
{
    if ((events & EV_READ) != 0)
        slot->reads = (uint16_t)(slot->reads + by);
    if ((events & EV_WRITE) != 0)
        slot->writes = (uint16_t)(slot->writes + by);
    if ((events & EV_CLOSED) != 0)
        slot->closes = (uint16_t)(slot->closes + by);
}

/* The counts have changed: tells the method, if that changes what is waited for. */
static int apply(struct event_base *base, const struct event *ev, struct pawl_event_slot *slot, int before)
{
    int now = waits_for(slot);

    if (now == before)
        return 0;
    return base->method->change(base, ev->ev_fd, slot, before, now, ev->ev_events & EV_ET) == 0 ? 1 : -1;
}

int pawl_event_io_add_(struct event_base *base, struct event *ev)
{
    struct pawl_event_slot *slot;
    int before, changed;

    if (ev->ev_fd < 0)
        return 0;
    slot = pawl_event_slot_(base, ev->ev_fd);
    if (slot == NULL)
        return -1;
    if (slot->reads == UINT16_MAX || slot->writes == UINT16_MAX || slot->closes == UINT16_MAX) {
        pawl_event_warnx_("Too many events reading or writing on fd %d", ev->ev_fd);
        return -1;
    }
    before = waits_for(slot);
    count(slot, ev->ev_events, 1);
    changed = apply(base, ev, slot, before);
    if (changed < 0) {
        count(slot, ev->ev_events, -1);
        return -1;
    }
    LIST_INSERT_HEAD(&slot->events, ev, ev_.ev_io.ev_io_next);
    return changed;
}

int pawl_event_io_del_(struct event_base *base, struct event *ev)
{
    struct pawl_event_slot *slot;
    int before;

    if (ev->ev_fd < 0)
        return 0;
    slot = &base->slots[ev->ev_fd]; /* it is there: the event was added */
    before = waits_for(slot);
    count(slot, ev->ev_events, -1);
    LIST_REMOVE(ev, ev_.ev_io.ev_io_next);
    return apply(base, ev, slot, before);
}

void pawl_event_io_ready_(struct event_base *base, int fd, int what)
{
    struct event *ev;

    if (fd >= base->slot_count)
        return;
    for (ev = LIST_FIRST(&base->slots[fd].events); ev != NULL; ev = LIST_NEXT(ev, ev_.ev_io.ev_io_next)) {
        if ((ev->ev_events & what & ~EV_ET) != 0)
            pawl_event_activate_(ev, ev->ev_events & what, 1);
    }
}

int pawl_event_io_reinit_(struct event_base *base)
{
    int status = 0;

    for (int fd = 0; fd < base->slot_count; fd++) {
        struct pawl_event_slot *slot = &base->slots[fd];
        struct event *ev;
        int et = 0;

        slot->poll = 0;
        if (LIST_EMPTY(&slot->events))
            continue;
        for (ev = LIST_FIRST(&slot->events); ev != NULL; ev = LIST_NEXT(ev, ev_.ev_io.ev_io_next))
            et |= ev->ev_events & EV_ET;
        if (base->method->change(base, fd, slot, 0, waits_for(slot), et) != 0)
            status = -1;
    }
    return status;
}

void event_base_active_by_fd(struct event_base *base, evutil_socket_t fd, short events)
{
    pawl_event_lock_(base);
    if (fd >= 0)
        pawl_event_io_ready_(base, fd, events & PAWL_EVENT_IO);
    pawl_event_unlock_(base);
}
