/* SPDX-License-Identifier: MIT */
/* Every byte has one owner: blocks of all classes, filled with patterns that are checked when they are
 * freed, by the thread that allocated them or by another, while threads begin, end and move from CPU to CPU.
 *
 *      test_stress [THREADS...]      PAWL_TEST_SEED=n repeats a run */
#include "family.h"

#include "system.h"

#include <pawl/atomic.h>
#include <pawl/malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAILBOXES 1024
#define HELD 200

struct block {
    size_t size;
    uint64_t pattern;
};

static PAWL_ATOMIC(struct block *) mailbox[MAILBOXES]; /* blocks on their way to another thread */
static PAWL_ATOMIC(bool) failed;
static uint64_t seed;
static unsigned long turns;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void complain(const char *what, const struct block *block)
{
    if (!pawl_exchange_relaxed(&failed, true)) /* relaxed: one thread reports */
        fprintf(stderr, "%s: block %p of %zu bytes (seed %llu)\n", what, (const void *)block, block->size,
                (unsigned long long)seed);
}

/* Words of the pattern, each other at each place, up to the last whole one. */
static void fill(struct block *block, size_t size, uint64_t pattern)
{
    uint64_t *word = (uint64_t *)block;

    for (size_t i = sizeof *block / 8; i < size / 8; i++)
        word[i] = pattern + i;
    block->size = size;
    block->pattern = pattern;
}

static void check(const struct block *block)
{
    const uint64_t *word = (const uint64_t *)block;

    for (size_t i = sizeof *block / 8; i < block->size / 8; i++)
        if (word[i] != block->pattern + i) {
            complain("a byte that two have", block);
            return;
        }
}

static void give_back(struct block *block)
{
    if (block == NULL)
        return;
    check(block);
    fill(block, block->size, ~block->pattern); /* nobody may see the old pattern and be content */
    m(free)(block);
}

/* Mostly small, sometimes anything. */
static size_t draw_size(uint64_t *state)
{
    uint64_t r = next_random(state);
    unsigned int bits = (unsigned int)(r % 100 < 85   ? 4 + r / 100 % 7
                                       : r % 100 < 98 ? 4 + r / 100 % 12
                                                      : 4 + r / 100 % 17);

    return sizeof(struct block) + (r >> 20) % ((size_t)1 << bits);
}

static struct block *take_one(uint64_t *state)
{
    size_t size = draw_size(state);
    struct block *block;

    switch (next_random(state) % 8) {
    case 0:
        block = m(calloc)(1, size);
        for (size_t i = 0; block != NULL && i < size; i++)
            if (((unsigned char *)block)[i] != 0) {
                block->size = size;
                complain("calloc of what is not zero", block);
                break;
            }
        break;
    case 1:
        block = m(memalign)((size_t)16 << next_random(state) % 8, size);
        break;
    default:
        block = m(malloc)(size);
    }
    if (block == NULL) {
        fprintf(stderr, "no memory for %zu bytes\n", size);
        abort();
    }
    fill(block, size, next_random(state));
    return block;
}

static struct block *change_size(struct block *block, uint64_t *state)
{
    size_t size = draw_size(state);
    uint64_t pattern = block->pattern;
    struct block *moved;

    check(block);
    moved = m(realloc)(block, size);
    if (moved == NULL)
        abort();
    if (moved->size > size)
        moved->size = size;
    check(moved);
    fill(moved, size, pattern);
    return moved;
}

