/* SPDX-License-Identifier: MIT */
/* Queues of many producers and one consumer: elements a second, with 1, 2, 4 and 8 producers.
 *
 * By operation: pawl_mpsc push 1 RMW (an exchange), pop 1 RMW for all that came since the last; pawl_mpsc_ring push 1 RMW (a
 * fetch_add), pop 0; pawl_mpsc_lanes 0 and 0. No fences (the ring in shared memory: 1 a push). Shared lines written by a
 * push: 2 (the top, its own node), 2 (the counter, the place), 1/7. */
#include "mpsc_peers.h"

#include <pawl/mpsc.h>
#include <pawl/mpsc_lanes.h>
#include <pawl/mpsc_ring.h>

#include <errno.h>
#include <stdlib.h>

struct bench_mpsc_flow bench_mpsc_flow;

/* ---- nodes ---- */

struct letter {
    struct pawl_mpsc_node node;
    uint64_t element;
};

static struct {
    struct pawl_mpsc q;
    struct letter letters[BENCH_MPSC_THREADS][BENCH_MPSC_CAPACITY];
} nodes;

static int nodes_open(unsigned threads, void **shared)
{
    (void)threads;
    pawl_mpsc_init(&nodes.q);
    *shared = &nodes;
    return 0;
}

static inline bool push_node(unsigned producer, uint64_t element)
{
    struct letter *letter = &nodes.letters[producer][element % BENCH_MPSC_CAPACITY];

    letter->element = element;
    return pawl_mpsc_push(&nodes.q, &letter->node) == 0;
}

static inline bool pop_node(uint64_t *element)
{
    struct pawl_mpsc_node *node = NULL;

    if (pawl_mpsc_pop(&nodes.q, &node) != 0)
        return false;
    *element = pawl_mpsc_of(node, struct letter, node)->element;
    return true;
}

/* ---- the ring, the lanes ---- */

static int ring_open(unsigned threads, void **shared)
{
    (void)threads;
    *shared = pawl_mpsc_ring_open(BENCH_MPSC_CAPACITY, sizeof(uint64_t));
    return *shared == NULL ? -errno : 0;
}

static void ring_free(void *shared)
{
    pawl_mpsc_ring_free(shared);
}

static inline bool push_ring(struct pawl_mpsc_ring *queue, uint64_t element)
{
    return pawl_mpsc_ring_push(queue, &element) == 0;
}

static int lanes_open(unsigned threads, void **shared)
{
    (void)threads;
    *shared = pawl_mpsc_lanes_open(BENCH_MPSC_CAPACITY, sizeof(uint64_t));
    return *shared == NULL ? -errno : 0;
}

static void lanes_free(void *shared)
{
    pawl_mpsc_lanes_free(shared);
}

static inline bool push_lane(struct pawl_mpsc_lanes *queue, uint64_t element)
{
    return pawl_mpsc_lanes_push(queue, &element) == 0;
}

#undef BENCH_C
#define BENCH_C static

#define LOOP(name) nodes_##name
#define QUEUE void
#define BEGIN(queue) (void)(queue)
#define PUSH(queue, producer, number) push_node(producer, mpsc_element(producer, number))
#define POP(queue, element) ((void)(queue), pop_node(element))
#include "mpsc_loops.h"

#define LOOP(name) ring_##name
#define QUEUE struct pawl_mpsc_ring
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, number) push_ring(queue, mpsc_element(producer, number))
#define POP(queue, element) (pawl_mpsc_ring_pop(queue, element) == 0)
#include "mpsc_loops.h"

#define LOOP(name) lanes_##name
#define QUEUE struct pawl_mpsc_lanes
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, number) push_lane(queue, mpsc_element(producer, number))
#define POP(queue, element) (pawl_mpsc_lanes_pop(queue, element) == 0)
#include "mpsc_loops.h"

#define PEER(title, queue)                                                      \
    {                                                                           \
        .name = title, .setup = peer_##queue##_open, .run = peer_##queue##_run, \
        .teardown = peer_##queue##_free                                         \
    }
#define MISSING(title, package)                            \
    {                                                      \
        .name = title, .missing = "built without " package \
    }

static const struct bench_contender contenders[] = {
    {.name = "pawl_mpsc", .setup = nodes_open, .run = nodes_run},
    {.name = "pawl_mpsc_ring", .setup = ring_open, .run = ring_run, .teardown = ring_free},
    {.name = "pawl_mpsc_lanes", .setup = lanes_open, .run = lanes_run, .teardown = lanes_free},
#if BENCH_HAVE_URCU
    PEER("urcu wfcqueue", urcu_mpsc),
    PEER("urcu, splice", urcu_splice_mpsc),
#else
    MISSING("urcu wfcqueue", "liburcu (Debian: liburcu-dev)"),
#endif
#if BENCH_HAVE_CK
    PEER("ck_ring", ck_mpsc),
#else
    MISSING("ck_ring", "Concurrency Kit (Debian: libck-dev)"),
#endif
#if BENCH_HAVE_MOODYCAMEL
    PEER("moodycamel", moodycamel_mpsc),
#else
    MISSING("moodycamel", "ConcurrentQueue (Debian: libconcurrentqueue-dev)"),
#endif
#if BENCH_HAVE_BOOST
    PEER("boost::lockfree", boost_mpsc),
#else
    MISSING("boost::lockfree", "Boost (Debian: libboost-dev)"),
#endif
#if BENCH_HAVE_TBB
    PEER("tbb", tbb_mpsc),
#else
    MISSING("tbb", "oneTBB (Debian: libtbb-dev)"),
#endif
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "words",
         .about = "One thread pops what the others push, each up to 4096 ahead of it.",
         .unit = "element",
         .threads = {2, 3, 5, 9},
         .threads_fixed = true,
         .contenders = contenders},
        {0},
    };
    static const struct bench_program program = {"mpsc", "Queues of many producers and one consumer.",
                                                 groups};

    return bench_main(argc, argv, &program);
}
