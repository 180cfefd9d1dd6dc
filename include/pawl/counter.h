/* SPDX-License-Identifier: MIT */
/* Counters that are added to everywhere and read now and then.
 *
 * Purpose    Statistics, reference counts that are only watched, sizes. `struct pawl_counter` is the one to
 *            take: an add is one restartable add to a word of the CPU. The others exist for what it
 *            cannot do, and for comparison: `pawl_counter_atomic` is exact at every read,
 *            `pawl_counter_sharded` needs no rseq to be fast and can live in shared memory.
 * Model      A long that wraps. A read returns the sum of all adds that happened before it, and of
 *            some of those that run at the same time. With adds of both signs it may be a sum that the
 *            counter never had at any one instant.
 * Progress   add: lock-free (see <pawl/percpu.h>), from signal handlers too. read: wait-free.
 * Ordering   None: relaxed. An add publishes nothing but itself.
 * Memory     pawl_counter: 8 bytes a CPU that adds, shared pages of 512 counters. atomic: 128 bytes.
 *            sharded: 128 bytes a shard.
 * Cost       pawl_counter_add: 12 instructions, no atomic read-modify-write, no shared line. atomic: one
 *            RMW on a line shared by all. sharded: one RMW on a line shared by few. read: one load, one
 *            line a CPU that ever added, one line a shard.
 * Source     P. McKenney, "Is Parallel Programming Hard", chapter 5; Linux percpu_counter.
 */
#ifndef PAWL_COUNTER_H
#define PAWL_COUNTER_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/cpu.h>
#include <pawl/percpu.h>

PAWL_BEGIN_DECLS

struct pawl_counter {
    struct pawl_percpu *pc; /* a region shared by many counters */
    size_t at;              /* this one's word in each slice */
};

/* Makes a counter of value 0. Returns 0 or -ENOMEM (or another errno of mmap). Any thread; not from signal handlers. */
PAWL_API int pawl_counter_init(struct pawl_counter *counter) PAWL_MUST_USE;

/* Gives the words back. Nobody may use the counter any more. */
PAWL_API void pawl_counter_destroy(struct pawl_counter *counter);

PAWL_API long pawl_counter_read(const struct pawl_counter *counter);

PAWL_API PAWL_INLINE void pawl_counter_add(struct pawl_counter *counter, long n)
{
    /* cannot fail: nobody detaches slices of these regions */
    (void)pawl_percpu_add(counter->pc, counter->at, n);
}

/* One word for all. Zero-initialised memory is a counter of value 0. */
struct pawl_counter_atomic {
    PAWL_ATOMIC(long) value;
} PAWL_LINE_PAIR_ALIGNED;

PAWL_API PAWL_INLINE void pawl_counter_atomic_add(struct pawl_counter_atomic *counter, long n)
{
    pawl_fetch_add_relaxed(&counter->value, n); /* relaxed: publishes nothing but itself */
}

PAWL_API PAWL_INLINE long pawl_counter_atomic_read(const struct pawl_counter_atomic *counter)
{
    return pawl_load_relaxed(&counter->value); /* relaxed: the sum may be late, never wrong */
}

/* One word a shard, each on its own pair of lines, in memory of the caller. */
struct pawl_counter_sharded {
    size_t shards; /* a power of two */
    PAWL_FLEXIBLE struct pawl_counter_atomic shard[];
};

/* Bytes for a counter of `shards` shards, a power of two (0 when it is not, or too many). Align to 128. */
PAWL_API size_t pawl_counter_sharded_bytes(size_t shards);

/* Makes a counter of value 0 in `memory`. Returns it, or NULL with errno EINVAL (bad shards, alignment, NULL). */
PAWL_API struct pawl_counter_sharded *pawl_counter_sharded_init(void *memory, size_t shards);

/* A shard for the calling thread: hints, any number is right. */
PAWL_API PAWL_INLINE size_t pawl_counter_shard_of_cpu(void)
{
    return (size_t)pawl_cpu_id();
}

PAWL_API PAWL_INLINE size_t pawl_counter_shard_of_thread(void)
{
    /* thread control blocks lie a power of two apart: the multiplication spreads them (Knuth 6.4) */
    return ((uintptr_t)__builtin_thread_pointer() * (uintptr_t)0x9e3779b97f4a7c15u) >> 48;
}

PAWL_API PAWL_INLINE void pawl_counter_sharded_add(struct pawl_counter_sharded *counter, size_t shard, long n)
{
    pawl_counter_atomic_add(&counter->shard[shard & (counter->shards - 1)], n);
}

PAWL_API long pawl_counter_sharded_read(const struct pawl_counter_sharded *counter);

PAWL_END_DECLS
#endif
