/* SPDX-License-Identifier: MIT */
/* A bank under one lock: transfers between different accounts run at the same time where the processor has transactions. */
#include <pawl/elide.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, ACCOUNTS = 1024, TRANSFERS = 50000 };

static struct pawl_elide lock PAWL_LINE_PAIR_ALIGNED = PAWL_ELIDE_INIT; /* on a line of its own */
static long balance[ACCOUNTS] PAWL_LINE_PAIR_ALIGNED;

static void *transfer(void *seed)
{
    unsigned random = *(unsigned *)seed;

    for (int i = 0; i < TRANSFERS; i++) {
        random = random * 1664525u + 1013904223u;
        pawl_elide_lock(&lock);
        balance[(random >> 8) % ACCOUNTS] -= 1;
        balance[(random >> 20) % ACCOUNTS] += 1;
        pawl_elide_unlock(&lock);
    }
    return NULL;
}

int main(void)
{
    unsigned seeds[THREADS] = {1, 2, 3, 4};
    pthread_t threads[THREADS];
    struct pawl_elide_stats stats;
    long sum = 0;

    if (pawl_elide_count(&lock.elision) != 0)
        return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, transfer, &seeds[i]) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < ACCOUNTS; i++)
        sum += balance[i];
    pawl_elide_read(&lock.elision, &stats);
    pawl_elide_uncount(&lock.elision);
    printf("%lu transfers elided, %lu with the lock\n", (unsigned long)stats.elided,
           (unsigned long)stats.locked);
    return sum == 0 && stats.elided + stats.locked == (uint64_t)THREADS * TRANSFERS ? 0 : 1;
}
