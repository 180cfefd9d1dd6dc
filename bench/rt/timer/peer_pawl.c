/* SPDX-License-Identifier: MIT */
/* The wheel: by the calls of <pawl/timer.h>, as a worker makes its turns. */
#include "../../../src/rt/worker.h"
#include "timer_peers.h"

#include <pawl/park.h>
#include <pawl/rt.h>
#include <pawl/timer.h>

static uint64_t fired;

static void count(struct pawl_timer *timer)
{
    (void)timer;
    fired++;
}

static void *open_runtime(void)
{
    struct pawl_rt_config config = {.workers = 1, .flags = PAWL_RT_CALLER, .engine = "epoll"};
    struct pawl_rt *rt;

    return pawl_rt_open(&rt, &config) == 0 ? rt : NULL;
}

/* The calling thread is worker 0, as far as timers are concerned. */
static void enter(struct pawl_rt *rt)
{
    pawl_worker_enter_(&rt->worker[0]);
    rt->worker[0].now = pawl_deadline(0);
}

static void leave(struct pawl_rt *rt)
{
    (void)rt;
    pawl_worker_enter_(NULL);
}

/* What a turn does about timers, and about events as the peers do: it asks the kernel. */
static void turn(struct pawl_rt *rt)
{
    struct pawl_worker *worker = &rt->worker[0];

    worker->now = pawl_deadline(0);
    pawl_wheel_advance_(&worker->wheel, worker->now, UINT32_MAX);
    worker->engine->class->turn(worker->engine, 0);
}

#define LOOP(name) bench_pawl_##name
#define TIMER struct pawl_timer
#define INIT(loop, timer) pawl_timer_init(timer, count)
#define START(loop, timer, ms) pawl_timer_after(timer, (ms)*UINT64_C(1000000))
#define AGAIN(loop, timer, ms) START(loop, timer, ms)
#define CANCEL(loop, timer) pawl_timer_cancel(timer)
#define LOOP_OPEN() open_runtime()
#define LOOP_CLOSE(loop) pawl_rt_close(loop)
#define LOOP_ENTER(loop) enter(loop)
#define LOOP_LEAVE(loop) leave(loop)
#define LOOP_TURN(loop) turn(loop)
#include "timer_loops.h"
