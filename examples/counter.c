/* SPDX-License-Identifier: MIT */
/* Count events from many threads without an atomic instruction. */
#include <pawl/counter.h>

#include <pthread.h>
#include <stdio.h>

static struct pawl_counter requests;

static void *serve(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000000; i++)
        pawl_counter_add(&requests, 1); /* one restartable add to this CPU's word */
    return NULL;
}

int main(void)
{
    pthread_t threads[4];

    if (pawl_counter_init(&requests) != 0)
        return 1;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, serve, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    printf("%ld requests, %s\n", pawl_counter_read(&requests), pawl_rseq_get_info()->reason);
    pawl_counter_destroy(&requests);
    return 0;
}
