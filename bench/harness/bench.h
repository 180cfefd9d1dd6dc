/* SPDX-License-Identifier: MIT */
/* The benchmark harness: what a benchmark program includes.
 *
 * Purpose    A program states *groups* (scenarios) of *contenders* (ways to do the same thing) and
 *            hands them to bench_main(), which does the rest: options, threads, timing, statistics,
 *            table, JSON, plot, instruction counts.
 * Model      One *slice* runs one contender on every thread of the group for about 20 ms. One
 *            *repetition* runs one slice of each contender, back to back, in an order that rotates
 *            with the repetition. So whatever slows the machine down for longer than a slice slows
 *            all contenders alike, and ratios are taken inside a repetition, never across.
 * Timing     A slice: reset() -> each thread: enter() -> untimed warm-up run() -> start barrier ->
 *            timed run() -> leave(). The number of iterations is calibrated per contender.
 *            ops/s is what all threads do together: all operations over the time from the first
 *            start to the last end. ns/op is the time one CPU spends on one operation: that time,
 *            times the CPUs in use (threads, but not more than CPUs), over all operations.
 * Disturbed  A probe spins on the clock before and after each slice; run-queue waits and stolen time
 *            are read around it. Figures taken on a disturbed machine are marked as such.
 * Example    see the end of this file.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_LINE_PAIR 128

/* What run() gets: one for each thread, alone on its pair of cache lines. */
struct bench_thread {
    unsigned index;   /* 0 .. threads - 1 */
    unsigned threads; /* how many run this contender at the same time */
    int cpu;          /* it is pinned to; -1: not pinned */
    void *shared;     /* what setup() left; the same for all threads */
    void *own;        /* for enter() to leave something for run() and leave() of this thread */
    uint64_t random;  /* state of bench_random(), different in each thread, same in each run */
    uint64_t
        operations; /* set to iterations x ops before run(); a run() that counts for itself overwrites it */
} __attribute__((aligned(BENCH_LINE_PAIR)));

/* One way to do the group's work. Only name and run are obligatory. A function that is NULL is left out. */
struct bench_contender {
    const char *name;

    /* Why it cannot run here, as a phrase, if that was known when it was compiled ("built without
     * libtbb-dev"); a contender with a reason needs nothing but its name. */
    const char *missing;

    /* The same, found out when the program runs ("needs a kernel with rseq"); returns NULL when it can
     * run. The reason is shown in the table; the others run. */
    const char *(*unavailable)(void);

    /* Once before the first slice, in the main thread: build what the threads share and leave it in
     * *shared (NULL before the call). Returns 0 or a negative errno, which ends the program. */
    int (*setup)(unsigned threads, void **shared);

    /* Before each slice, in the main thread, untimed: back to the initial state. */
    void (*reset)(void *shared);

    /* In each thread before and after each slice, untimed: register, allocate, sum up. */
    void (*enter)(struct bench_thread *thread);
    void (*leave)(struct bench_thread *thread);

    /* The loop: `iterations` times the operation, in this function, so that it is inlined as in
     * real code. All threads get the same number. */
    void (*run)(struct bench_thread *thread, uint64_t iterations);

    /* The same operations by one thread, where run() needs partners: costs (RMW, fences, lines) are counted with
     * it. Never timed. */
    void (*alone)(struct bench_thread *thread, uint64_t iterations);

    /* Once after the last slice, in the main thread. */
    void (*teardown)(void *shared);

    /* What somebody else published for it, in ns/op, printed beside ours; 0: nothing. */
    double published_ns;

    /* This contender is the bare loop: its time is subtracted from the others', repetition by
     * repetition. At most one in a group; wherever it stands, the ratios start at the others. */
    bool overhead;
};

enum {
    BENCH_MAX_THREAD_COUNTS = 8, /* different thread counts of one group */
    BENCH_EACH_CPU = -1,         /* as a thread count: one thread for each CPU we may use */
};

/* A scenario. It is run once for each of its thread counts. */
struct bench_group {
    const char *name;      /* "counter-add": shown, and matched by --only as "name/threads/contender" */
    const char *about;     /* one sentence for the table's head; may be NULL */
    const char *unit;      /* of an operation: "add", "push+pop pair"; NULL: "op" */
    const char *published; /* head of the column of published figures: "Kohler"; NULL: none */
    int threads[BENCH_MAX_THREAD_COUNTS]; /* up to the first 0; none: one thread */
    bool threads_fixed; /* means only what it says with these threads: --threads does not apply */
    unsigned ops;       /* operations in one iteration of run(); 0: one */
    unsigned batch;     /* iterations that are done together: costs are counted over so many; 0: one by one */
    const struct bench_contender *contenders; /* ends with one without a name */
};

struct bench_program {
    const char *name;                 /* "linearizability" */
    const char *about;                /* one sentence for --help */
    const struct bench_group *groups; /* ends with one without a name */
};

/* main() of a benchmark. Returns the exit code: 0, 1 when something failed, 2 for bad usage. */
int bench_main(int argc, char **argv, const struct bench_program *program);

/* The compiler must compute `value` and cannot know what becomes of it. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value));
}

static inline void bench_keep_pointer(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

/* A cheap random number: one multiplication and one addition (a 64-bit linear congruential
 * generator, of which the high half is good enough to pick slots). Keep the state in a local
 * variable of run(), or its store joins the measured work. */
static inline uint32_t bench_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* Example
 *
 *     static int make(unsigned threads, void **shared) { ... *shared = counter; return 0; }
 *     static void add_atomic(struct bench_thread *t, uint64_t iterations)
 *     {
 *         struct counter *c = t->shared;
 *         for (uint64_t i = 0; i < iterations; ++i)
 *             pawl_fetch_add_relaxed(&c->value, 1);
 *     }
 *     static const struct bench_contender add[] = {
 *         {.name = "pawl counter", .setup = make, .run = add_pawl, .teardown = drop},
 *         {.name = "one atomic", .setup = make, .run = add_atomic, .teardown = drop},
 *         {0},
 *     };
 *     static const struct bench_group groups[] = {
 *         {.name = "add", .unit = "add", .threads = {1, BENCH_EACH_CPU, 10}, .contenders = add},
 *         {0},
 *     };
 *     int main(int argc, char **argv)
 *     {
 *         static const struct bench_program program = {"counter", "Counters, many writers.", groups};
 *         return bench_main(argc, argv, &program);
 *     }
 */

#ifdef __cplusplus
}
#endif

#endif
