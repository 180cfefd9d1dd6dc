/* SPDX-License-Identifier: MIT */
/* Half of the threads only allocate, the other half only free; lots of 64 blocks go from one to the other.
 *
 *      prodcons THREADS LOTS */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { LOT = 64, BOXES = 64 };

static _Atomic(void **) box[BOXES];
static atomic_long left_to_free;
static long lots;

static void *produce(void *number)
{
    uint32_t state = (uint32_t)(uintptr_t)number * 69069u + 1;

    for (long l = 0; l < lots; l++) {
        void **lot = malloc(LOT * sizeof *lot);

        for (int i = 0; i < LOT; i++) {
            state = state * 1664525u + 1013904223u;
            lot[i] = malloc(16 + (state >> 8) % 240);
            *(volatile char *)lot[i] = 1;
        }
        for (uint32_t b = state >> 8;; b++) {
            void **none = NULL;

            if (atomic_compare_exchange_strong(&box[b % BOXES], &none, lot))
                break;
            if (b % BOXES == 0)
                sched_yield();
        }
    }
    return NULL;
}

static void *consume(void *number)
{
    for (uint32_t b = (uint32_t)(uintptr_t)number * 8; atomic_load(&left_to_free) > 0; b++) {
        void **lot = atomic_load_explicit(&box[b % BOXES], memory_order_relaxed) != NULL
                         ? atomic_exchange(&box[b % BOXES], NULL)
                         : NULL;

        if (lot == NULL) {
            if (b % BOXES == 0)
                sched_yield();
            continue;
        }
        for (int i = 0; i < LOT; i++)
            free(lot[i]);
        free(lot);
        atomic_fetch_sub(&left_to_free, 1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    pthread_t thread[256];

    lots = argc > 2 ? atol(argv[2]) : 20000;
    if (threads < 2 || threads > 256)
        return 2;
    lots /= threads / 2;
    atomic_store(&left_to_free, lots * (threads / 2));
    for (int i = 0; i < threads / 2 * 2; i++)
        if (pthread_create(&thread[i], NULL, i % 2 != 0 ? consume : produce, (void *)(intptr_t)(i + 1)) != 0)
            return 1;
    for (int i = 0; i < threads / 2 * 2; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
