/* SPDX-License-Identifier: MIT */
/* What the sections of the elision benchmark do: a table of which each one uses a few entries. */
#ifndef BENCH_SYNC_ELIDE_WORK_H
#define BENCH_SYNC_ELIDE_WORK_H

#include "bench.h"

#include <stdint.h>

enum { TABLE_ENTRIES = 4096, TABLE_LOOKS = 8 };

/* A line each. */
struct table_entry {
    uint64_t value;
    uint64_t pad[7];
};

#ifdef __cplusplus
extern "C" {
#endif
extern struct table_entry bench_table[TABLE_ENTRIES];

/* Reads 8 entries and changes another. */
static inline uint64_t table_section(uint64_t *random)
{
    uint64_t sum = 0;

    for (int i = 0; i < TABLE_LOOKS; i++)
        sum += bench_table[bench_random(random) % TABLE_ENTRIES].value;
    bench_table[bench_random(random) % TABLE_ENTRIES].value += 1;
    return sum;
}

/* All change the same entry. */
static inline uint64_t hot_section(uint64_t *random)
{
    (void)random;
    return bench_table[0].value += 1;
}

/* A run() for each kind of section, and NAME_bare with none. */
#define ELIDE_LOOP(linkage, name, kind, acquire, release)                        \
    linkage void name##_##kind(struct bench_thread *thread, uint64_t iterations) \
    {                                                                            \
        uint64_t random = thread->random;                                        \
        uint64_t sum = 0;                                                        \
                                                                                 \
        for (uint64_t i = 0; i < iterations; i++) {                              \
            uint64_t next = random;                                              \
                                                                                 \
            acquire;                                                             \
            sum += kind##_section(&next);                                        \
            release;                                                             \
            random = next;                                                       \
        }                                                                        \
        bench_keep(sum);                                                         \
    }
#define ELIDE_LOOPS(linkage, name, acquire, release)                           \
    linkage void name##_bare(struct bench_thread *thread, uint64_t iterations) \
    {                                                                          \
        (void)thread;                                                          \
        for (uint64_t i = 0; i < iterations; i++) {                            \
            acquire;                                                           \
            release;                                                           \
        }                                                                      \
    }                                                                          \
    ELIDE_LOOP(linkage, name, table, acquire, release)                         \
    ELIDE_LOOP(linkage, name, hot, acquire, release)

/* oneTBB's speculative_spin_mutex (Debian: libtbb-dev), in peer_elide.cc. */
void peer_tbb_speculative_bare(struct bench_thread *thread, uint64_t iterations);
void peer_tbb_speculative_table(struct bench_thread *thread, uint64_t iterations);
void peer_tbb_speculative_hot(struct bench_thread *thread, uint64_t iterations);

#ifdef __cplusplus
}
#endif

#endif
