/* SPDX-License-Identifier: MIT */
/* libevent: a heap by deadline. */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "timer_peers.h"

static uint64_t fired;

static void count(int fd, short what, void *unused)
{
    (void)fd;
    (void)what;
    (void)unused;
    fired++;
}

static void start(struct event *timer, uint32_t ms)
{
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    event_add(timer, &timeout);
}

#define LOOP(name) bench_libevent_##name
#define TIMER struct event
#define INIT(loop, timer) evtimer_assign(timer, loop, count, NULL)
#define START(loop, timer, ms) start(timer, ms)
#define AGAIN(loop, timer, ms) START(loop, timer, ms)
#define CANCEL(loop, timer) event_del(timer)
#define LOOP_OPEN() event_base_new()
#define LOOP_CLOSE(loop) event_base_free(loop)
#define LOOP_ENTER(loop) ((void)(loop))
#define LOOP_LEAVE(loop) ((void)(loop))
#define LOOP_TURN(loop) event_base_loop(loop, EVLOOP_NONBLOCK)
#include "timer_loops.h"
