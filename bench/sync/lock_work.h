/* SPDX-License-Identifier: MIT */
/* What the threads of the lock benchmarks do inside and outside of their sections, and the loop around it.
 *
 * A chain of dependent multiplications, about 1.3 ns a link. Inside, it starts from the word that the last
 * section left and ends in the one that the next reads: sections cannot overlap, however much the
 * processor reorders. */
#ifndef BENCH_SYNC_LOCK_WORK_H
#define BENCH_SYNC_LOCK_WORK_H

#include "bench.h"

#include <stdint.h>

enum {
    LINKS_0_NS = 0,
    LINKS_50_NS = 38,
    LINKS_200_NS = 150,
    LINKS_OUTSIDE = 75, /* 100 ns between two sections of one thread */
};

/* What the sections protect, away from the lock. */
struct lock_work {
    uint64_t word;
    uint64_t sections;
} __attribute__((aligned(BENCH_LINE_PAIR)));

static inline uint64_t lock_work_chain(uint64_t x, unsigned links)
{
    for (unsigned i = 0; i < links; i++) {
        x = x * 6364136223846793005u + 1;
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

/* A run() for each length of section, NAME_0, NAME_50, NAME_200, and NAME_bare with nothing inside or outside. `acquire`
 * may declare what `release` needs. */
#define LOCK_LOOP(linkage, name, ns, acquire, release)                         \
    linkage void name##_##ns(struct bench_thread *thread, uint64_t iterations) \
    {                                                                          \
        static struct lock_work work;                                          \
        uint64_t outside = thread->random;                                     \
                                                                               \
        for (uint64_t i = 0; i < iterations; i++) {                            \
            acquire;                                                           \
            work.word = lock_work_chain(work.word, (unsigned)LINKS_##ns##_NS); \
            work.sections++;                                                   \
            release;                                                           \
            outside = lock_work_chain(outside, (unsigned)LINKS_OUTSIDE);       \
        }                                                                      \
        bench_keep(outside);                                                   \
    }
#define LOCK_LOOPS(linkage, name, acquire, release)                            \
    linkage void name##_bare(struct bench_thread *thread, uint64_t iterations) \
    {                                                                          \
        (void)thread;                                                          \
        for (uint64_t i = 0; i < iterations; i++) {                            \
            acquire;                                                           \
            release;                                                           \
        }                                                                      \
    }                                                                          \
    LOCK_LOOP(linkage, name, 0, acquire, release)                              \
    LOCK_LOOP(linkage, name, 50, acquire, release)                             \
    LOCK_LOOP(linkage, name, 200, acquire, release)

#endif
