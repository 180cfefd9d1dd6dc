/* SPDX-License-Identifier: MIT */
/* epoll: changes are made at once, one system call each. Nothing is put off to the next wait, since a descriptor may be
 * closed and its number given away before. */
#include "base.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_READY = 32,
    MOST_READY = 4096,
};

static int epoll_open(struct event_base *base)
{
    base->epoll.fd = epoll_create1(EPOLL_CLOEXEC);
    if (base->epoll.fd < 0) {
        pawl_event_warn_("epoll_create1");
        return -1;
    }
    if (base->epoll.ready == NULL) {
        base->epoll.ready = pawl_event_malloc_(FIRST_READY * sizeof *base->epoll.ready);
        if (base->epoll.ready == NULL) {
            close(base->epoll.fd);
            base->epoll.fd = -1; /* event_reinit(): the base lives on, and is closed once more */
            return -1;
        }
        base->epoll.size = FIRST_READY;
    }
    return 0;
}

static void epoll_close(struct event_base *base)
{
    if (base->epoll.fd >= 0)
        close(base->epoll.fd);
    pawl_event_free_(base->epoll.ready);
    base->epoll.ready = NULL;
}

static uint32_t bits_of(int events, int et)
{
    return ((events & EV_READ) != 0 ? (uint32_t)EPOLLIN : 0) |
           ((events & EV_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0) |
           ((events & EV_CLOSED) != 0 ? (uint32_t)EPOLLRDHUP : 0) | (et != 0 ? (uint32_t)EPOLLET : 0);
}

static int epoll_change(struct event_base *base, int fd, struct pawl_event_slot *slot, int before, int now,
                        int et)
{
    struct epoll_event event = {.events = bits_of(now, et), .data = {.fd = fd}};
    int op = now == 0 ? EPOLL_CTL_DEL : before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    (void)slot;
    if (epoll_ctl(base->epoll.fd, op, fd, &event) == 0)
        return 0;
    switch (op) {
    case EPOLL_CTL_DEL: /* it was closed before its events were deleted */
        if (errno == ENOENT || errno == EBADF || errno == EPERM)
            return 0;
        break;
    case EPOLL_CTL_MOD: /* closed, and opened again */
        if (errno == ENOENT && epoll_ctl(base->epoll.fd, EPOLL_CTL_ADD, fd, &event) == 0)
            return 0;
        break;
    default: /* a duplicate of it is registered under its number, as dup2(2) makes them */
        if (errno == EEXIST && epoll_ctl(base->epoll.fd, EPOLL_CTL_MOD, fd, &event) == 0)
            return 0;
        break;
    }
    pawl_event_warn_("Epoll %s on fd %d failed. Old events were %d; new events were %d",
                     op == EPOLL_CTL_DEL   ? "DEL"
                     : op == EPOLL_CTL_MOD ? "MOD"
                                           : "ADD",
                     fd, before, now);
    return -1;
}

/* Whole milliseconds, rounded up; microseconds where they were asked for and the kernel has the call. */
static int wait_for(struct event_base *base, int64_t us)
{
    int ms;

    if (base->precise && us > 0) {
        struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
        int count = epoll_pwait2(base->epoll.fd, base->epoll.ready, base->epoll.size, &ts, NULL);

        if (count >= 0 || errno == EINTR)
            return count;
        base->precise = false; /* ENOSYS, or a filter forbids it */
    }
    if (us < 0)
        ms = -1;
    else
        ms = us > (int64_t)INT_MAX * 1000 - 999 ? INT_MAX : (int)((us + 999) / 1000);
    return epoll_wait(base->epoll.fd, base->epoll.ready, base->epoll.size, ms);
}

/* What the kernel reports, as libevent does: an error or a hang-up wakes readers and writers. */
static int events_of(uint32_t bits)
{
    if ((bits & EPOLLERR) != 0 || (bits & (EPOLLHUP | EPOLLRDHUP)) == EPOLLHUP)
        return EV_READ | EV_WRITE;
    return ((bits & EPOLLIN) != 0 ? EV_READ : 0) | ((bits & EPOLLOUT) != 0 ? EV_WRITE : 0) |
           ((bits & EPOLLRDHUP) != 0 ? EV_CLOSED : 0);
}

/* The next wait may bring more. */
static void more_room(struct event_base *base)
{
    int size = base->epoll.size;

    if (size < MOST_READY &&
        pawl_event_room_(&base->epoll.ready, &size, 2 * size, sizeof *base->epoll.ready) == 0)
        base->epoll.size = size;
}

static int epoll_ready(struct event_base *base, int64_t us)
{
    int count;

    pawl_event_unlock_(base);
    count = wait_for(base, us);
    pawl_event_lock_(base);
    if (count < 0) {
        if (errno == EINTR)
            return 0;
        pawl_event_warn_("epoll_wait");
        return -1;
    }
    for (int i = 0; i < count; i++) {
        const struct epoll_event *ready = &base->epoll.ready[i];
        int what = events_of(ready->events);

        if (ready->data.fd == base->wake_fd)
            pawl_event_woken_(base);
        else if (what != 0)
            pawl_event_io_ready_(base, ready->data.fd, what | EV_ET);
    }
    if (count == base->epoll.size)
        more_room(base);
    return 0;
}

const struct pawl_event_method pawl_event_epoll_ = {
    .name = "epoll",
    .features = EV_FEATURE_ET | EV_FEATURE_O1 | EV_FEATURE_EARLY_CLOSE,
    .open = epoll_open,
    .close = epoll_close,
    .change = epoll_change,
    .wait = epoll_ready,
};
