/* SPDX-License-Identifier: MIT */
/* Two threads: one makes samples, built in place, the other sums them up until nothing will come. */
#include <pawl/spsc.h>

#include <pthread.h>
#include <stdio.h>

enum { SAMPLES = 100000 };

struct sample {
    uint64_t number;
    double value;
};

static void *produce(void *argument)
{
    struct pawl_spsc *q = argument;
    struct sample sample;

    for (uint64_t i = 1; i <= SAMPLES; i++) {
        void *place;

        if (pawl_spsc_reserve(q, &place, 1) == 1) { /* there is room: no copy */
            *(struct sample *)place = (struct sample){i, (double)i / 2};
            pawl_spsc_commit(q, 1);
        } else { /* full: sleep until there is room */
            sample = (struct sample){i, (double)i / 2};
            pawl_spsc_push_wait(q, &sample, PAWL_FOREVER);
        }
    }
    pawl_spsc_close(q);
    return NULL;
}

int main(void)
{
    struct pawl_spsc *q = pawl_spsc_open(1000, sizeof(struct sample));
    struct sample sample;
    double sum = 0;
    pthread_t producer;

    if (q == NULL || pthread_create(&producer, NULL, produce, q) != 0)
        return 1;
    while (pawl_spsc_pop_wait(q, &sample, PAWL_FOREVER) == 0) /* -EPIPE: closed and drained */
        sum += sample.value;
    pthread_join(producer, NULL);
    pawl_spsc_free(q);
    printf("sum of %d samples: %.1f\n", SAMPLES, sum);
    return 0;
}
