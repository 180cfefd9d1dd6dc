/* SPDX-License-Identifier: MIT */
/* poll(2): for descriptors that epoll refuses (files, /dev/null), and programs that say EVENT_NOEPOLL, as tmux does. */
#include "base.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static int poll_open(struct event_base *base)
{
    base->poll.count = 0;
    return 0;
}

static void poll_close(struct event_base *base)
{
    pawl_event_free_(base->poll.set);
    pawl_event_free_(base->poll.copy);
    base->poll.set = base->poll.copy = NULL;
    base->poll.size = base->poll.copy_size = base->poll.count = 0;
}

static short bits_of(int events)
{
    return (short)(((events & EV_READ) != 0 ? POLLIN : 0) | ((events & EV_WRITE) != 0 ? POLLOUT : 0) |
                   ((events & EV_CLOSED) != 0 ? POLLRDHUP : 0));
}

/* The last one takes the place of the one that goes. */
static void take_out(struct event_base *base, struct pawl_event_slot *slot)
{
    int place = slot->poll - 1;

    base->poll.set[place] = base->poll.set[--base->poll.count];
    base->slots[base->poll.set[place].fd].poll = place + 1;
    slot->poll = 0;
}

static int poll_change(struct event_base *base, int fd, struct pawl_event_slot *slot, int before, int now,
                       int et)
{
    (void)before;
    (void)et;
    if (now == 0) {
        take_out(base, slot);
        return 0;
    }
    if (slot->poll == 0) {
        if (pawl_event_room_(&base->poll.set, &base->poll.size, base->poll.count + 1,
                             sizeof *base->poll.set) != 0) {
            pawl_event_warnx_("poll: out of memory");
            return -1;
        }
        base->poll.set[base->poll.count++].fd = fd;
        slot->poll = base->poll.count;
    }
    base->poll.set[slot->poll - 1].events = bits_of(now);
    return 0;
}

static int events_of(int bits)
{
    if ((bits & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        bits |= POLLIN | POLLOUT;
    return ((bits & POLLIN) != 0 ? EV_READ : 0) | ((bits & POLLOUT) != 0 ? EV_WRITE : 0) |
           ((bits & POLLRDHUP) != 0 ? EV_CLOSED : 0);
}

/* What poll(2) may look at without the lock. NULL: no memory. */
static struct pollfd *snapshot(struct event_base *base)
{
    if (!base->locking)
        return base->poll.set;
    if (base->poll.count == 0)
        return base->poll.copy;
    if (pawl_event_room_(&base->poll.copy, &base->poll.copy_size, base->poll.count,
                         sizeof *base->poll.copy) != 0)
        return NULL;
    memcpy(base->poll.copy, base->poll.set, (size_t)base->poll.count * sizeof *base->poll.copy);
    return base->poll.copy;
}

static int poll_ready(struct event_base *base, int64_t us)
{
    struct pollfd *set = snapshot(base);
    int count = base->poll.count, left, ms = -1;

    if (set == NULL && count > 0) {
        pawl_event_warnx_("poll: out of memory");
        return -1;
    }
    if (us >= 0)
        ms = us > (int64_t)INT_MAX * 1000 - 999 ? INT_MAX : (int)((us + 999) / 1000);
    pawl_event_unlock_(base);
    left = poll(set, (nfds_t)count, ms);
    pawl_event_lock_(base);
    if (left < 0) {
        if (errno == EINTR)
            return 0;
        pawl_event_warn_("poll");
        return -1;
    }
    for (int i = 0; i < count && left > 0; i++) {
        if (set[i].revents == 0)
            continue;
        left--;
        if (set[i].fd == base->wake_fd)
            pawl_event_woken_(base);
        else
            pawl_event_io_ready_(base, set[i].fd, events_of(set[i].revents));
    }
    return 0;
}

const struct pawl_event_method pawl_event_poll_ = {
    .name = "poll",
    .features = EV_FEATURE_FDS | EV_FEATURE_EARLY_CLOSE,
    .open = poll_open,
    .close = poll_close,
    .change = poll_change,
    .wait = poll_ready,
};
