/* SPDX-License-Identifier: MIT */
/* Queues of many producers and one consumer: elements a second, with 1, 2, 4 and 8 producers; of 8 and 64 bytes, one by one
 * and 32 at a time.
 *
 * By operation: pawl_mpsc push 1 RMW (an exchange), pop 1 RMW for all that came since the last; pawl_mpsc_ring push 1 RMW (a
 * fetch_add), pop 0; pawl_mpsc_lanes 0 and 0. A batch: 1, 1 and 0 in all. No fences (the ring in shared memory: 1 a push).
 * Shared lines written by a push of a word: 2 (the top, its own node), 2 (the counter, the place), 1/7. */
#include "mpsc_peers.h"

#include <pawl/mpsc.h>
#include <pawl/mpsc_lanes.h>
#include <pawl/mpsc_ring.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct bench_mpsc_flow bench_mpsc_flow;

/* ---- nodes ---- */

/* As large as its element asks for: of words, four in a line. */
struct letter {
    struct pawl_mpsc_node node;
    uint64_t element[];
};

PAWL_STATIC_ASSERT(sizeof(struct letter) + sizeof(struct bench_mpsc_wide) <= BENCH_MPSC_LETTER,
                   "it has room");

static struct {
    struct pawl_mpsc q;
    unsigned next[BENCH_MPSC_THREADS][BENCH_LINE_PAIR / sizeof(unsigned)]; /* the producer's next letter */
    unsigned char letters[BENCH_MPSC_THREADS][BENCH_MPSC_CAPACITY * BENCH_MPSC_LETTER] PAWL_LINE_PAIR_ALIGNED;
} nodes;

static int nodes_open(unsigned threads, void **shared)
{
    (void)threads;
    pawl_mpsc_init(&nodes.q);
    *shared = &nodes;
    return 0;
}

static inline struct pawl_mpsc_node *write_letter(unsigned producer, const void *element, size_t bytes)
{
    size_t at = nodes.next[producer][0]++ % BENCH_MPSC_CAPACITY * (sizeof(struct letter) + bytes);
    struct letter *letter = (struct letter *)(void *)&nodes.letters[producer][at];

    memcpy(letter->element, element, bytes);
    return &letter->node;
}

static inline bool push_node(unsigned producer, const void *element, size_t bytes)
{
    return pawl_mpsc_push(&nodes.q, write_letter(producer, element, bytes)) == 0;
}

static inline size_t push_nodes(unsigned producer, const void *elements, size_t n, size_t bytes)
{
    struct pawl_mpsc_node *batch[BENCH_MPSC_BATCH];

    for (size_t i = 0; i < n; i++)
        batch[i] = write_letter(producer, (const char *)elements + i * bytes, bytes);
    return pawl_mpsc_push_n(&nodes.q, batch, n) == 0 ? n : 0;
}

static inline bool pop_node(void *element, size_t bytes)
{
    struct pawl_mpsc_node *node = NULL;

    if (pawl_mpsc_pop(&nodes.q, &node) != 0)
        return false;
    memcpy(element, pawl_mpsc_of(node, struct letter, node)->element, bytes);
    return true;
}

static inline size_t pop_nodes(void *elements, size_t n, size_t bytes)
{
    size_t done = 0;

    while (done < n && pop_node((char *)elements + done * bytes, bytes))
        done++;
    return done;
}

/* ---- the ring, the lanes ---- */

#define OPENER(kind, bytes)                                            \
    static int kind##_##bytes##_open(unsigned threads, void **shared)  \
    {                                                                  \
        (void)threads;                                                 \
        *shared = pawl_mpsc_##kind##_open(BENCH_MPSC_CAPACITY, bytes); \
        return *shared == NULL ? -errno : 0;                           \
    }
OPENER(ring, 8)
OPENER(ring, 64)
OPENER(lanes, 8)
OPENER(lanes, 64)

static void ring_free(void *shared)
{
    pawl_mpsc_ring_free(shared);
}

static void lanes_free(void *shared)
{
    pawl_mpsc_lanes_free(shared);
}

/* A batch of the ring is pushed as a whole, or not. */
static inline size_t push_ring_n(struct pawl_mpsc_ring *queue, const void *elements, size_t n)
{
    return pawl_mpsc_ring_push_n(queue, elements, n) == 0 ? n : 0;
}

#undef BENCH_C
#define BENCH_C static

