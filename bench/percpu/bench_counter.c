/* SPDX-License-Identifier: MIT */
/* Counters that many threads add to: the per-CPU counter against a thread-local word, which is what
 * nothing shared can beat, and against every way to shard an atomic.
 *
 * "add" is the bare add, back to back; "add-in-work" has a few nanoseconds of dependent arithmetic between
 * two adds, which is how programs count. */
#include "bench.h"
#include "tbb_counter.h"
#include "work.h"

#include <pawl/counter.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

enum { SHARDS = 64 };

/* ---- ours ---- */

static int open_percpu(unsigned threads, void **shared)
{
    struct pawl_counter *counter = malloc(sizeof *counter);

    (void)threads;
    if (counter == NULL)
        return -ENOMEM;
    *shared = counter;
    return pawl_counter_init(counter);
}

static void close_percpu(void *shared)
{
    pawl_counter_destroy(shared);
    free(shared);
}

static const char *no_sequences(void)
{
    return pawl_rseq_available() ? NULL : pawl_rseq_get_info()->reason;
}

/* ---- the sharded and the single atomic ---- */

static int open_sharded(unsigned threads, void **shared)
{
    (void)threads;
    *shared = aligned_alloc(PAWL_CACHELINE_PAIR, pawl_counter_sharded_bytes(SHARDS));
    if (*shared == NULL)
        return -ENOMEM;
    return pawl_counter_sharded_init(*shared, SHARDS) != NULL ? 0 : -errno;
}

static int open_atomic(unsigned threads, void **shared)
{
    (void)threads;
    *shared = aligned_alloc(PAWL_CACHELINE_PAIR, sizeof(struct pawl_counter_atomic));
    if (*shared == NULL)
        return -ENOMEM;
    pawl_store_relaxed(&((struct pawl_counter_atomic *)*shared)->value, 0L);
    return 0;
}

static __thread PAWL_ATOMIC(long) thread_word;

static inline void add_thread_local(void)
{
    /* relaxed load and store: a reader may look at any time, nobody else writes */
    pawl_store_relaxed(&thread_word, pawl_load_relaxed(&thread_word) + 1);
}

/* Two loops for each contender: bare, and with work. */
#define LOOPS(name, declare, add)                                             \
    static void bare_##name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                         \
        declare;                                                              \
        for (uint64_t i = 0; i < iterations; i++)                             \
            add;                                                              \
    }                                                                         \
    static void work_##name(struct bench_thread *thread, uint64_t iterations) \
    {                                                                         \
        uint64_t x = thread->random;                                          \
        declare;                                                              \
        for (uint64_t i = 0; i < iterations; i++) {                           \
            x = work(x);                                                      \
            add;                                                              \
        }                                                                     \
        bench_keep(x);                                                        \
    }

LOOPS(thread_local, (void)thread, add_thread_local())
LOOPS(percpu, struct pawl_counter *counter = thread->shared, pawl_counter_add(counter, 1))
LOOPS(atomic, struct pawl_counter_atomic *counter = thread->shared, pawl_counter_atomic_add(counter, 1))
LOOPS(by_thread, struct pawl_counter_sharded *counter = thread->shared,
      pawl_counter_sharded_add(counter, pawl_counter_shard_of_thread(), 1))
LOOPS(by_cpu, struct pawl_counter_sharded *counter = thread->shared,
      pawl_counter_sharded_add(counter, pawl_counter_shard_of_cpu(), 1))
LOOPS(by_getcpu, struct pawl_counter_sharded *counter = thread->shared,
      pawl_counter_sharded_add(counter, (size_t)sched_getcpu(), 1))

#define PERCPU(loop)                                                                            \
    {                                                                                           \
        .name = "pawl_counter", .unavailable = no_sequences, .setup = open_percpu, .run = loop, \
        .teardown = close_percpu                                                                \
    }
#define SHARDED(title, loop)                                                \
    {                                                                       \
        .name = title, .setup = open_sharded, .run = loop, .teardown = free \
    }
#define ATOMIC(loop)                                                              \
    {                                                                             \
        .name = "one atomic", .setup = open_atomic, .run = loop, .teardown = free \
    }

static const struct bench_contender bare[] = {
    {.name = "thread-local word", .run = bare_thread_local},
    PERCPU(bare_percpu),
    SHARDED("atomic by thread", bare_by_thread),
    SHARDED("atomic by CPU (rseq)", bare_by_cpu),
    SHARDED("atomic by CPU (getcpu)", bare_by_getcpu),
    ATOMIC(bare_atomic),
    PEER_TBB_COUNTER(peer_tbb_counter_add),
    {0},
};

static const struct bench_contender with_work[] = {
    {.name = "thread-local word", .run = work_thread_local},
    PERCPU(work_percpu),
    SHARDED("atomic by thread", work_by_thread),
    SHARDED("atomic by CPU (rseq)", work_by_cpu),
    SHARDED("atomic by CPU (getcpu)", work_by_getcpu),
    ATOMIC(work_atomic),
    {0},
};

/* ---- reading ---- */

static int open_percpu_used(unsigned threads, void **shared)
{
    int status = open_percpu(threads, shared);

    if (status == 0)
        pawl_counter_add(*shared, 1);
    return status;
}

static void read_percpu(struct bench_thread *thread, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep((uint64_t)pawl_counter_read(thread->shared));
}

static void read_sharded(struct bench_thread *thread, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep((uint64_t)pawl_counter_sharded_read(thread->shared));
}

static void read_atomic(struct bench_thread *thread, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep((uint64_t)pawl_counter_atomic_read(thread->shared));
}

static const struct bench_contender reading[] = {
    {.name = "one atomic", .setup = open_atomic, .run = read_atomic, .teardown = free},
    {.name = "pawl_counter", .setup = open_percpu_used, .run = read_percpu, .teardown = close_percpu},
    {.name = "64 shards", .setup = open_sharded, .run = read_sharded, .teardown = free},
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "add",
         .about = "Adds back to back.",
         .unit = "add",
         .threads = {1, 2, 10},
         .contenders = bare},
        {.name = "add-in-work",
         .about = "An add after every few nanoseconds of arithmetic.",
         .unit = "add",
         .threads = {1, 2, 10},
         .contenders = with_work},
        {.name = "read", .about = "The sum.", .unit = "read", .contenders = reading},
        {0},
    };
    static const struct bench_program program = {"counter", "Counters: adds from many threads, and reads.",
                                                 groups};

    return bench_main(argc, argv, &program);
}
