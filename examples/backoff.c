/* SPDX-License-Identifier: MIT */
/* Two loops that wait: a compare-and-swap that lost, and a flag that another thread will set. */
#include <pawl/backoff.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 3, STEPS = 100000 };

static PAWL_ATOMIC(long) product = 1;
static PAWL_ATOMIC(int) started;

/* No instruction does this to a word, so: load, compute, compare-and-swap. */
static void step(void)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    long seen = pawl_load_relaxed(&product);

    while (!pawl_cas_relaxed(&product, &seen, seen * 3 % 1000003))
        pawl_backoff_pause(&backoff); /* another thread was first: let it work */
}

static void *run(void *unused)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    (void)unused;
    while (pawl_load_acquire(&started) == 0)
        pawl_backoff_wait(&backoff); /* spins for 5 us, then yields */
    for (int i = 0; i < STEPS; i++)
        step();
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    long expected = 1;

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run, NULL) != 0)
            return 1;
    pawl_store_release(&started, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS * STEPS; i++)
        expected = expected * 3 % 1000003;
    printf("%ld\n", pawl_load_relaxed(&product));
    return pawl_load_relaxed(&product) == expected ? 0 : 1;
}
