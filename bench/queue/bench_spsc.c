/* SPDX-License-Identifier: MIT */
/* The queue between one producer and one consumer, and what is comparable: single elements, batches of 32, round trips.
 *
 * By operation: pawl_spsc 0 RMW, 0 fences (shared between processes: 1 fence a push). Lines written that the other side
 * reads: 1/7 an element of 8 bytes while elements flow, 9/7 of 64 bytes, 1 and 2 when each is awaited. Peers with indices:
 * 1/8 and 1 for the elements, and the index: once an element when each is awaited.
 *
 * "line" bounces two lines between the threads as a queue has to, one written by either, and nothing else; "line, one"
 * a single line that both write: processors recognise that pattern, no pair of queues can have it. "copies" takes batches
 * of 32 and nothing else: a copy into a slot, its number, a copy out of it. */
#include "spsc_peers.h"

#include <pawl/spsc.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct pawl_spsc *pair[2];

static void free_queues(void *shared)
{
    (void)shared;
    pawl_spsc_free(pair[0]);
    pawl_spsc_free(pair[1]);
}

static int open_queues(size_t element_bytes, void **shared)
{
    for (int i = 0; i < 2; i++) {
        pair[i] = pawl_spsc_open(BENCH_SPSC_CAPACITY, element_bytes);
        if (pair[i] == NULL)
            return -errno;
    }
    *shared = pair;
    return 0;
}

static int open_words(unsigned threads, void **shared)
{
    (void)threads;
    return open_queues(sizeof(uint64_t), shared);
}

static int open_wide(unsigned threads, void **shared)
{
    (void)threads;
    return open_queues(sizeof(struct bench_wide), shared);
}

static void words_single(struct bench_thread *thread, uint64_t n);
static void words_alone(struct bench_thread *thread, uint64_t n);
static void words_alone_twice(struct bench_thread *thread, uint64_t n);
static void words_trip(struct bench_thread *thread, uint64_t n);
static void words_batch(struct bench_thread *thread, uint64_t n);
static void words_batch_alone(struct bench_thread *thread, uint64_t n);
static void wide_single(struct bench_thread *thread, uint64_t n);
static void wide_alone(struct bench_thread *thread, uint64_t n);
static void wide_alone_twice(struct bench_thread *thread, uint64_t n);
static void wide_trip(struct bench_thread *thread, uint64_t n);
static void wide_batch(struct bench_thread *thread, uint64_t n);
static void wide_batch_alone(struct bench_thread *thread, uint64_t n);

#undef BENCH_C
#define BENCH_C static
#define LOOP(name) words_##name
#define QUEUE struct pawl_spsc
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH(queue, element) (pawl_spsc_push(queue, element) == 0)
#define POP(queue, element) (pawl_spsc_pop(queue, element) == 0)
#define PUSH_N(queue, elements, n) pawl_spsc_push_n(queue, elements, n)
#define POP_N(queue, elements, n) pawl_spsc_pop_n(queue, elements, n)
#include "spsc_loops.h"

#define LOOP(name) wide_##name
#define QUEUE struct pawl_spsc
#define ELEMENT struct bench_wide
#define WORD(element) (element).word[0]
#define PUSH(queue, element) (pawl_spsc_push(queue, element) == 0)
#define POP(queue, element) (pawl_spsc_pop(queue, element) == 0)
#define PUSH_N(queue, elements, n) pawl_spsc_push_n(queue, elements, n)
#define POP_N(queue, elements, n) pawl_spsc_pop_n(queue, elements, n)
#include "spsc_loops.h"

/* ---- what the copies alone cost ---- */

enum { COPIES_SLOTS = BENCH_SPSC_CAPACITY / BENCH_SPSC_BATCH };

static struct copies {
    PAWL_ATOMIC(uint64_t) emptied PAWL_LINE_PAIR_ALIGNED; /* told once in many batches */
    uint64_t filled PAWL_LINE_PAIR_ALIGNED;               /* the producer's */
    uint64_t emptied_seen;
    uint64_t taken PAWL_LINE_PAIR_ALIGNED; /* the consumer's */
    struct {
        PAWL_ATOMIC(uint64_t) number PAWL_LINE_PAIR_ALIGNED;
        struct bench_wide batch[BENCH_SPSC_BATCH] PAWL_LINE_PAIR_ALIGNED;
    } slot[COPIES_SLOTS];
} copies;

static int open_copies(unsigned threads, void **shared)
{
    static struct copies *one = &copies;

    (void)threads;
    memset(&copies, 0, sizeof copies);
    *shared = &one;
    return 0;
}

