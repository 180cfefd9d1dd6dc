/* SPDX-License-Identifier: MIT */
/* Rings that drop: producers push as fast as they can, half of the threads or none consume. 1024 cells of 8 bytes.
 *
 *   bench-ring --latency [PRODUCERS]    instead: how long single pushes take beside one consumer, in quantiles */
#include "ring_roles.h"

#include <pawl/clock.h>
#include <pawl/ring.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 1024 };

/* What anybody would write. */
struct mutex_ring {
    pthread_mutex_t lock;
    uint64_t head, tail;
    uint64_t value[CELLS];
};

static void mutex_push(void *shared, uint64_t value)
{
    struct mutex_ring *ring = shared;

    pthread_mutex_lock(&ring->lock);
    if (ring->tail - ring->head == CELLS)
        ring->head++;
    ring->value[ring->tail++ % CELLS] = value;
    pthread_mutex_unlock(&ring->lock);
}

static bool mutex_pop(void *shared, uint64_t *value)
{
    struct mutex_ring *ring = shared;
    bool found;

    pthread_mutex_lock(&ring->lock);
    found = ring->head != ring->tail;
    if (found)
        *value = ring->value[ring->head++ % CELLS];
    pthread_mutex_unlock(&ring->lock);
    return found;
}

static int open_mutex(unsigned threads, void **shared)
{
    struct mutex_ring *ring = calloc(1, sizeof *ring);

    (void)threads;
    if (ring == NULL)
        return -ENOMEM;
    pthread_mutex_init(&ring->lock, NULL);
    *shared = ring;
    return 0;
}

static int open_pawl(void **shared, int policy)
{
    *shared = pawl_ring_open(CELLS, sizeof(uint64_t), policy);
    return *shared != NULL ? 0 : -errno;
}

static int open_stamped(unsigned threads, void **shared)
{
    (void)threads;
    return open_pawl(shared, PAWL_RING_STAMPED);
}

static int open_lock_free(unsigned threads, void **shared)
{
    (void)threads;
    return open_pawl(shared, PAWL_RING_LOCK_FREE);
}

static void close_pawl(void *shared)
{
    pawl_ring_free(shared);
}

static void pawl_push(void *shared, uint64_t value)
{
    uint64_t evicted;

    (void)pawl_ring_push(shared, &value, &evicted);
}

static bool pawl_pop(void *shared, uint64_t *value)
{
    return pawl_ring_pop(shared, value, NULL) == 0;
}

/* `consumers` of the threads consume, the first ones produce. */
#define LOOPS(name, push, pop)                                                               \
    static inline void name##_roles(struct bench_thread *thread, uint64_t n, bool consumers) \
    {                                                                                        \
        unsigned producers = consumers ? thread->threads / 2 : thread->threads;              \
        uint64_t value, sum = 0;                                                             \
        unsigned turn = 0;                                                                   \
                                                                                             \
        if (thread->index < producers) {                                                     \
            for (uint64_t i = 1; i <= n * PUSHES; i++)                                       \
                push(thread->shared, i);                                                     \
            producer_ended(thread);                                                          \
            return;                                                                          \
        }                                                                                    \
        while (producers_run(thread, producers)) {                                           \
            if (pop(thread->shared, &value))                                                 \
                sum += value;                                                                \
            else                                                                             \
                consumer_waits(&turn);                                                       \
        }                                                                                    \
        bench_keep(sum);                                                                     \
        consumer_ended(thread);                                                              \
    }                                                                                        \
    static void name##_alone(struct bench_thread *thread, uint64_t n)                        \
    {                                                                                        \
        name##_roles(thread, n, false);                                                      \
    }                                                                                        \
    static void name##_both(struct bench_thread *thread, uint64_t n)                         \
    {                                                                                        \
        name##_roles(thread, n, true);                                                       \
    }                                                                                        \
    /* By one thread, in and out: to count what that costs. */                               \
    static void name##_both_alone(struct bench_thread *thread, uint64_t n)                   \
    {                                                                                        \
        uint64_t value = 0;                                                                  \
                                                                                             \
        for (uint64_t i = 1; i <= n * PUSHES; i++) {                                         \
            push(thread->shared, i);                                                         \
            (void)pop(thread->shared, &value);                                               \
        }                                                                                    \
        bench_keep(value);                                                                   \
    }

LOOPS(pawl, pawl_push, pawl_pop)
LOOPS(mutex, mutex_push, mutex_pop)

#define ROW(title, opens, loop, one, closes)                                                             \
    {                                                                                                    \
        .name = title, .setup = opens, .reset = roles_reset, .enter = roles_enter, .leave = roles_leave, \
        .run = loop, .alone = one, .teardown = closes                                                    \
    }

