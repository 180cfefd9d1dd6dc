/* SPDX-License-Identifier: MIT */
/* Small blocks freed in the order in which they came and in the opposite one, within a thread (migrate 0),
 * or after they went to another thread in batches (migrate 1). Modelled on what is told of sh6bench and
 * sh8bench.
 *
 *      shlike THREADS ROUNDS MIGRATE */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000, BOXES = 128, SAVED = 20 };

struct batch {
    void *block[BATCH];
};

static _Atomic(struct batch *) box[BOXES];
static long rounds;
static int migrate;

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void fill(struct batch *batch, uint32_t *state)
{
    for (int i = 0; i < BATCH; i++) {
        uint32_t r = next(state);
        size_t size = 8 + (r % 16 != 0 ? r / 16 % 120 : r / 16 % 1000);

        batch->block[i] = malloc(size);
        if (batch->block[i] == NULL)
            abort();
        *(volatile char *)batch->block[i] = (char)i;
    }
}

static void empty(struct batch *batch, int backwards)
{
    for (int i = 0; i < BATCH; i++)
        free(batch->block[backwards ? BATCH - 1 - i : i]);
}

static void *work(void *number)
{
    uint32_t state = (uint32_t)(uintptr_t)number * 7919u + 1;
    struct batch *saved[SAVED];

    for (int i = 0; i < SAVED; i++) {
        saved[i] = malloc(sizeof *saved[i]);
        fill(saved[i], &state);
    }
    for (long r = 0; r < rounds; r++) {
        struct batch **mine = &saved[r % SAVED];

        if (migrate) {
            struct batch *other = atomic_exchange(&box[next(&state) % BOXES], *mine);

            *mine = other != NULL ? other : malloc(sizeof **mine);
            if (other == NULL) {
                fill(*mine, &state);
                continue;
            }
        }
        empty(*mine, (int)(r & 1));
        fill(*mine, &state);
    }
    for (int i = 0; i < SAVED; i++) {
        empty(saved[i], 0);
        free(saved[i]);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    pthread_t thread[256];

    rounds = argc > 2 ? atol(argv[2]) : 2000;
    migrate = argc > 3 ? atoi(argv[3]) : 0;
    if (threads < 1 || threads > 256)
        return 2;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, (void *)(intptr_t)(i + 1)) != 0)
            return 1;
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
