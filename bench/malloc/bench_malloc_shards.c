/* SPDX-License-Identifier: MIT */
/* The experiment of the article on restartable sequences: blocks of 1 to 256 bytes, 64 held by each
 * thread, one freed and another allocated in its place; from one heap under a mutex, from 32 heaps under
 * mutexes, chosen by sched_getcpu(), from a heap for each thread, and from ours. The heaps are classical
 * ones (tagged_heap.h). What the loop takes for itself, that is to choose and to write a byte, is told as well. */
#include "api.h"
#include "bench.h"
#include "tagged_heap.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define SHARDS 32u
#define HELD 64u
#define LARGEST 256u
#define HEADER 16u /* which heap a block is of */

struct shard {
    pthread_mutex_t lock;
    struct heap heap;
} __attribute__((aligned(BENCH_LINE_PAIR)));

struct shards {
    unsigned int count;
    struct shard shard[];
};

static int open_shards(unsigned int count, void **shared)
{
    struct shards *shards = aligned_alloc(BENCH_LINE_PAIR,
                                          sizeof *shards + BENCH_LINE_PAIR + count * sizeof(struct shard));

    if (shards == NULL)
        return -ENOMEM;
    shards->count = count;
    for (unsigned int i = 0; i < count; i++) {
        pthread_mutex_init(&shards->shard[i].lock, NULL);
        if (heap_open(&shards->shard[i].heap) != 0)
            return -ENOMEM;
    }
    *shared = shards;
    return 0;
}

static int open_one(unsigned threads, void **shared)
{
    (void)threads;
    return open_shards(1, shared);
}

static int open_by_cpu(unsigned threads, void **shared)
{
    (void)threads;
    return open_shards(SHARDS, shared);
}

static int open_by_thread(unsigned threads, void **shared)
{
    return open_shards(threads, shared);
}

static void close_shards(void *shared)
{
    struct shards *shards = shared;

    for (unsigned int i = 0; i < shards->count; i++)
        heap_close(&shards->shard[i].heap);
    free(shards);
}

static inline void *shard_alloc(struct shards *shards, unsigned int which, size_t size)
{
    struct shard *shard = &shards->shard[which];
    char *block;

    pthread_mutex_lock(&shard->lock);
    block = heap_alloc(&shard->heap, size + HEADER);
    pthread_mutex_unlock(&shard->lock);
    *(unsigned int *)(void *)block = which;
    block += HEADER;
    __asm__("" : "+r"(block)); /* gcc takes it for an address inside a chunk's header */
    return block;
}

static inline void shard_free(struct shards *shards, void *block)
{
    struct shard *shard;
    char *start;

    if (block == NULL)
        return;
    start = (char *)block - HEADER;
    shard = &shards->shard[*(unsigned int *)(void *)start];
    pthread_mutex_lock(&shard->lock);
    heap_free(&shard->heap, start);
    pthread_mutex_unlock(&shard->lock);
}

#define LOOP(name, allocate, release)                                   \
    static void name(struct bench_thread *thread, uint64_t iterations)  \
    {                                                                   \
        struct shards *shards __attribute__((unused)) = thread->shared; \
        uint64_t state = thread->random;                                \
        char *held[HELD] = {NULL};                                      \
        char own[LARGEST + 1] __attribute__((unused));                  \
                                                                        \
        for (uint64_t i = 0; i < iterations; i++) {                     \
            uint32_t r = bench_random(&state);                          \
            char **mine = &held[r % HELD];                              \
            size_t size = 1 + r / HELD % LARGEST;                       \
                                                                        \
            release(*mine);                                             \
            *mine = allocate(size);                                     \
            **mine = (char)r;                                           \
            bench_keep_pointer(*mine);                                  \
        }                                                               \
        for (unsigned int h = 0; h < HELD; h++)                         \
            release(held[h]);                                           \
    }

#define RELEASE(block) shard_free(shards, block)
#define FROM_ONE(size) shard_alloc(shards, 0, size)
#define FROM_CPU(size) shard_alloc(shards, (unsigned int)sched_getcpu() % SHARDS, size)
#define FROM_OWN(size) shard_alloc(shards, thread->index, size)
#define FROM_NOBODY(size) (own + (size))
#define TO_NOBODY(block) bench_keep_pointer(block)
LOOP(run_one, FROM_ONE, RELEASE)
LOOP(run_by_cpu, FROM_CPU, RELEASE)
LOOP(run_by_thread, FROM_OWN, RELEASE)
LOOP(run_pawl, pawl_malloc, pawl_free)
LOOP(run_libc, malloc, free)
LOOP(run_nothing, FROM_NOBODY, TO_NOBODY)

static const struct bench_contender contenders[] = {
    {.name = "pawl-malloc", .run = run_pawl},
    {.name = "sched_getcpu() % 32", .setup = open_by_cpu, .run = run_by_cpu, .teardown = close_shards},
    {.name = "one mutex", .setup = open_one, .run = run_one, .teardown = close_shards},
    {.name = "a heap per thread", .setup = open_by_thread, .run = run_by_thread, .teardown = close_shards},
    {.name = "libc malloc", .run = run_libc},
    {.name = "the loop alone", .run = run_nothing},
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "shards",
         .about = "Blocks of 1 to 256 bytes, 64 held by each thread, in random order.",
         .unit = "free+malloc pair",
         .threads = {1, 2, 8, 64},
         .contenders = contenders},
        {0},
    };
    static const struct bench_program program = {"malloc-shards",
                                                 "Heaps under mutexes against per-CPU caches.", groups};

    return bench_main(argc, argv, &program);
}