/* All of a batch, or nothing. */
static inline size_t copy_in(struct copies *c, const void *batch, size_t bytes)
{
    uint64_t at = c->filled % COPIES_SLOTS;

    if (c->filled - c->emptied_seen == COPIES_SLOTS) {
        c->emptied_seen = pawl_load_acquire(&c->emptied); /* acquire, release: the copy out comes first */
        if (c->filled - c->emptied_seen == COPIES_SLOTS)
            return 0;
    }
    memcpy(c->slot[at].batch, batch, bytes);
    pawl_store_release(&c->slot[at].number, ++c->filled); /* release, acquire: the copy in comes first */
    return BENCH_SPSC_BATCH;
}

static inline size_t copy_out(struct copies *c, void *batch, size_t bytes)
{
    uint64_t at = c->taken % COPIES_SLOTS;

    if (pawl_load_acquire(&c->slot[at].number) != c->taken + 1)
        return 0;
    memcpy(batch, c->slot[at].batch, bytes);
    if (++c->taken % (COPIES_SLOTS / 8) == 0)
        pawl_store_release(&c->emptied, c->taken);
    return BENCH_SPSC_BATCH;
}

static void copies_words_batch(struct bench_thread *thread, uint64_t n);
static void copies_words_batch_alone(struct bench_thread *thread, uint64_t n);
static void copies_wide_batch(struct bench_thread *thread, uint64_t n);
static void copies_wide_batch_alone(struct bench_thread *thread, uint64_t n);

#define BATCHES_ONLY
#define LOOP(name) copies_words_##name
#define QUEUE struct copies
#define ELEMENT uint64_t
#define WORD(element) (element)
#define PUSH_N(queue, elements, n) copy_in(queue, elements, BENCH_SPSC_BATCH * sizeof(uint64_t))
#define POP_N(queue, elements, n) copy_out(queue, elements, BENCH_SPSC_BATCH * sizeof(uint64_t))
#include "spsc_loops.h"

#define LOOP(name) copies_wide_##name
#define QUEUE struct copies
#define ELEMENT struct bench_wide
#define WORD(element) (element).word[0]
#define PUSH_N(queue, elements, n) copy_in(queue, elements, BENCH_SPSC_BATCH * sizeof(struct bench_wide))
#define POP_N(queue, elements, n) copy_out(queue, elements, BENCH_SPSC_BATCH * sizeof(struct bench_wide))
#include "spsc_loops.h"
#undef BATCHES_ONLY

/* ---- what the lines alone cost ---- */

static struct {
    PAWL_ATOMIC(uint64_t) word PAWL_LINE_PAIR_ALIGNED;
} lines[2];

static void reset_lines(void *shared)
{
    (void)shared;
    pawl_store_relaxed(&lines[0].word, UINT64_C(0)); /* relaxed, both: no thread runs */
    pawl_store_relaxed(&lines[1].word, UINT64_C(0));
}

/* Thread 0 counts on in its line, thread 1 repeats it in the other. Between two runs both say the same. */
static void two_lines(struct bench_thread *thread, uint64_t n)
{
    PAWL_ATOMIC(uint64_t) *out = &lines[thread->index].word, *in = &lines[1 - thread->index].word;
    uint64_t number = pawl_load_relaxed(out); /* relaxed: this thread's own */
    unsigned turn = 0;

    for (uint64_t i = 0; i < n; i++) {
        number++;
        if (thread->index == 0)
            pawl_store_release(out, number); /* release, acquire: as an element would be handed over */
        while (pawl_load_acquire(in) != number)
            spsc_wait(&turn);
        if (thread->index != 0)
            pawl_store_release(out, number);
    }
}

/* Both write the same line, in turns: thread 0 odd numbers, thread 1 even ones. */
static void one_line(struct bench_thread *thread, uint64_t n)
{
    PAWL_ATOMIC(uint64_t) *line = &lines[0].word;
    uint64_t number = pawl_load_relaxed(line) / 2 * 2; /* relaxed: thread 0 may have begun */
    unsigned turn = 0;

    for (uint64_t i = 0; i < n; i++, number += 2) {
        if (thread->index == 0)
            pawl_store_release(line, number + 1); /* release, acquire: as above */
        while (pawl_load_acquire(line) != number + (thread->index == 0 ? 2 : 1))
            spsc_wait(&turn);
        if (thread->index != 0)
            pawl_store_release(line, number + 2);
    }
}