#define CONTENDERS(which, one)                                                           \
    {                                                                                    \
        ROW("pawl stamped", open_stamped, pawl_##which, pawl_##one, close_pawl),         \
            ROW("pawl lock-free", open_lock_free, pawl_##which, pawl_##one, close_pawl), \
            ROW("mutex", open_mutex, mutex_##which, mutex_##one, free), {0},             \
    }

static const struct bench_contender alone[] = CONTENDERS(alone, alone);
static const struct bench_contender both[] = CONTENDERS(both, both_alone);

/* ---- latency ---- */

enum { LATENCY_BUCKETS = 64 * 16, LATENCY_PUSHES = 400000 };

struct latency {
    const char *name;
    int (*setup)(unsigned threads, void **shared);
    void (*push)(void *shared, uint64_t value);
    bool (*pop)(void *shared, uint64_t *value);
    void (*teardown)(void *shared);
};

static struct {
    const struct latency *of;
    void *shared;
    PAWL_ATOMIC(int) running;
    PAWL_ATOMIC(uint64_t) bucket[LATENCY_BUCKETS];
} measured;

/* 16 buckets for each power of two. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned power = 63 - (unsigned)__builtin_clzll(ns | 16);

    return ns < 16 ? (unsigned)ns : power * 16 + (unsigned)(ns >> (power - 4) & 15);
}

static uint64_t bucket_end(unsigned bucket)
{
    unsigned power = bucket / 16;

    return bucket < 64 ? bucket : ((uint64_t)(bucket % 16 + 17) << (power - 4));
}

static void *push_timed(void *unused)
{
    (void)unused;
    for (uint64_t i = 1; i <= LATENCY_PUSHES; i++) {
        uint64_t start = pawl_clock_start();
        uint64_t ns;

        measured.of->push(measured.shared, i);
        ns = pawl_clock_elapsed_ns(start, pawl_clock_stop());
        pawl_fetch_add_relaxed(&measured.bucket[bucket_of(ns)], UINT64_C(1)); /* relaxed: a count */
    }
    pawl_fetch_sub_relaxed(&measured.running, 1); /* relaxed: a count */
    return NULL;
}

static void *pop_on(void *unused)
{
    uint64_t value;

    (void)unused;
    while (pawl_load_relaxed(&measured.running) > 0) /* relaxed: as above */
        if (!measured.of->pop(measured.shared, &value))
            pawl_relax();
    return NULL;
}

static uint64_t quantile(double part)
{
    uint64_t total = 0, seen = 0;

    for (unsigned b = 0; b < LATENCY_BUCKETS; b++)
        total += pawl_load_relaxed(&measured.bucket[b]); /* relaxed: the threads are joined */
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        seen += pawl_load_relaxed(&measured.bucket[b]);
        if ((double)seen >= part * (double)total)
            return bucket_end(b);
    }
    return UINT64_MAX;
}

static int measure_latency(int producers)
{
    static const struct latency all[] = {
        {"pawl stamped", open_stamped, pawl_push, pawl_pop, close_pawl},
        {"pawl lock-free", open_lock_free, pawl_push, pawl_pop, close_pawl},
        {"mutex", open_mutex, mutex_push, mutex_pop, free},
    };
    pthread_t threads[64];

    if (producers < 1 || producers > 63)
        return 2;
    printf("%d producers, 1 consumer, %d pushes each: ns\n%-16s %8s %8s %8s %8s\n", producers, LATENCY_PUSHES,
           "", "p50", "p99", "p99.9", "p99.99");
    for (size_t i = 0; i < 3 * sizeof all / sizeof all[0]; i++) { /* three rounds, interleaved */
        int started = 0;

        measured.of = &all[i % (sizeof all / sizeof all[0])];
        memset(measured.bucket, 0, sizeof measured.bucket);
        if (measured.of->setup((unsigned)producers + 1, &measured.shared) != 0)
            return 1;
        pawl_store_relaxed(&measured.running, producers); /* relaxed: before the threads start */
        for (; started < producers; started++)
            if (pthread_create(&threads[started], NULL, push_timed, NULL) != 0)
                return 1;
        if (pthread_create(&threads[started++], NULL, pop_on, NULL) != 0)
            return 1;
        while (started > 0)
            pthread_join(threads[--started], NULL);
        measured.of->teardown(measured.shared);
        printf("%-16s %8llu %8llu %8llu %8llu\n", measured.of->name, (unsigned long long)quantile(0.5),
               (unsigned long long)quantile(0.99), (unsigned long long)quantile(0.999),
               (unsigned long long)quantile(0.9999));
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "push",
         .about = "All threads push; nobody consumes.",
         .unit = "push",
         .ops = PUSHES,
         .threads = {1, 2, 4},
         .contenders = alone},
        {.name = "flow",
         .about = "Half of the threads push, half consume. Pushes are counted.",
         .unit = "push",
         .ops = PUSHES,
         .threads = {2, 4, 8, 16},
         .contenders = both},
        {0},
    };
    static const struct bench_program program = {"ring", "Rings that drop their oldest entry for the newest.",
                                                 groups};

    if (argc > 1 && strcmp(argv[1], "--latency") == 0)
        return measure_latency(argc > 2 ? atoi(argv[2]) : 2);
    return bench_main(argc, argv, &program);
}
