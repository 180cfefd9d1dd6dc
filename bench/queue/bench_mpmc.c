/* SPDX-License-Identifier: MIT */
/* Queues for many producers and many consumers: one thread alone, and half of the threads pushing, half
 * popping.
 *
 * By operation, uncontended, elements of 8 bytes (RMW: atomic read-modify-writes; lines: shared lines
 * written):
 *
 *                    push            pop            lock-free   order
 *   pawl_mpmc        1 RMW, 2 lines  1 RMW, 2 lines yes         first in, first out
 *   pawl_mpmc_ring   1 RMW, 2 lines  1 RMW, 2 lines no          the same
 *   pawl_mpmc_list   as pawl_mpmc    as pawl_mpmc   yes         the same; unbounded
 *   SCQD, nikolaev   4 RMW           4 RMW          yes         the same
 *   SCQ2             2 RMW           2 RMW          yes         the same
 *
 * No fences. pawl_mpmc of 64 bytes: push 2 RMW, one of them on a lane that is this CPU's; pop 1.
 * tests/queue/mpmc/count.sh counts those of 8 bytes. */
#include "mpmc_peers.h"

#include <pawl/mpmc.h>
#include <pawl/mpmc_list.h>
#include <pawl/mpmc_ring.h>

#include <errno.h>
#include <sched.h>

#define STATICS(name)                                                    \
    static void name##_pairs(struct bench_thread *thread, uint64_t n);   \
    static void name##_flow(struct bench_thread *thread, uint64_t n);    \
    static void name##_batches(struct bench_thread *thread, uint64_t n); \
    static void name##_batch_pairs(struct bench_thread *thread, uint64_t n)

/* ---- ours ---- */

#define OPENER(name, queue, ...)                            \
    static int name##_open(unsigned threads, void **shared) \
    {                                                       \
        (void)threads;                                      \
        *shared = queue##_open(__VA_ARGS__);                \
        return *shared == NULL ? -errno : 0;                \
    }                                                       \
    static void name##_close(void *shared)                  \
    {                                                       \
        queue##_free(shared);                               \
    }                                                       \
    STATICS(name)

OPENER(mpmc8, pawl_mpmc, BENCH_CAPACITY, 8);
#define LOOP(name) mpmc8_##name
#define QUEUE struct pawl_mpmc
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (pawl_mpmc_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpmc_pop(queue, element) == 0)
#define PUSH_N pawl_mpmc_push_n
#define POP_N pawl_mpmc_pop_n
#include "mpmc_loops.h"

OPENER(mpmc64, pawl_mpmc, BENCH_CAPACITY, 64);
#define LOOP(name) mpmc64_##name
#define QUEUE struct pawl_mpmc
#define ELEMENT struct bench_element64
#define WORD(element) (element).word[0]
#define PUSH(queue, element) (pawl_mpmc_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpmc_pop(queue, element) == 0)
#define PUSH_N pawl_mpmc_push_n
#define POP_N pawl_mpmc_pop_n
#include "mpmc_loops.h"

OPENER(ring8, pawl_mpmc_ring, BENCH_CAPACITY, 8);
#define LOOP(name) ring8_##name
#define QUEUE struct pawl_mpmc_ring
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (pawl_mpmc_ring_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpmc_ring_pop(queue, element) == 0)
#define PUSH_N pawl_mpmc_ring_push_n
#define POP_N pawl_mpmc_ring_pop_n
#include "mpmc_loops.h"

OPENER(ring64, pawl_mpmc_ring, BENCH_CAPACITY, 64);
#define LOOP(name) ring64_##name
#define QUEUE struct pawl_mpmc_ring
#define ELEMENT struct bench_element64
#define WORD(element) (element).word[0]
#define PUSH(queue, element) (pawl_mpmc_ring_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpmc_ring_pop(queue, element) == 0)
#define PUSH_N pawl_mpmc_ring_push_n
#define POP_N pawl_mpmc_ring_pop_n
#include "mpmc_loops.h"

