/* SPDX-License-Identifier: MIT */
/* A stream of prices: a journal sees each, the average is made of what the journal has seen. */
#include <pawl/broadcast.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { PRICES = 10000 };

static struct pawl_broadcast *prices;
static int journal, average;

static void *keep_journal(void *unused)
{
    uint64_t price;

    while (pawl_broadcast_pop_wait(prices, journal, &price, PAWL_FOREVER) == 0) {
        /* written to a file, say */
    }
    return unused;
}

static void *make_average(void *sum)
{
    uint64_t batch[64];
    ptrdiff_t n;

    while (pawl_broadcast_pop_wait(prices, average, batch, PAWL_FOREVER) == 0) {
        *(uint64_t *)sum += batch[0];
        n = pawl_broadcast_pop_n(prices, average, batch, 64); /* the rest of what is there */
        for (ptrdiff_t i = 0; i < n; i++)
            *(uint64_t *)sum += batch[i];
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    uint64_t sum = 0;

    prices = pawl_broadcast_open(256, sizeof(uint64_t), 2, PAWL_BROADCAST_ONE_PRODUCER);
    if (prices == NULL)
        return 1;
    journal = pawl_broadcast_subscribe(prices, 0);
    average = pawl_broadcast_subscribe(prices, UINT64_C(1) << journal);
    if (pthread_create(&threads[0], NULL, keep_journal, NULL) != 0 ||
        pthread_create(&threads[1], NULL, make_average, &sum) != 0)
        return 1;
    for (uint64_t i = 1; i <= PRICES; i++)
        if (pawl_broadcast_push_wait(prices, &i, PAWL_FOREVER) != 0)
            return 1;
    pawl_broadcast_close(prices);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("average %ju of %d prices\n", (uintmax_t)(sum / PRICES), PRICES);
    pawl_broadcast_free(prices);
    return sum != (uint64_t)PRICES * (PRICES + 1) / 2;
}
