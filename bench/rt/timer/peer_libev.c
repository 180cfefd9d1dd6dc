/* SPDX-License-Identifier: MIT */
/* libev: a heap with four children a node. */
#include <ev.h>

#include "timer_peers.h"

static uint64_t fired;

static void count(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)timer;
    (void)events;
    fired++;
}

static void start(struct ev_loop *loop, ev_timer *timer, uint32_t ms)
{
    ev_timer_set(timer, ms / 1000.0, 0.);
    ev_timer_start(loop, timer);
}

static void again(struct ev_loop *loop, ev_timer *timer, uint32_t ms)
{
    timer->repeat = ms / 1000.0;
    ev_timer_again(loop, timer);
}

#define LOOP(name) bench_libev_##name
#define TIMER ev_timer
#define INIT(loop, timer) ev_init(timer, count)
#define START(loop, timer, ms) start(loop, timer, ms)
#define AGAIN(loop, timer, ms) again(loop, timer, ms)
#define CANCEL(loop, timer) ev_timer_stop(loop, timer)
#define LOOP_OPEN() ev_loop_new(EVBACKEND_EPOLL)
#define LOOP_CLOSE(loop) ev_loop_destroy(loop)
#define LOOP_ENTER(loop) ((void)(loop))
#define LOOP_LEAVE(loop) ((void)(loop))
#define LOOP_TURN(loop) ev_run(loop, EVRUN_NOWAIT)
#include "timer_loops.h"