#define LOOP(name) nodes_8_##name
#define QUEUE void
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) ((void)(queue), push_node(producer, element, sizeof(ELEMENT)))
#define POP(queue, element) ((void)(queue), pop_node(element, sizeof(ELEMENT)))
#define PUSH_N(queue, producer, elements, n) \
    ((void)(queue), push_nodes(producer, elements, n, sizeof(ELEMENT)))
#define POP_N(queue, elements, n) ((void)(queue), pop_nodes(elements, n, sizeof(ELEMENT)))
#include "mpsc_loops.h"

#define LOOP(name) nodes_64_##name
#define QUEUE void
#define ELEMENT struct bench_mpsc_wide
#define WORD(element) (element).word[0]
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) ((void)(queue), push_node(producer, element, sizeof(ELEMENT)))
#define POP(queue, element) ((void)(queue), pop_node(element, sizeof(ELEMENT)))
#define PUSH_N(queue, producer, elements, n) \
    ((void)(queue), push_nodes(producer, elements, n, sizeof(ELEMENT)))
#define POP_N(queue, elements, n) ((void)(queue), pop_nodes(elements, n, sizeof(ELEMENT)))
#include "mpsc_loops.h"

#define LOOP(name) ring_8_##name
#define QUEUE struct pawl_mpsc_ring
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) (pawl_mpsc_ring_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpsc_ring_pop(queue, element) == 0)
#define PUSH_N(queue, producer, elements, n) push_ring_n(queue, elements, n)
#define POP_N(queue, elements, n) pawl_mpsc_ring_pop_n(queue, elements, n)
#include "mpsc_loops.h"

#define LOOP(name) ring_64_##name
#define QUEUE struct pawl_mpsc_ring
#define ELEMENT struct bench_mpsc_wide
#define WORD(element) (element).word[0]
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) (pawl_mpsc_ring_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpsc_ring_pop(queue, element) == 0)
#define PUSH_N(queue, producer, elements, n) push_ring_n(queue, elements, n)
#define POP_N(queue, elements, n) pawl_mpsc_ring_pop_n(queue, elements, n)
#include "mpsc_loops.h"

#define LOOP(name) lanes_8_##name
#define QUEUE struct pawl_mpsc_lanes
#define ELEMENT uint64_t
#define WORD(element) (element)
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) (pawl_mpsc_lanes_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpsc_lanes_pop(queue, element) == 0)
#define PUSH_N(queue, producer, elements, n) pawl_mpsc_lanes_push_n(queue, elements, n)
#define POP_N(queue, elements, n) pawl_mpsc_lanes_pop_n(queue, elements, n)
#include "mpsc_loops.h"

#define LOOP(name) lanes_64_##name
#define QUEUE struct pawl_mpsc_lanes
#define ELEMENT struct bench_mpsc_wide
#define WORD(element) (element).word[0]
#define BEGIN(queue) (void)0
#define PUSH(queue, producer, element) (pawl_mpsc_lanes_push(queue, element) == 0)
#define POP(queue, element) (pawl_mpsc_lanes_pop(queue, element) == 0)
#define PUSH_N(queue, producer, elements, n) pawl_mpsc_lanes_push_n(queue, elements, n)
#define POP_N(queue, elements, n) pawl_mpsc_lanes_pop_n(queue, elements, n)
#include "mpsc_loops.h"

/* ---- who takes part ---- */

#define ROW(title, queue, loop, one, opens, closes)                                                      \
    {                                                                                                    \
        .name = title, .setup = opens, .run = queue##_##loop, .alone = queue##_##one, .teardown = closes \
    }
#define MISSING(title, package)                            \
    {                                                      \
        .name = title, .missing = "built without " package \
    }
