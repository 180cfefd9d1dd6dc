/* SPDX-License-Identifier: MIT */
/* The loops of one peer, compiled with its own calls. Before the include:
 *
 *     LOOP(name)                  the functions' names
 *     TIMER                       its timer
 *     INIT(loop, timer)           before the first start
 *     START(loop, timer, ms)      idle: fires `ms` from the loop's now
 *     AGAIN(loop, timer, ms)      the same of one that is armed
 *     CANCEL(loop, timer)
 *     LOOP_OPEN() LOOP_CLOSE(loop)
 *     LOOP_ENTER(loop) LOOP_LEAVE(loop)   on the thread that uses it
 *     LOOP_TURN(loop)             runs what is due, without waiting
 *     fired                       how many have been run */
#include <errno.h>
#include <stdlib.h>

struct LOOP(all) {
    void *loop;
    uint32_t live;
    uint64_t again; /* how often timers were put off by later() */
    TIMER *timers;  /* the live ones, one to be started and cancelled, and those that fire */
};

static int LOOP(open)(uint32_t live, void **shared)
{
    struct LOOP(all) *all = calloc(1, sizeof *all);
    uint64_t random = 12345;

    if (all == NULL)
        return -ENOMEM;
    all->live = live;
    all->loop = LOOP_OPEN();
    all->timers = calloc(live + 1 + BENCH_AT_ONCE, sizeof all->timers[0]);
    if (all->loop == NULL || all->timers == NULL) {
        free(all->timers);
        free(all);
        return -ENOMEM;
    }
    LOOP_ENTER(all->loop);
    for (uint32_t i = 0; i < live + 1 + BENCH_AT_ONCE; i++) {
        INIT(all->loop, &all->timers[i]);
        if (i < live)
            START(all->loop, &all->timers[i], BENCH_TIMEOUT_MS(&random));
    }
    LOOP_LEAVE(all->loop);
    *shared = all;
    return 0;
}

int LOOP(open_many)(unsigned threads, void **shared)
{
    (void)threads;
    return LOOP(open)(BENCH_LIVE, shared);
}

int LOOP(open_few)(unsigned threads, void **shared)
{
    (void)threads;
    return LOOP(open)(BENCH_FEW, shared);
}

void LOOP(close)(void *shared)
{
    struct LOOP(all) *all = shared;

    LOOP_ENTER(all->loop);
    for (uint32_t i = 0; i < all->live; i++)
        CANCEL(all->loop, &all->timers[i]);
    LOOP_LEAVE(all->loop);
    LOOP_CLOSE(all->loop);
    free(all->timers);
    free(all);
}

void LOOP(enter)(struct bench_thread *thread)
{
    LOOP_ENTER(((struct LOOP(all) *)thread->shared)->loop);
}

void LOOP(leave)(struct bench_thread *thread)
{
    LOOP_LEAVE(((struct LOOP(all) *)thread->shared)->loop);
}

/* Some live timer is put off: what a connection does when something has come. */
void LOOP(put_off)(struct bench_thread *thread, uint64_t iterations)
{
    struct LOOP(all) *all = thread->shared;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++) {
        TIMER *timer = &all->timers[bench_random(&random) % all->live];

        CANCEL(all->loop, timer);
        START(all->loop, timer, BENCH_TIMEOUT_MS(&random));
    }
    thread->random = random;
}

/* The same in one call, and always to later than all the others: timeouts of one length. */
void LOOP(later)(struct bench_thread *thread, uint64_t iterations)
{
    struct LOOP(all) *all = thread->shared;
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++)
        AGAIN(all->loop, &all->timers[bench_random(&random) % all->live], BENCH_LATER_MS(all->again++));
    thread->random = random;
}

/* One more timer comes and goes: what a request does that is answered in time. */
void LOOP(start_cancel)(struct bench_thread *thread, uint64_t iterations)
{
    struct LOOP(all) *all = thread->shared;
    TIMER *timer = &all->timers[all->live];
    uint64_t random = thread->random;

    for (uint64_t i = 0; i < iterations; i++) {
        START(all->loop, timer, BENCH_TIMEOUT_MS(&random));
        CANCEL(all->loop, timer);
    }
    thread->random = random;
}

/* Timers that are due at once, a turn for every BENCH_AT_ONCE. */
void LOOP(fire)(struct bench_thread *thread, uint64_t iterations)
{
    struct LOOP(all) *all = thread->shared;

    for (uint64_t i = 0; i < iterations; i++) {
        for (uint32_t t = 0; t < BENCH_AT_ONCE; t++)
            START(all->loop, &all->timers[all->live + 1 + t], 0);
        LOOP_TURN(all->loop);
    }
}

/* Of all timers once, in an order that is not that of memory. */
#define BENCH_ANY(i, n) ((uint32_t)((i)*UINT64_C(2654435761) % (n)))

/* `n` of them live: what bench_timer_crowd.c says. In a process of its own: nothing is given back. */
int LOOP(crowd)(uint32_t n, uint32_t spread_ms, struct bench_crowd *crowd)
{
    void *loop = LOOP_OPEN();
    TIMER *timers = calloc(n, sizeof timers[0]);
    uint64_t random = 12345, before = bench_crowd_bytes(), since;

    if (loop == NULL || timers == NULL)
        return -ENOMEM;
    LOOP_ENTER(loop);
    since = bench_crowd_cpu();
    for (uint32_t i = 0; i < n; i++) {
        INIT(loop, &timers[i]);
        START(loop, &timers[i], BENCH_TIMEOUT_MS(&random));
    }
    crowd->start = bench_crowd_each(since, n);
    crowd->bytes = (double)(bench_crowd_bytes() - before) / n;
    since = bench_crowd_cpu();
    for (uint32_t i = 0; i < n; i++) {
        TIMER *timer = &timers[bench_random(&random) % n];

        CANCEL(loop, timer);
        START(loop, timer, BENCH_TIMEOUT_MS(&random));
    }
    crowd->put_off = bench_crowd_each(since, n);
    since = bench_crowd_cpu();
    for (uint32_t i = 0; i < n / 2; i++)
        CANCEL(loop, &timers[BENCH_ANY(i, n)]);
    crowd->cancel = bench_crowd_each(since, n / 2);
    LOOP_TURN(loop); /* it knows what time it is */
    for (uint32_t i = n / 2; i < n; i++) {
        CANCEL(loop, &timers[BENCH_ANY(i, n)]);
        START(loop, &timers[BENCH_ANY(i, n)], (uint32_t)(1 + bench_random(&random) % spread_ms));
    }
    bench_crowd_sleep(spread_ms);
    since = bench_crowd_cpu();
    fired = 0;
    while (fired < n - n / 2)
        LOOP_TURN(loop);
    crowd->fire = bench_crowd_each(since, n - n / 2);
    return 0;
}
