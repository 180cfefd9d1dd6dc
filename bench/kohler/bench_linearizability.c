/* SPDX-License-Identifier: MIT */
/* What linearizability costs: the experiment of E. Kohler's notes on RCU.
 *
 * A "hash table" is an array of 2^20 32-bit values, its hash function the identity. Two threads run
 * a loop of 75 % get(random key) and 25 % put(random key). The variants differ only in what put (and
 * get) does about order:
 *   unsynchronised      plain moves; the compiler may reorder them
 *   compiler fence      the same instructions, in program order as far as the compiler goes. x86
 *                       still delays a store past later loads: a put, then a get of another key,
 *                       may appear to others in the opposite order. Not linearizable.
 *   fence in put        a full fence after the store: the store is visible before put returns.
 *                       Linearizable.
 *   fence in both       what is left to gain by being more careful than necessary
 *   seq_cst store       as C11 writes it and compilers do it today: xchg. get stays a plain move.
 *   lock add            a locked add of zero to the stack does what mfence does for ordinary memory
 * On aarch64 the fence is `dmb ish`; the sequentially consistent store is stlr, to which belongs ldar in
 * get; there is no equivalent of the locked add.
 *
 * All accesses are atomic and relaxed, which compile to the same plain moves that the original's
 * data races did, and are defined behaviour. */
#include "bench.h"

#include <pawl/atomic.h>

enum {
    KEYS = 1 << 20,
    KEY_MASK = KEYS - 1,
    PUT_SHIFT = 30, /* a put when the two bits above it are 0: one in four */
};

static PAWL_LINE_PAIR_ALIGNED PAWL_ATOMIC(uint32_t) table[KEYS];

#if defined(__x86_64__)
#define FENCE "mfence"
#define SEQ_CST "seq_cst store (xchg)"

static inline void fence_full(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

/* Below the stack pointer, so that the next pop or return does not wait for it. Adding zero
 * changes nothing that may stand there. */
static inline void fence_locked(void)
{
    __asm__ volatile("lock addl $0, -4(%%rsp)" : : : "memory", "cc");
}
#else
#define FENCE "full fence"
#define SEQ_CST "seq_cst store and load"

static inline void fence_full(void)
{
    pawl_fence_seq_cst(); /* dmb ish on aarch64 */
}
#endif

/* Relaxed: nothing is published through the table, the values are only numbers. Which order get and
 * put keep among each other is what the variants add. */
static inline uint32_t get_plain(uint32_t key)
{
    return pawl_load_relaxed(&table[key]);
}

static inline void put_plain(uint32_t key, uint32_t value)
{
    pawl_store_relaxed(&table[key], value);
}

static inline void put_compiler(uint32_t key, uint32_t value)
{
    pawl_store_relaxed(&table[key], value);
    pawl_fence_compiler();
}

/* The fences forbid that a later load of the same thread passes the store (store buffering). */
static inline void put_fenced(uint32_t key, uint32_t value)
{
    pawl_store_relaxed(&table[key], value);
    fence_full();
}

static inline uint32_t get_fenced(uint32_t key)
{
    const uint32_t value = pawl_load_relaxed(&table[key]);

    fence_full();
    return value;
}

static inline void put_seq_cst(uint32_t key, uint32_t value)
{
    pawl_store_seq_cst(&table[key], value); /* forbids the same: single total order with get_seq_cst() */
}

static inline uint32_t get_seq_cst(uint32_t key)
{
    return pawl_load_seq_cst(&table[key]);
}

/* The bare loop takes the same unpredictable branch and touches no table. Two different texts, or
 * the compiler would fold the branches into one. */
static inline uint32_t get_nothing(uint32_t key)
{
    __asm__ volatile("/* get */" : : "r"(key));
    return key;
}

static inline void put_nothing(uint32_t key, uint32_t value)
{
    __asm__ volatile("/* put */" : : "r"(key), "r"(value));
}

/* Inlined into each variant with its get and put, so that no call is left in the loop. */
__attribute__((always_inline)) static inline void loop(struct bench_thread *thread, uint64_t iterations,
                                                       uint32_t (*get)(uint32_t key),
                                                       void (*put)(uint32_t key, uint32_t value))
{
    uint64_t random = thread->random;
    uint32_t sum = 0;

    for (uint64_t i = 0; i < iterations; ++i) {
        const uint32_t draw = bench_random(&random);

        if (draw >> PUT_SHIFT == 0)
            put(draw & KEY_MASK, (uint32_t)i);
        else
            sum += get(draw & KEY_MASK);
    }
    bench_keep(sum);
}

static void run_nothing(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_nothing, put_nothing);
}

static void run_unsynchronised(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_plain, put_plain);
}

static void run_compiler_fence(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_plain, put_compiler);
}

static void run_fence_in_put(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_plain, put_fenced);
}

static void run_fence_in_both(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_fenced, put_fenced);
}

static void run_seq_cst(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_seq_cst, put_seq_cst);
}

#if defined(__x86_64__)
static inline void put_locked(uint32_t key, uint32_t value)
{
    pawl_store_relaxed(&table[key], value);
    fence_locked();
}

static inline uint32_t get_locked(uint32_t key)
{
    const uint32_t value = pawl_load_relaxed(&table[key]);

    fence_locked();
    return value;
}

static void run_locked_in_put(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_plain, put_locked);
}

static void run_locked_in_both(struct bench_thread *thread, uint64_t iterations)
{
    loop(thread, iterations, get_locked, put_locked);
}
#endif

static const struct bench_contender variants[] = {
    {.name = "loop overhead", .run = run_nothing, .overhead = true},
    {.name = "unsynchronised", .run = run_unsynchronised, .published_ns = 2.54},
    {.name = "compiler fence in put", .run = run_compiler_fence, .published_ns = 2.59},
    {.name = FENCE " in put", .run = run_fence_in_put, .published_ns = 16.97},
    {.name = FENCE " in put and get", .run = run_fence_in_both, .published_ns = 28.15},
    {.name = SEQ_CST, .run = run_seq_cst},
#if defined(__x86_64__)
    {.name = "lock add in put", .run = run_locked_in_put},
    {.name = "lock add in put and get", .run = run_locked_in_both},
#endif
    {0},
};

static const struct bench_group groups[] = {
    {
        .name = "linearizability",
        .about =
            "75 % get, 25 % put on 2^20 values of 32 bits; the column Kohler is what his notes on RCU report.",
        .unit = "get or put",
        .published = "Kohler",
        .threads = {2},
        .contenders = variants,
    },
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_program program = {
        .name = "linearizability",
        .about = "What linearizability costs a hash table that has nothing else to do.",
        .groups = groups,
    };

    return bench_main(argc, argv, &program);
}
