/* SPDX-License-Identifier: MIT */
/* Timers of the worker that calls. */
#include "timer.h"

#include "../core/sync/fail.h"
#include "worker.h"

#include <errno.h>

extern inline bool pawl_timer_armed(const struct pawl_timer *timer);

static struct pawl_worker *worker_here(const char *function)
{
    struct pawl_worker *worker = pawl_worker_here_();

    if (PAWL_UNLIKELY(worker == NULL))
        pawl_sync_fail(function, "not on a worker of a runtime");
    return worker;
}

static void must_be_here(const struct pawl_wheel *wheel, const struct pawl_timer *timer, const char *function)
{
    if (PAWL_UNLIKELY(timer->wheel != wheel))
        pawl_sync_fail(function, "the timer is armed on another worker");
}

static void start(struct pawl_wheel *wheel, struct pawl_timer *timer, uint64_t tick, uint32_t period_ms,
                  const char *function)
{
    timer->period_ms = period_ms;
    if (timer->link.next != NULL) {
        must_be_here(wheel, timer, function);
        pawl_wheel_move_(wheel, timer, tick);
        return;
    }
    timer->tick = tick;
    pawl_wheel_insert_(wheel, timer);
}

void pawl_timer_init(struct pawl_timer *timer, void (*fire)(struct pawl_timer *timer))
{
    *timer = (struct pawl_timer){.fire = fire};
}

void pawl_timer_start(struct pawl_timer *timer, uint64_t deadline)
{
    start(&worker_here(__func__)->wheel, timer, pawl_wheel_tick_(deadline, 0), 0, __func__);
}

void pawl_timer_after(struct pawl_timer *timer, uint64_t ns)
{
    struct pawl_worker *worker = worker_here(__func__);
    uint64_t deadline = ns > UINT64_MAX - worker->now ? UINT64_MAX : worker->now + ns;

    start(&worker->wheel, timer, pawl_wheel_tick_(deadline, 0), 0, __func__);
}

void pawl_timer_start_coarse(struct pawl_timer *timer, uint64_t deadline, uint64_t slack)
{
    uint64_t tick = pawl_wheel_tick_(deadline, pawl_wheel_slack_shift_(slack));

    start(&worker_here(__func__)->wheel, timer, tick, 0, __func__);
}

void pawl_timer_every(struct pawl_timer *timer, uint64_t first, uint64_t period)
{
    uint64_t period_ms = pawl_wheel_tick_(period, 0);

    if (period_ms == 0)
        period_ms = 1;
    if (period_ms > UINT32_MAX)
        pawl_sync_fail(__func__, "the period is longer than 2^32 ms");
    start(&worker_here(__func__)->wheel, timer, pawl_wheel_tick_(first, 0), (uint32_t)period_ms, __func__);
}

int pawl_timer_cancel(struct pawl_timer *timer)
{
    struct pawl_wheel *wheel;

    if (timer->link.next == NULL)
        return -EALREADY;
    wheel = &worker_here(__func__)->wheel;
    must_be_here(wheel, timer, __func__);
    pawl_wheel_del_(wheel, timer);
    return 0;
}

void pawl_timers_close_(struct pawl_worker *worker)
{
    struct pawl_timer *timer;

    while ((timer = pawl_wheel_drain_(&worker->wheel)) != NULL)
        if (timer->fire == pawl_alarm_fire_)
            pawl_alarm_close_(pawl_timer_of(timer, struct pawl_alarm, timer));
}