/* What stands for a loop when one thread's costs are counted: a round trip is two pushes and two pops. */
#define ALONE_alone alone
#define ALONE_single alone
#define ALONE_batch batch_alone
#define ALONE_trip alone_twice
#define JOIN_(prefix, loop) prefix##_##loop
#define JOIN(prefix, loop) JOIN_(prefix, loop)
#define OURS(which, loop)                                                  \
    {                                                                      \
        .name = "pawl_spsc", .setup = open_##which, .run = which##_##loop, \
        .alone = JOIN(which, ALONE_##loop), .teardown = free_queues        \
    }
#define PEER(title, queue, loop)                                                   \
    {                                                                              \
        .name = title, .setup = peer_##queue##_open, .run = peer_##queue##_##loop, \
        .alone = JOIN(peer_##queue, ALONE_##loop), .teardown = peer_##queue##_free \
    }
#define COPIES(which)                                                          \
    {                                                                          \
        .name = "copies", .setup = open_copies, .run = copies_##which##_batch, \
        .alone = copies_##which##_batch_alone                                  \
    }
#define MISSING(title, package)                            \
    {                                                      \
        .name = title, .missing = "built without " package \
    }

#if BENCH_HAVE_BOOST_SPSC
#define PEER_BOOST(bytes, loop) PEER("boost::lockfree", boost_spsc_##bytes, loop)
#else
#define PEER_BOOST(bytes, loop) MISSING("boost::lockfree", "Boost (Debian: libboost-dev)")
#endif
#if BENCH_HAVE_READERWRITER
#define PEER_MOODYCAMEL(bytes, loop) PEER("moodycamel", moodycamel_spsc_##bytes, loop)
#else
#define PEER_MOODYCAMEL(bytes, loop) \
    MISSING("moodycamel", "ReaderWriterQueue (Debian: libreaderwriterqueue-dev)")
#endif
#if BENCH_HAVE_CK
#define PEER_CK(loop) PEER("ck_ring", ck_spsc_8, loop)
#else
#define PEER_CK(loop) MISSING("ck_ring", "Concurrency Kit (Debian: libck-dev)")
#endif

#define WORDS(loop)                                                                           \
    {                                                                                         \
        OURS(words, loop), PEER_BOOST(8, loop), PEER_MOODYCAMEL(8, loop), PEER_CK(loop), {0}, \
    }
#define WIDE(loop)                                                              \
    {                                                                           \
        OURS(wide, loop), PEER_BOOST(64, loop), PEER_MOODYCAMEL(64, loop), {0}, \
    }

static const struct bench_contender alone[] = WORDS(alone);
static const struct bench_contender single[] = WORDS(single);
static const struct bench_contender single_wide[] = WIDE(single);
static const struct bench_contender batch[] = {COPIES(words), OURS(words, batch), PEER_BOOST(8, batch), {0}};
static const struct bench_contender batch_wide[] = {COPIES(wide),
                                                    OURS(wide, batch),
                                                    PEER_BOOST(64, batch),
                                                    {0}};
static const struct bench_contender trip[] = {
    {.name = "line", .reset = reset_lines, .run = two_lines},
    {.name = "line, one", .reset = reset_lines, .run = one_line},
    OURS(words, trip),
    PEER_BOOST(8, trip),
    PEER_MOODYCAMEL(8, trip),
    PEER_CK(trip),
    {0},
};

static const struct bench_contender trip_wide[] = WIDE(trip);
static const struct bench_contender alone_wide[] = WIDE(alone);

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "alone", .about = "One thread: a push and a pop.", .unit = "push+pop", .contenders = alone},
        {.name = "single",
         .about = "Words, one by one.",
         .unit = "element",
         .threads = {2},
         .threads_fixed = true,
         .contenders = single},
        {.name = "single-64",
         .about = "64 bytes, one by one.",
         .unit = "element",
         .threads = {2},
         .threads_fixed = true,
         .contenders = single_wide},
        {.name = "batch",
         .about = "Words, 32 at a time, where there are batches; first, the copies alone.",
         .unit = "element",
         .threads = {2},
         .threads_fixed = true,
         .ops = BENCH_SPSC_BATCH,
         .contenders = batch},
        {.name = "batch-64",
         .about = "64 bytes, 32 at a time; first, the copies alone.",
         .unit = "element",
         .threads = {2},
         .threads_fixed = true,
         .ops = BENCH_SPSC_BATCH,
         .contenders = batch_wide},
        {.name = "round-trip",
         .about = "A word there and back through two queues; first, the lines alone.",
         .unit = "round trip",
         .threads = {2},
         .threads_fixed = true,
         .contenders = trip},
        {.name = "round-trip-64",
         .about = "64 bytes there and back.",
         .unit = "round trip",
         .threads = {2},
         .threads_fixed = true,
         .contenders = trip_wide},
        {.name = "alone-64",
         .about = "One thread: 64 bytes in and out.",
         .unit = "push+pop",
         .contenders = alone_wide},
        {0},
    };
    static const struct bench_program program = {"spsc", "Queues between one producer and one consumer.",
                                                 groups};

    return bench_main(argc, argv, &program);
}
