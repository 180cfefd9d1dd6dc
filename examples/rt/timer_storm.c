/* SPDX-License-Identifier: MIT */
/* A hundred thousand connections, each with a timeout that is put off whenever something comes: most of the work of a
 * server with timers. What is left alone fires. */
#include <pawl/fiber.h>
#include <pawl/park.h>
#include <pawl/timer.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS = 100000, ARRIVALS = 1000000 };
#define MS UINT64_C(1000000) /* of nanoseconds */

struct connection {
    struct pawl_timer idle; /* 48 bytes, nothing is allocated to start it */
};

static int timed_out;

static void on_idle(struct pawl_timer *timer)
{
    struct connection *connection = pawl_timer_of(timer, struct connection, idle);

    (void)connection; /* would be closed, or freed, here */
    timed_out++;
}

static void serve(void *unused)
{
    struct connection *all = calloc(CONNECTIONS, sizeof *all);
    uint32_t random = 1;

    (void)unused;
    if (all == NULL)
        abort();
    for (int i = 0; i < CONNECTIONS; i++)
        pawl_timer_init(&all[i].idle, on_idle);
    for (int i = 0; i < ARRIVALS; i++) { /* moved, if it is armed: that costs the same */
        random = random * 1664525 + 1013904223;
        pawl_timer_after(&all[random % CONNECTIONS].idle, 50 * MS);
        if (i % 1000 == 0)
            pawl_yield(); /* the others on this worker, and its timers */
    }
    for (int i = 0; i < CONNECTIONS; i++)
        while (pawl_timer_armed(&all[i].idle))
            pawl_sleep(10 * MS);
    free(all);
}

int main(void)
{
    struct pawl_rt *rt;
    struct pawl_fiber *server;

    if (pawl_rt_open(&rt, NULL) != 0 || pawl_fiber_open(&server, rt, serve, NULL) != 0 ||
        pawl_fiber_join(server) != 0)
        return 1;
    pawl_rt_close(rt);
    printf("%d arrivals, %d connections timed out\n", ARRIVALS, timed_out);
    return timed_out == 0;
}
