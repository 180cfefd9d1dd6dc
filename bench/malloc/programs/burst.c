/* SPDX-License-Identifier: MIT */
/* A pool of threads of which two run at a time: each turn allocates a mixed lot, uses it and frees it all.
 * What per-thread caches keep of each turn, 64 threads keep 64 times.
 *
 *      burst THREADS TURNS */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>

enum { LOT = 6000 };

static sem_t may_run;
static long turns;

static void *work(void *number)
{
    uint32_t state = (uint32_t)(uintptr_t)number * 40503u + 7;
    void **block = malloc(LOT * sizeof *block);

    for (long t = 0; t < turns; t++) {
        sem_wait(&may_run);
        for (int i = 0; i < LOT; i++) {
            state = state * 1664525u + 1013904223u;
            block[i] = malloc(16 + (state >> 8) % 600);
            if (block[i] == NULL)
                abort();
            *(volatile char *)block[i] = 1;
        }
        for (int i = 0; i < LOT; i++)
            free(block[i]);
        sem_post(&may_run);
    }
    free(block);
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 64;
    pthread_t thread[256];

    turns = argc > 2 ? atol(argv[2]) : 20;
    if (threads < 1 || threads > 256)
        return 2;
    sem_init(&may_run, 0, 2);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, (void *)(intptr_t)(i + 1)) != 0)
            return 1;
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
