/* SPDX-License-Identifier: MIT */
/* Telemetry: every thread pushes into a lane of its own, which it gets at its first push; one thread collects. */
#include <pawl/mpsc_lanes.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, EVENTS = 50000, BATCH = 64 };

static void *work(void *argument)
{
    struct pawl_mpsc_lanes *events = argument;

    for (uint64_t i = 1; i <= EVENTS; i++)
        pawl_mpsc_lanes_push_wait(events, &i, PAWL_FOREVER);
    return NULL;
}

static void *collect(void *argument)
{
    struct pawl_mpsc_lanes *events = argument;
    static uint64_t sum;
    uint64_t batch[BATCH];

    /* Sleep for the first, then take what else is there. */
    while (pawl_mpsc_lanes_pop_wait(events, batch, PAWL_FOREVER) == 0) {
        ptrdiff_t more = pawl_mpsc_lanes_pop_n(events, batch + 1, BATCH - 1);

        for (ptrdiff_t i = 0; i <= (more > 0 ? more : 0); i++)
            sum += batch[i];
    }
    return &sum;
}

int main(void)
{
    struct pawl_mpsc_lanes *events = pawl_mpsc_lanes_open(1000, sizeof(uint64_t));
    pthread_t threads[THREADS], collector;
    void *sum;

    if (events == NULL || pthread_create(&collector, NULL, collect, events) != 0)
        return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, events) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pawl_mpsc_lanes_close(events); /* the collector drains, then -EPIPE */
    pthread_join(collector, &sum);
    printf("sum of %d events: %llu\n", THREADS * EVENTS, (unsigned long long)*(uint64_t *)sum);
    pawl_mpsc_lanes_free(events);
    return 0;
}
