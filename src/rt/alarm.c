/* SPDX-License-Identifier: MIT */
/* Alarms: timers that any thread starts and cancels.
 *
 *     state        who changes it                     means
 *     IDLE         start -> BETWEEN -> ARMED | SENT   not started, or completed
 *     ARMED        a cancel -> CANCELLED | SENT       the deadline decides
 *                  the deadline -> BETWEEN -> IDLE
 *     CANCELLED    its worker -> IDLE                 will complete with -ECANCELED
 *     SENT         its worker takes it away           the alarm's one message is under way to it
 *     BETWEEN      who put it there                   a start is being made, or done() is about to be called
 *
 * There is one message. A start sends it; a cancel that finds it still under way leaves it to do both. So who wins
 * between cancel and deadline is decided by one word, and the alarm stays in memory until the message has arrived: done()
 * comes after that. */
#include "timer.h"
#include "worker.h"

#include <errno.h>

enum { IDLE = 0, ARMED = 1, CANCELLED = 2, SENT = 4, BETWEEN = 8 };

PAWL_STATIC_ASSERT(sizeof(struct pawl_message) <= sizeof(((struct pawl_alarm *)0)->message),
                   "room for the message");

static struct pawl_message *message_of(struct pawl_alarm *alarm)
{
    return (struct pawl_message *)(void *)alarm->message;
}

static struct pawl_alarm *alarm_of(struct pawl_message *message)
{
    return pawl_alarm_of(message, struct pawl_alarm, message);
}

void pawl_alarm_init(struct pawl_alarm *alarm, void (*done)(struct pawl_alarm *alarm, int status))
{
    *alarm = (struct pawl_alarm){.done = done};
    alarm->timer.fire = pawl_alarm_fire_;
}

/* Its last touch by the runtime is done(). */
static void complete(struct pawl_alarm *alarm, int status)
{
    struct pawl_rt *rt = alarm->worker->rt;

    /* release D: pairs with the acquire in start() */
    pawl_store_release(&alarm->state, (uint32_t)IDLE);
    alarm->done(alarm, status);
    pawl_rt_release_(rt);
}

/* By the worker, in a message or when the deadline has passed. */
static void cancelled(struct pawl_alarm *alarm)
{
    if (alarm->timer.link.next != NULL)
        pawl_wheel_del_(&alarm->worker->wheel, &alarm->timer);
    complete(alarm, -ECANCELED);
}

static void arrived(struct pawl_message *message, struct pawl_worker *worker)
{
    struct pawl_alarm *alarm = alarm_of(message);
    uint32_t state = ARMED | SENT;

    /* release M: pairs with the acquire in cancel, which sends this message again: the worker has read it. On failure
     * relaxed: see below. */
    if (pawl_cas_release(&alarm->state, &state, (uint32_t)ARMED)) {
        pawl_wheel_add_(&worker->wheel, &alarm->timer, alarm->deadline);
        if (worker->closing)
            pawl_timers_close_(worker);
    } else {
        pawl_fence_acquire(); /* S: pairs with the release of the cancel, which has sent no message */
        cancelled(alarm);
    }
}

void pawl_alarm_fire_(struct pawl_timer *timer)
{
    struct pawl_alarm *alarm = pawl_timer_of(timer, struct pawl_alarm, timer);
    uint32_t state = ARMED;

    /* relaxed: a cancel that came first has sent the message, which completes; one that comes in vain learns nothing. */
    if (pawl_cas_relaxed(&alarm->state, &state, (uint32_t)BETWEEN))
        complete(alarm, 0);
}

void pawl_alarm_close_(struct pawl_alarm *alarm)
{
    uint32_t state = ARMED;

    /* relaxed: as in fire */
    if (pawl_cas_relaxed(&alarm->state, &state, (uint32_t)BETWEEN))
        complete(alarm, -ECANCELED);
}

static struct pawl_worker *worker_for(struct pawl_rt *rt, const struct pawl_alarm *alarm)
{
    struct pawl_worker *here = pawl_worker_here_();

    if (here != NULL && here->rt == rt)
        return here;
    return &rt->worker[((uintptr_t)alarm >> 7) % rt->workers];
}

int pawl_alarm_start(struct pawl_rt *rt, struct pawl_alarm *alarm, uint64_t deadline)
{
    uint32_t state = IDLE;
    int status = pawl_rt_hold_(rt);

    if (status != 0)
        return status;
    if (pawl_rt_closing_(
            rt)) { /* not by its own workers either: done() may be what starts it, again and again */
        pawl_rt_release_(rt);
        return -EPIPE;
    }
    /* acquire D: pairs with the release in complete() */
    if (!pawl_cas_acquire(&alarm->state, &state, (uint32_t)BETWEEN)) {
        pawl_rt_release_(rt);
        return -EBUSY;
    }
    alarm->worker = worker_for(rt, alarm);
    alarm->deadline = deadline;
    message_of(alarm)->run = arrived;
    /* relaxed: the message publishes the start. A cancel that finds it still under way reads nothing but this word; one
     * that sends it again has M. */
    pawl_store_relaxed(&alarm->state, (uint32_t)(ARMED | SENT));
    pawl_worker_send_(alarm->worker, message_of(alarm));
    return 0;
}

int pawl_alarm_cancel(struct pawl_alarm *alarm)
{
    uint32_t state = pawl_load_relaxed(&alarm->state); /* relaxed: the CAS decides */

    do {
        if ((state & ARMED) == 0)
            return -EALREADY;
        /* acquire M: pairs with the release in arrived(). release S: pairs with the fence in arrived(). */
    } while (!pawl_cas_weak_acq_rel(&alarm->state, &state, (uint32_t)(CANCELLED | SENT)));
    if ((state & SENT) == 0)
        pawl_worker_send_(alarm->worker, message_of(alarm));
    return 0;
}
