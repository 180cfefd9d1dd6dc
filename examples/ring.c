/* SPDX-License-Identifier: MIT */
/* The last 64 samples, whatever happens: a producer that never waits, and a consumer that sees what it missed. */
#include <pawl/ring.h>

#include <pthread.h>
#include <stdio.h>

enum { SAMPLES = 100000 };

struct sample {
    unsigned long number;
    double value;
};

static void *measure(void *ring)
{
    for (unsigned long i = 0; i < SAMPLES; i++) {
        struct sample sample = {i, 0.5 * (double)i};

        (void)pawl_ring_push(ring, &sample, NULL); /* a full ring gives up its oldest: nobody wants it back */
    }
    (void)pawl_ring_close(ring);
    return NULL;
}

int main(void)
{
    struct pawl_ring *ring = pawl_ring_open(64, sizeof(struct sample), PAWL_RING_LOCK_FREE);
    unsigned long got = 0, missed = 0, next = 0;
    struct sample sample;
    uint64_t ticket;
    pthread_t thread;

    if (ring == NULL || pthread_create(&thread, NULL, measure, ring) != 0)
        return 1;
    while (pawl_ring_pop_wait(ring, &sample, &ticket, PAWL_FOREVER) == 0) { /* until it is closed and empty */
        missed += sample.number - next;
        next = sample.number + 1;
        got++;
    }
    pthread_join(thread, NULL);
    printf("%lu samples, %lu missed, %lu displaced\n", got, missed, (unsigned long)pawl_ring_lost(ring));
    pawl_ring_free(ring);
    return got + missed == SAMPLES ? 0 : 1;
}
