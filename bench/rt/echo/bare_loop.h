/* SPDX-License-Identifier: MIT */
/* What bare epoll loops have in common: one thread, edge-triggered. Inline, as they are the floor. */
#ifndef BENCH_ECHO_BARE_LOOP_H
#define BENCH_ECHO_BARE_LOOP_H

#include "echo_peers.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* accept_all registers connections by data.ptr; the listener's is NULL. A negative errno, if it cannot begin. */
static inline int echo_bare_loop(const struct echo_place *place, void (*accept_all)(int epoll, int listener),
                                 void (*serve)(void *connection, uint32_t events))
{
    int listener = echo_listen(place), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[256], accepting = {.events = EPOLLIN};

    if (listener < 0)
        return listener;
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &accepting) != 0)
        return -errno;
    echo_ready(place);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);

        for (int i = 0; i < n; i++)
            if (events[i].data.ptr == NULL)
                accept_all(epoll, listener);
            else
                serve(events[i].data.ptr, events[i].events);
    }
}

#endif
