/* SPDX-License-Identifier: MIT */
/* libuv: a heap by deadline. */
#include <stdlib.h>
#include <uv.h>

#include "timer_peers.h"

static uint64_t fired;

static void count(uv_timer_t *timer)
{
    (void)timer;
    fired++;
}

static void *open_loop(void)
{
    uv_loop_t *loop = calloc(1, sizeof *loop);

    return loop != NULL && uv_loop_init(loop) == 0 ? loop : NULL;
}

static void close_loop(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_NOWAIT);
    uv_loop_close(loop); /* refused: timers that were never closed; their memory goes all the same */
    free(loop);
}

#define LOOP(name) bench_libuv_##name
#define TIMER uv_timer_t
#define INIT(loop, timer) uv_timer_init(loop, timer)
#define START(loop, timer, ms) uv_timer_start(timer, count, ms, 0)
#define AGAIN(loop, timer, ms) START(loop, timer, ms)
#define CANCEL(loop, timer) uv_timer_stop(timer)
#define LOOP_OPEN() open_loop()
#define LOOP_CLOSE(loop) close_loop(loop)
#define LOOP_ENTER(loop) ((void)(loop))
#define LOOP_LEAVE(loop) ((void)(loop))
#define LOOP_TURN(loop) uv_run(loop, UV_RUN_NOWAIT)
#include "timer_loops.h"