OPENER(list8, pawl_mpmc_list, 8, BENCH_CAPACITY);
#define LOOP(name) list8_##name
#define QUEUE struct pawl_mpmc_list
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (pawl_mpmc_list_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpmc_list_pop(queue, element) == 0)
#define PUSH_N pawl_mpmc_list_push_n
#define POP_N pawl_mpmc_list_pop_n
#include "mpmc_loops.h"

/* ---- rows ---- */

/* What stands for a loop when one thread's costs are counted. */
#define ALONE_pairs pairs
#define ALONE_flow pairs
#define ALONE_batches batch_pairs
#define JOIN_(prefix, loop) prefix##_##loop
#define JOIN(prefix, loop) JOIN_(prefix, loop)
#define ROW(title, prefix, loop)                                                                            \
    {                                                                                                       \
        .name = title, .setup = prefix##_open, .run = prefix##_##loop, .alone = JOIN(prefix, ALONE_##loop), \
        .teardown = prefix##_close                                                                          \
    }
#define ROW_WITHOUT(title, package)                        \
    {                                                      \
        .name = title, .missing = "built without " package \
    }

#if BENCH_HAVE_BOOST
#define ROW_BOOST(prefix, loop) ROW("boost::lockfree (lock-free)", prefix, loop)
#else
#define ROW_BOOST(prefix, loop) ROW_WITHOUT("boost::lockfree (lock-free)", "Boost (Debian: libboost-dev)")
#endif
#if BENCH_HAVE_MOODYCAMEL
#define ROW_MOODYCAMEL(prefix, loop) ROW("moodycamel (no common order)", prefix, loop)
#else
#define ROW_MOODYCAMEL(prefix, loop) \
    ROW_WITHOUT("moodycamel (no common order)", "moodycamel (Debian: libconcurrentqueue-dev)")
#endif
#if BENCH_HAVE_TBB
#define ROW_TBB(title, prefix, loop) ROW("tbb " title, prefix, loop)
#else
#define ROW_TBB(title, prefix, loop) ROW_WITHOUT("tbb " title, "oneTBB (Debian: libtbb-dev)")
#endif

/* The rings whose threads publish in the order in which they have reserved, and wait for that without yielding: where the one
 * whose turn it is has no CPU, each element takes a time slice of the scheduler, and a row minutes. */
enum { CROWD = 16 }; /* threads, of the largest row */

#if BENCH_HAVE_CK || BENCH_HAVE_DPDK
static const char *too_few_cpus(void)
{
    cpu_set_t allowed;

    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) < CROWD)
        return "fewer CPUs than threads: they wait for each other, an element takes a time slice";
    return NULL;
}
#define ROW_CROWD(title, prefix, loop)                                                                      \
    {                                                                                                       \
        .name = title, .setup = prefix##_open, .run = prefix##_##loop, .alone = JOIN(prefix, ALONE_##loop), \
        .teardown = prefix##_close, .unavailable = too_few_cpus                                             \
    }
#endif
#if BENCH_HAVE_CK
#define ROW_CK(row, loop) row("ck_ring", ck_ring8, loop)
#else
#define ROW_CK(row, loop) ROW_WITHOUT("ck_ring", "Concurrency Kit (Debian: libck-dev)")
#endif

#if BENCH_HAVE_DPDK
#define ROW_DPDK(row, loop) row("dpdk rte_ring", rte_ring8, loop)
#else
#define ROW_DPDK(row, loop) ROW_WITHOUT("dpdk rte_ring", "DPDK (Debian: libdpdk-dev)")
#endif
#if BENCH_HAVE_CROSSBEAM
#define ROW_CROSSBEAM(title, prefix, loop) ROW("crossbeam " title, prefix, loop)
#else
#define ROW_CROSSBEAM(title, prefix, loop) \
    ROW_WITHOUT("crossbeam " title,        \
                "crossbeam (Debian: librust-crossbeam-queue-dev, librust-crossbeam-deque-dev)")