#define OURS(bytes, loop, one)                                                          \
    ROW("pawl_mpsc", nodes_##bytes, loop, one, nodes_open, NULL),                       \
        ROW("pawl_mpsc_ring", ring_##bytes, loop, one, ring_##bytes##_open, ring_free), \
        ROW("pawl_mpsc_lanes", lanes_##bytes, loop, one, lanes_##bytes##_open, lanes_free)
#define PEER(title, queue, loop, one) \
    ROW(title, peer_##queue, loop, one, peer_##queue##_open, peer_##queue##_free)

#if BENCH_HAVE_URCU
#define PEERS_URCU(bytes)                                 \
    PEER("urcu wfcqueue", urcu_mpsc_##bytes, run, alone), \
        PEER("urcu, splice", urcu_splice_mpsc_##bytes, run, alone)
#else
#define PEERS_URCU(bytes) MISSING("urcu wfcqueue", "liburcu (Debian: liburcu-dev)")
#endif
enum { CROWD = 9 }; /* threads, of the largest row */

#if BENCH_HAVE_CK
/* Its producers publish in the order in which they have reserved, and wait for that without yielding: where the one whose turn
 * it is has no CPU, each element takes a time slice of the scheduler, and a row minutes. */
static const char *too_few_cpus_for_ck(void)
{
    cpu_set_t allowed;

    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) < CROWD)
        return "fewer CPUs than threads: its producers wait for each other, an element takes a time slice";
    return NULL;
}

#define PEER_CK PEER("ck_ring", ck_mpsc_8, run, alone)
#define PEER_CK_CROWD                                                                                      \
    {                                                                                                      \
        .name = "ck_ring", .setup = peer_ck_mpsc_8_open, .run = peer_ck_mpsc_8_run,                        \
        .alone = peer_ck_mpsc_8_alone, .teardown = peer_ck_mpsc_8_free, .unavailable = too_few_cpus_for_ck \
    }
#else
#define PEER_CK MISSING("ck_ring", "Concurrency Kit (Debian: libck-dev)")
#define PEER_CK_CROWD PEER_CK
#endif
#if BENCH_HAVE_MOODYCAMEL
#define PEER_MOODYCAMEL(bytes, loop, one) PEER("moodycamel", moodycamel_mpsc_##bytes, loop, one)
#else
#define PEER_MOODYCAMEL(bytes, loop, one) \
    MISSING("moodycamel", "ConcurrentQueue (Debian: libconcurrentqueue-dev)")
#endif
#if BENCH_HAVE_BOOST
#define PEER_BOOST(bytes) PEER("boost::lockfree", boost_mpsc_##bytes, run, alone)
#else
#define PEER_BOOST(bytes) MISSING("boost::lockfree", "Boost (Debian: libboost-dev)")
#endif
#if BENCH_HAVE_TBB
#define PEER_TBB(bytes) PEER("tbb", tbb_mpsc_##bytes, run, alone)
#else
#define PEER_TBB(bytes) MISSING("tbb", "oneTBB (Debian: libtbb-dev)")
#endif

static const struct bench_contender words[] = {
    OURS(8, run, alone), PEERS_URCU(8), PEER_CK, PEER_MOODYCAMEL(8, run, alone),
    PEER_BOOST(8),       PEER_TBB(8),   {0},
};
static const struct bench_contender words_crowd[] = {
    OURS(8, run, alone), PEERS_URCU(8), PEER_CK_CROWD, PEER_MOODYCAMEL(8, run, alone),
    PEER_BOOST(8),       PEER_TBB(8),   {0},
};
static const struct bench_contender wide[] = {
    OURS(64, run, alone), PEERS_URCU(64), PEER_MOODYCAMEL(64, run, alone), PEER_BOOST(64), PEER_TBB(64), {0},
};
static const struct bench_contender words_batch[] = {
    OURS(8, batch, batch_alone),
    PEER_MOODYCAMEL(8, batch, batch_alone),
    {0},
};
static const struct bench_contender wide_batch[] = {
    OURS(64, batch, batch_alone),
    PEER_MOODYCAMEL(64, batch, batch_alone),
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "words",
         .about = "One thread pops what the others push, each up to 4096 ahead of it.",
         .unit = "element",
         .threads = {2, 3},
         .threads_fixed = true,
         .contenders = words},
        {.name = "words-crowd",
         .about = "The same with more producers.",
         .unit = "element",
         .threads = {5, CROWD},
         .threads_fixed = true,
         .contenders = words_crowd},
        {.name = "wide",
         .about = "The same with 64 bytes. The peers that link nodes have them in the nodes, as pawl_mpsc.",
         .unit = "element",
         .threads = {2, 3, 5, 9},
         .threads_fixed = true,
         .contenders = wide},
        {.name = "words-batch",
         .about = "Words, pushed and popped 32 at a time, where there are batches.",
         .unit = "element",
         .threads = {2, 3, 5, 9},
         .threads_fixed = true,
         .ops = BENCH_MPSC_BATCH,
         .contenders = words_batch},
        {.name = "wide-batch",
         .about = "64 bytes, 32 at a time.",
         .unit = "element",
         .threads = {2, 3, 5, 9},
         .threads_fixed = true,
         .ops = BENCH_MPSC_BATCH,
         .contenders = wide_batch},
        {0},
    };
    static const struct bench_program program = {"mpsc", "Queues of many producers and one consumer.",
                                                 groups};

    return bench_main(argc, argv, &program);
}
