/* SPDX-License-Identifier: MIT */
/* Readers: a snapshot of 128 bytes against a bare memcpy, and read locks against one another. */
#include "bench.h"

#include <pawl/lock.h>
#include <pawl/seqlock.h>

#include <pthread.h>
#include <string.h>

#define LINE __attribute__((aligned(BENCH_LINE_PAIR)))

enum { BYTES = 128 };

/* ---- snapshots ---- */

/* Not static: the compiler must not know that nobody writes. */
extern struct snapshot {
    struct pawl_seqlock seqlock;
    struct pawl_latch latch;
    pthread_rwlock_t rwlock;
    PAWL_ATOMIC(uint64_t) words[2 * BYTES / 8] LINE;
    uint64_t plain[BYTES / 8] LINE;
} bench_snapshot;
struct snapshot bench_snapshot LINE = {.rwlock = PTHREAD_RWLOCK_INITIALIZER};

#define SNAPSHOT_LOOP(name, read)                                      \
    static void name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                  \
        uint64_t copy[BYTES / 8];                                      \
                                                                       \
        (void)thread;                                                  \
        for (uint64_t i = 0; i < iterations; i++) {                    \
            read;                                                      \
            bench_keep_pointer(copy);                                  \
        }                                                              \
    }

/* The length is a constant in the one, known at run time in the other: inlined, and libc's. */
static volatile size_t length = BYTES;

SNAPSHOT_LOOP(copy_inline, memcpy(copy, bench_snapshot.plain, BYTES))
SNAPSHOT_LOOP(copy_call, memcpy(copy, bench_snapshot.plain, length))
SNAPSHOT_LOOP(read_seqlock, pawl_seqlock_read(&bench_snapshot.seqlock, copy, bench_snapshot.words, BYTES))
SNAPSHOT_LOOP(read_latch, pawl_latch_read(&bench_snapshot.latch, copy, bench_snapshot.words, BYTES))
SNAPSHOT_LOOP(read_locked, pthread_rwlock_rdlock(&bench_snapshot.rwlock);
              memcpy(copy, bench_snapshot.plain, BYTES); pthread_rwlock_unlock(&bench_snapshot.rwlock))

static const struct bench_contender snapshots[] = {
    {.name = "memcpy (call)", .run = copy_call},    {.name = "memcpy (inline)", .run = copy_inline},
    {.name = "pawl_seqlock", .run = read_seqlock},  {.name = "pawl_latch", .run = read_latch},
    {.name = "pthread_rwlock", .run = read_locked}, {0},
};

/* ---- read locks ---- */

static struct pawl_rwlock biased LINE;
static struct pawl_rwlock unbiased LINE;
static struct pawl_mutex mutex LINE;
static pthread_rwlock_t rwlock LINE = PTHREAD_RWLOCK_INITIALIZER;

#define READ_LOOP(name, lock, unlock)                                  \
    static void name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                  \
        (void)thread;                                                  \
        for (uint64_t i = 0; i < iterations; i++) {                    \
            lock;                                                      \
            unlock;                                                    \
        }                                                              \
    }

READ_LOOP(read_biased, pawl_rwlock_rdlock(&biased), pawl_rwlock_rdunlock(&biased))
READ_LOOP(read_unbiased, pawl_rwlock_rdlock(&unbiased), pawl_rwlock_rdunlock(&unbiased))
READ_LOOP(read_pthread, pthread_rwlock_rdlock(&rwlock), pthread_rwlock_unlock(&rwlock))
READ_LOOP(read_mutex, pawl_mutex_lock(&mutex), pawl_mutex_unlock(&mutex))

static void keep_unbiased(void *shared)
{
    (void)shared;
    pawl_store_relaxed(&unbiased.unbiased_until, UINT64_MAX); /* relaxed: the threads have not started */
}

static const struct bench_contender readers[] = {
    {.name = "pawl_rwlock", .run = read_biased},
    {.name = "pawl_rwlock unbiased", .reset = keep_unbiased, .run = read_unbiased},
    {.name = "pthread_rwlock", .run = read_pthread},
    {.name = "pawl_mutex", .run = read_mutex},
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "snapshot",
         .about = "128 bytes copied out, nobody writes.",
         .unit = "snapshot",
         .threads = {1, BENCH_EACH_CPU},
         .contenders = snapshots},
        {.name = "read-lock",
         .about = "Empty read sections, back to back.",
         .unit = "lock+unlock",
         .threads = {1, 2, 16},
         .contenders = readers},
        {0},
    };
    static const struct bench_program program = {"seqlock", "Readers: snapshots and read locks.", groups};

    return bench_main(argc, argv, &program);
}