#endif

/* `ring`: the kind of row that the rings above get. */
#define ROWS_8(loop, ring)                                                                                \
    {                                                                                                     \
        ROW("pawl_mpmc (lock-free)", mpmc8, loop), ROW("pawl_mpmc_ring", ring8, loop),                    \
            ROW("pawl_mpmc_list (lock-free)", list8, loop), ROW_BOOST(boost8, loop), ROW_CK(ring, loop),  \
            ROW_MOODYCAMEL(moodycamel8, loop), ROW_TBB("unbounded", tbb8, loop),                          \
            ROW_TBB("bounded", tbb_bounded8, loop), ROW_DPDK(ring, loop),                                 \
            ROW_CROSSBEAM("ArrayQueue", array_queue8, loop), ROW_CROSSBEAM("SegQueue", seg_queue8, loop), \
            {0},                                                                                          \
    }
#define ROWS_BATCHES(ring)                                                                   \
    {                                                                                        \
        ROW("pawl_mpmc (lock-free)", mpmc8, batches), ROW("pawl_mpmc_ring", ring8, batches), \
            ROW("pawl_mpmc_list (lock-free)", list8, batches),                               \
            ROW("pawl_mpmc, 64 bytes (lock-free)", mpmc64, batches),                         \
            ROW("pawl_mpmc_ring, 64 bytes", ring64, batches), ROW_DPDK(ring, batches),       \
            ROW_MOODYCAMEL(moodycamel8, batches), {0},                                       \
    }
#define ROWS_64(loop)                                                                                        \
    {                                                                                                        \
        ROW("pawl_mpmc (lock-free)", mpmc64, loop), ROW("pawl_mpmc_ring", ring64, loop),                     \
            ROW_BOOST(boost64, loop), ROW_MOODYCAMEL(moodycamel64, loop), ROW_TBB("unbounded", tbb64, loop), \
            {0},                                                                                             \
    }

static const struct bench_contender pairs[] = ROWS_8(pairs, ROW);
static const struct bench_contender pairs64[] = ROWS_64(pairs);
static const struct bench_contender flow[] = ROWS_8(flow, ROW);
static const struct bench_contender flow_crowd[] = ROWS_8(flow, ROW_CROWD);
static const struct bench_contender flow64[] = ROWS_64(flow);
static const struct bench_contender batches[] = ROWS_BATCHES(ROW);
static const struct bench_contender batches_crowd[] = ROWS_BATCHES(ROW_CROWD);

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "uncontended",
         .about = "8 bytes, in and out, one thread.",
         .unit = "pair",
         .contenders = pairs},
        {.name = "uncontended-64",
         .about = "64 bytes, in and out, one thread.",
         .unit = "pair",
         .contenders = pairs64},
        {.name = "flow",
         .about = "8 bytes; half of the threads push, half pop; 1024 elements of room.",
         .unit = "element",
         .threads = {2},
         .threads_fixed = true,
         .contenders = flow},
        {.name = "flow-crowd",
         .about = "The same with more threads.",
         .unit = "element",
         .threads = {4, 8, CROWD},
         .threads_fixed = true,
         .contenders = flow_crowd},
        {.name = "flow-64",
         .about = "The same with 64 bytes.",
         .unit = "element",
         .threads = {2, 4, 8, CROWD},
         .contenders = flow64},
        {.name = "batches",
         .about = "8 bytes, and where it is said 64, in batches of up to 32.",
         .unit = "element",
         .threads = {2},
         .threads_fixed = true,
         .batch = BENCH_BATCH,
         .contenders = batches},
        {.name = "batches-crowd",
         .about = "The same with more threads.",
         .unit = "element",
         .threads = {4, 8, CROWD},
         .threads_fixed = true,
         .batch = BENCH_BATCH,
         .contenders = batches_crowd},
        {0},
    };
    static const struct bench_program program = {"mpmc", "Queues, many producers and many consumers.",
                                                 groups};

    return bench_main(argc, argv, &program);
}
