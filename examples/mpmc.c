/* SPDX-License-Identifier: MIT */
/* Four threads hand out numbers, four add them up: until the queue is closed and drained. */
#include <pawl/mpmc.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { THREADS = 4, EACH = 20000 };

static struct pawl_mpmc *queue;
static uint64_t sums[THREADS];

static void *produce(void *unused)
{
    (void)unused;
    for (uint64_t i = 1; i <= EACH; i++)
        if (pawl_mpmc_push_wait(queue, &i, PAWL_FOREVER) != 0)
            break; /* closed before its time */
    return NULL;
}

static void *consume(void *sum)
{
    uint64_t number;

    while (pawl_mpmc_pop_wait(queue, &number, PAWL_FOREVER) == 0)
        *(uint64_t *)sum += number;
    return NULL; /* -EPIPE: closed, and nothing is left */
}

int main(void)
{
    pthread_t producers[THREADS], consumers[THREADS];
    uint64_t sum = 0;

    queue = pawl_mpmc_open(64, sizeof(uint64_t));
    if (queue == NULL)
        return 1;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&producers[i], NULL, produce, NULL) != 0 ||
            pthread_create(&consumers[i], NULL, consume, &sums[i]) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(producers[i], NULL);
    pawl_mpmc_close(queue);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(consumers[i], NULL);
        sum += sums[i];
    }
    pawl_mpmc_free(queue);
    printf("%llu\n", (unsigned long long)sum);
    return sum == (uint64_t)THREADS * EACH * (EACH + 1) / 2 ? 0 : 1;
}
