/* SPDX-License-Identifier: MIT */
/* A closure of alarms for the model checker: start and cancel by other threads, against the deadline.
 *
 *   -DCANCELS=n   so many threads cancel it
 *   -DFIRE=1      the deadline passes as soon as the worker knows of it; 0: it never does
 *   -DAGAIN=1     done() starts it again, the first time
 *   -DELSEWHERE=1 another thread does, as soon as it finds it idle
 *
 * The worker is a thread with an inbox of one message, as there is never more than one of an alarm; the wheel is a flag. Mutants that
 * survive, and why: docs/timer.md. */
#include "../../../src/rt/timer.h"
#include "../../../src/rt/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#ifndef CANCELS
#define CANCELS 1
#endif
#ifndef FIRE
#define FIRE 1
#endif
#ifndef ELSEWHERE
#define ELSEWHERE 0
#endif
#ifndef AGAIN
#define AGAIN 0
#endif

static struct pawl_alarm alarm_;
static struct pawl_worker worker;
static struct pawl_rt rt;
static PAWL_ATOMIC(struct pawl_message *) inbox;
static int starts, completions, fired;
static int written;        /* plain: before the start */
static int noted[CANCELS]; /* plain: before each cancel */
static int won[CANCELS];   /* what they were told */

/* ---- what alarm.c calls ---- */

struct pawl_worker *pawl_worker_here_(void)
{
    return NULL; /* always by message, which is the harder way */
}

void pawl_worker_send_(struct pawl_worker *to, struct pawl_message *message)
{
    struct pawl_message *none = NULL;

    assert(to == &worker);
    assert(pawl_cas_release(&inbox, &none, message)); /* it is not under way already */
}

int pawl_rt_hold_(struct pawl_rt *runtime)
{
    (void)runtime;
    return 0;
}

void pawl_rt_release_(struct pawl_rt *runtime)
{
    (void)runtime;
}

void pawl_wheel_add_(struct pawl_wheel *wheel, struct pawl_timer *timer, uint64_t deadline)
{
    (void)wheel;
    assert(deadline == 5 && timer->link.next == NULL);
    timer->link.next = &timer->link;
}

void pawl_wheel_del_(struct pawl_wheel *wheel, struct pawl_timer *timer)
{
    (void)wheel;
    assert(timer->link.next == &timer->link);
    timer->link.next = NULL;
}

void pawl_timers_close_(struct pawl_worker *closing)
{
    (void)closing;
    assert(0);
}

/* ---- the program ---- */

static void done(struct pawl_alarm *alarm, int status)
{
    assert(alarm == &alarm_);
    assert(alarm->timer.link.next == NULL);
    assert(written == 1);
    assert(status == 0 || status == -ECANCELED);
    completions++;
    fired += status == 0;
    if (status == -ECANCELED && CANCELS == 1 && FIRE && !ELSEWHERE)
        assert(noted[0] == 1); /* who cancelled did so before this */
    if (AGAIN && completions == 1) {
        starts++;
        assert(pawl_alarm_start(&rt, &alarm_, 5) == 0);
    }
}

static void *serve(void *unused)
{
    (void)unused;
    while (completions < 1 + AGAIN + ELSEWHERE) {
        struct pawl_message *message;

        while ((message = pawl_load_acquire(&inbox)) == NULL)
            pawl_relax();
        pawl_store_relaxed(&inbox, NULL);
        message->run(message, &worker);
        if (FIRE && alarm_.timer.link.next != NULL) {
            alarm_.timer.link.next = NULL; /* as the wheel does */
            pawl_alarm_fire_(&alarm_.timer);
        }
    }
    return NULL;
}

static void *cancel(void *argument)
{
    int self = (int)(intptr_t)argument;
    int status;

    noted[self] = 1;
    status = pawl_alarm_cancel(&alarm_);
    assert(status == 0 || status == -EALREADY);
    won[self] = status == 0;
    return NULL;
}

int main(void)
{
    pthread_t threads[CANCELS], server;
    int wins = 0;

    rt.worker = &worker;
    rt.workers = 1;
    worker.rt = &rt;
    pawl_alarm_init(&alarm_, done);
    written = 1;
    starts = 1;
    assert(pawl_alarm_start(&rt, &alarm_, 5) == 0);
    assert(pawl_alarm_start(&rt, &alarm_, 5) == -EBUSY);
    pthread_create(&server, NULL, serve, NULL);
    for (intptr_t i = 0; i < CANCELS; i++)
        pthread_create(&threads[i], NULL, cancel, (void *)i);
    if (ELSEWHERE) {
        int status;

        while ((status = pawl_alarm_start(&rt, &alarm_, 5)) == -EBUSY)
            pawl_relax();
        assert(status == 0);
        starts++;
    }
    for (int i = 0; i < CANCELS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CANCELS; i++)
        wins += won[i];
    /* with nothing to fire it, it needs a cancel for each start: the last one comes here */
    if (!FIRE && wins < starts)
        wins += pawl_alarm_cancel(&alarm_) == 0;
    pthread_join(server, NULL);
    assert(completions == starts);
    assert(completions - fired == wins);
    assert(pawl_alarm_cancel(&alarm_) == -EALREADY);
    return 0;
}
