/* SPDX-License-Identifier: MIT */
/* What the threads of the lock benchmarks do inside and outside of their sections, and the loop around it.
 *
 * A chain of dependent multiplications; how many of them are a nanosecond is found out at start. Inside, it starts from
 * the word that the last section left and ends in the one that the next reads: sections cannot overlap, however much the
 * processor reorders. Outside, it starts from what the section left, or it would be computed while that is. */
#ifndef BENCH_SYNC_LOCK_WORK_H
#define BENCH_SYNC_LOCK_WORK_H

#include "bench.h"
#include "clock.h"

#include <stdint.h>

enum {
    LOCK_WORK_OUTSIDE_NS = 100,     /* between two sections of one thread */
    LOCK_WORK_RUN_NS = 20000000,    /* of a timed loop */
    LOCK_WORK_SECTIONS_A_LOOK = 16, /* at the clock, which takes as long as 1 % of them */
};

#ifdef __cplusplus
extern "C"
#else
extern
#endif
    double lock_work_links_a_ns;

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

static inline unsigned lock_work_links(unsigned ns)
{
    return (unsigned)(ns * lock_work_links_a_ns); /* a link is about a nanosecond */
}

/* A run() for each length of section, NAME_0, NAME_50, NAME_200, and NAME_bare with nothing inside or outside. `acquire`
 * may declare what `release` needs. */
#define LOCK_LOOP(linkage, name, ns, acquire, release)                         \
    linkage void name##_##ns(struct bench_thread *thread, uint64_t iterations) \
    {                                                                          \
        static struct lock_work work;                                          \
        const unsigned links = lock_work_links(ns);                            \
        const unsigned links_outside = lock_work_links(LOCK_WORK_OUTSIDE_NS);  \
        uint64_t x = thread->random;                                           \
                                                                               \
        for (uint64_t i = 0; i < iterations; i++) {                            \
            acquire;                                                           \
            x = lock_work_chain(work.word ^ x, links);                         \
            work.word = x;                                                     \
            work.sections++;                                                   \
            release;                                                           \
            x = lock_work_chain(x, links_outside);                             \
        }                                                                      \
        bench_keep(x);                                                         \
    }
/* NAME_timed: sections of 50 ns for a fixed time, however many that are. For locks that serve in order: as many sections as took
 * that time in a short run, where one thread is through before the next has begun, take minutes once all meet. */
#define LOCK_LOOP_TIMED(linkage, name)                                          \
    linkage void name##_timed(struct bench_thread *thread, uint64_t iterations) \
    {                                                                           \
        const uint64_t end = bench_now_ns() + LOCK_WORK_RUN_NS;                 \
        uint64_t sections = 0;                                                  \
                                                                                \
        (void)iterations;                                                       \
        do {                                                                    \
            name##_50(thread, LOCK_WORK_SECTIONS_A_LOOK);                       \
            sections += LOCK_WORK_SECTIONS_A_LOOK;                              \
        } while (bench_now_ns() < end);                                         \
        thread->operations = sections;                                          \
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
    LOCK_LOOP(linkage, name, 200, acquire, release)                            \
    LOCK_LOOP_TIMED(linkage, name)

#endif