static void *work(void *number)
{
    uint64_t state = seed + ((uint64_t)(uintptr_t)number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    struct block *held[HELD] = {NULL};

    for (unsigned long turn = 0; turn < turns; turn++) {
        uint64_t r = next_random(&state);
        struct block **mine = &held[r % HELD];

        switch (r / HELD % 16) {
        case 0: /* to whoever comes by */
            /* acq_rel: hands over what the block holds, and takes what another put there */
            *mine = pawl_exchange_acq_rel(&mailbox[r / 4096 % MAILBOXES], *mine);
            break;
        case 1:
            if (*mine != NULL)
                *mine = change_size(*mine, &state);
            break;
        case 2:
            if (r / 4096 % 64 == 0)
                sched_yield();
            break;
        default:
            give_back(*mine);
            *mine = take_one(&state);
        }
    }
    for (size_t i = 0; i < HELD; i++)
        give_back(held[i]);
    return NULL;
}

/* Moves threads to and fro, and empties caches under them. */
static PAWL_ATOMIC(bool) storm_over;
static void *storm(void *unused)
{
    cpu_set_t allowed, one;
    const struct timespec pause = {0, 300000};

    (void)unused;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (unsigned int turn = 0; !pawl_load_relaxed(&storm_over); turn++) { /* relaxed: it ends soon enough */
        unsigned int cpu = turn % CPU_SETSIZE;

        if (CPU_ISSET(cpu, &allowed)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(getpid(), sizeof one, &one);
            if (turn % 4 == 0)
                (void)pawl_malloc_release(0);
            nanosleep(&pause, NULL);
        }
    }
    sched_setaffinity(getpid(), sizeof allowed, &allowed);
    return NULL;
}

static bool run(unsigned int threads)
{
    pthread_t thread[256];
    pthread_t weather;
    unsigned int started;

    pawl_store_relaxed(&storm_over, false); /* relaxed: the thread begins after it */
    if (pthread_create(&weather, NULL, storm, NULL) != 0)
        return false;
    for (started = 0; started < threads; started++)
        if (pthread_create(&thread[started], NULL, work, (void *)(uintptr_t)started) != 0)
            break;
    for (unsigned int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    pawl_store_relaxed(&storm_over, true);
    pthread_join(weather, NULL);
    for (size_t i = 0; i < MAILBOXES; i++)
        give_back(pawl_exchange_acquire(&mailbox[i], NULL)); /* acquire: the threads are joined */
    return started == threads && !pawl_load_relaxed(&failed);
}

int main(int argc, char **argv)
{
    const char *wish = getenv("PAWL_TEST_SEED");
    const char *longer = getenv("PAWL_TEST_LONG");
    unsigned long total = longer != NULL && strcmp(longer, "1") == 0 ? 20000000
                          : PAWL_INSTRUMENTED                        ? 24000
                                                                     : 240000;
    const unsigned int usual[] = {1, 2, 8, 64};
    bool fine = true;
    uint64_t before, after;
    int quiet = -1;

    if (argc > 2 && strcmp(argv[2], "strict") == 0) /* relaxed: no other thread runs yet */
        pawl_store_relaxed(&pawl_system_faults_.strict, true);
    if (argc > 1 && strcmp(argv[1], "short") == 0) {
        total = PAWL_INSTRUMENTED ? 16000 : 60000;
        argc = 1;
    }
    seed = wish != NULL ? strtoull(wish, NULL, 10) : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    printf("# seed %llu\n", (unsigned long long)seed);
    before = pawl_malloc_leaks(quiet);
    for (int i = 0; i < (argc > 1 ? argc - 1 : 4); i++) {
        unsigned int threads = argc > 1 ? (unsigned int)atoi(argv[i + 1]) : usual[i];

        if (threads == 0 || threads > 256)
            return 2;
        turns = total / threads;
        fine = run(threads) && fine;
    }
    after = pawl_malloc_leaks(quiet);
    printf("# %llu blocks before, %llu after\n", (unsigned long long)before, (unsigned long long)after);
    /* Threads that ended leave a little of libc's own: stacks' bookkeeping. */
    if (after > before + 600) {
        fprintf(stderr, "%llu blocks were lost (seed %llu)\n", (unsigned long long)(after - before),
                (unsigned long long)seed);
        fine = false;
    }
    return fine ? 0 : 1;
}
