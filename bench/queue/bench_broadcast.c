/* SPDX-License-Identifier: MIT */
/* Broadcast: thread 0 pushes n elements of 8 bytes, every other thread sees them all.
 *
 * By operation: push 0 RMW (many producers: 1), pop 0 RMW, no fences; lines written: push the cell and the
 * head, pop the position. Who finds nothing, or no room, yields the processor, in all contenders. */
#include "broadcast_peers.h"

#include <pawl/broadcast.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { BATCH = 32 };

/* ---- ours ---- */

static int open_broadcast(unsigned threads, void **shared, int flags)
{
    struct pawl_broadcast *b = pawl_broadcast_open(BENCH_SLOTS, sizeof(uint64_t), BENCH_CONSUMERS_MAX, flags);

    if (b == NULL)
        return -errno;
    for (unsigned i = 1; i < threads || i == 1; i++)
        if (pawl_broadcast_subscribe(b, 0) < 0)
            return -EINVAL;
    *shared = b;
    return 0;
}

static int open_one(unsigned threads, void **shared)
{
    return open_broadcast(threads, shared, PAWL_BROADCAST_ONE_PRODUCER);
}

static int open_many(unsigned threads, void **shared)
{
    return open_broadcast(threads, shared, 0);
}

static int open_overwriting(unsigned threads, void **shared)
{
    return open_broadcast(threads, shared, PAWL_BROADCAST_ONE_PRODUCER | PAWL_BROADCAST_OVERWRITE);
}

static void free_broadcast(void *shared)
{
    pawl_broadcast_free(shared);
}

static void run_single(struct bench_thread *thread, uint64_t n)
{
    struct pawl_broadcast *b = thread->shared;
    int consumer = (int)thread->index - 1;
    uint64_t element = 0;

    if (thread->index == 0)
        for (uint64_t i = 0; i < n; i++)
            while (pawl_broadcast_push(b, &i) != 0)
                sched_yield();
    else
        for (uint64_t i = 0; i < n; i++)
            while (pawl_broadcast_pop(b, consumer, &element) != 0)
                sched_yield();
    bench_keep(element);
}

static void run_batches(struct bench_thread *thread, uint64_t n)
{
    struct pawl_broadcast *b = thread->shared;
    int consumer = (int)thread->index - 1;
    uint64_t elements[BATCH] = {0};

    for (uint64_t done = 0; done < n;) {
        uint64_t most = n - done < BATCH ? n - done : BATCH;
        ptrdiff_t got = thread->index == 0 ? pawl_broadcast_push_n(b, elements, most)
                                           : pawl_broadcast_pop_n(b, consumer, elements, most);

        if (got > 0)
            done += (uint64_t)got;
        else
            sched_yield();
    }
    bench_keep(elements[0]);
}

/* In one thread, which is its only consumer. */
static void run_pairs(struct bench_thread *thread, uint64_t n)
{
    struct pawl_broadcast *b = thread->shared;
    uint64_t element = 0;

    for (uint64_t i = 0; i < n; i++) {
        bench_keep((uint64_t)pawl_broadcast_push(b, &i));
        bench_keep((uint64_t)pawl_broadcast_pop(b, 0, &element));
        bench_keep(element);
    }
}

static void run_pairs_of_batches(struct bench_thread *thread, uint64_t n)
{
    struct pawl_broadcast *b = thread->shared;
    uint64_t elements[BATCH] = {0};

    for (uint64_t i = 0; i < n; i += BATCH) {
        bench_keep((uint64_t)pawl_broadcast_push_n(b, elements, BATCH));
        bench_keep((uint64_t)pawl_broadcast_pop_n(b, 0, elements, BATCH));
        bench_keep(elements[0]);
    }
}

/* What a consumer loses counts as seen: it need not look at it. */
static void run_overwriting(struct bench_thread *thread, uint64_t n)
{
    struct pawl_broadcast *b = thread->shared;
    int consumer = (int)thread->index - 1;
    uint64_t element = 0, lost;

    if (thread->index == 0) {
        for (uint64_t i = 0; i < n; i++)
            bench_keep((uint64_t)pawl_broadcast_push(b, &i));
        return;
    }
    lost = pawl_broadcast_lost(b, consumer);
    for (uint64_t i = 0; i + (pawl_broadcast_lost(b, consumer) - lost) < n;)
        if (pawl_broadcast_pop(b, consumer, &element) == 0)
            i++;
        else
            sched_yield();
    bench_keep(element);
}

/* ---- a ring under a mutex ---- */

struct locked {
    pthread_mutex_t lock;
    uint64_t head;
    uint64_t position[BENCH_CONSUMERS_MAX];
    uint64_t slot[BENCH_SLOTS];
};

static int open_locked(unsigned threads, void **shared)
{
    struct locked *locked = calloc(1, sizeof *locked);

    (void)threads;
    if (locked == NULL)
        return -ENOMEM;
    pthread_mutex_init(&locked->lock, NULL);
    *shared = locked;
    return 0;
}

static bool push_locked(struct locked *locked, unsigned consumers, uint64_t element)
{
    bool room = true;

    pthread_mutex_lock(&locked->lock);
    for (unsigned i = 0; i < consumers; i++)
        room &= locked->head - locked->position[i] < BENCH_SLOTS;
    if (room)
        locked->slot[locked->head++ % BENCH_SLOTS] = element;
    pthread_mutex_unlock(&locked->lock);
    return room;
}

static bool pop_locked(struct locked *locked, unsigned consumer, uint64_t *element)
{
    bool there;

    pthread_mutex_lock(&locked->lock);
    there = locked->position[consumer] != locked->head;
    if (there)
        *element = locked->slot[locked->position[consumer]++ % BENCH_SLOTS];
    pthread_mutex_unlock(&locked->lock);
    return there;
}

static void run_locked_pairs(struct bench_thread *thread, uint64_t n)
{
    uint64_t element = 0;

    for (uint64_t i = 0; i < n; i++) {
        bench_keep((uint64_t)push_locked(thread->shared, 1, i));
        bench_keep((uint64_t)pop_locked(thread->shared, 0, &element));
        bench_keep(element);
    }
}

static void run_locked(struct bench_thread *thread, uint64_t n)
{
    uint64_t element = 0;

    if (thread->index == 0)
        for (uint64_t i = 0; i < n; i++)
            while (!push_locked(thread->shared, thread->threads - 1, i))
                sched_yield();
    else
        for (uint64_t i = 0; i < n; i++)
            while (!pop_locked(thread->shared, thread->index - 1, &element))
                sched_yield();
    bench_keep(element);
}

/* ---- who takes part ---- */

#if BENCH_HAVE_BOOST
#define BOOST(loop)                                                                                  \
    {                                                                                                \
        .name = "boost spsc each", .setup = peer_boost_queues_open, .run = peer_boost_queues_##loop, \
        .alone = peer_boost_queues_pairs, .teardown = peer_boost_queues_free                         \
    }
#else
#define BOOST(loop)                                                                \
    {                                                                              \
        .name = "boost spsc each", .missing = "built without Boost (libboost-dev)" \
    }
#endif
#if BENCH_HAVE_CK
#define CK(loop)                                                                            \
    {                                                                                       \
        .name = "ck_ring each", .setup = peer_ck_queues_open, .run = peer_ck_queues_##loop, \
        .alone = peer_ck_queues_pairs                                                       \
    }
#else
#define CK(loop)                                                                       \
    {                                                                                  \
        .name = "ck_ring each", .missing = "built without Concurrency Kit (libck-dev)" \
    }
#endif

/* What one thread does when its costs are counted is to push and to pop as one consumer. */
static const struct bench_contender all[] = {
    {.name = "pawl_broadcast",
     .setup = open_one,
     .run = run_single,
     .alone = run_pairs,
     .teardown = free_broadcast},
    {.name = "... many producers",
     .setup = open_many,
     .run = run_single,
     .alone = run_pairs,
     .teardown = free_broadcast},
    {.name = "... batches of 32",
     .setup = open_one,
     .run = run_batches,
     .alone = run_pairs_of_batches,
     .teardown = free_broadcast},
    {.name = "... overwriting",
     .setup = open_overwriting,
     .run = run_overwriting,
     .alone = run_pairs,
     .teardown = free_broadcast},
    BOOST(run),
    CK(run),
    {.name = "ring and mutex",
     .setup = open_locked,
     .run = run_locked,
     .alone = run_locked_pairs,
     .teardown = free},
    {0},
};

static const struct bench_contender pairs[] = {
    {.name = "pawl_broadcast", .setup = open_one, .run = run_pairs, .teardown = free_broadcast},
    {.name = "... many producers", .setup = open_many, .run = run_pairs, .teardown = free_broadcast},
    {.name = "... batches of 32", .setup = open_one, .run = run_pairs_of_batches, .teardown = free_broadcast},
    {.name = "... overwriting", .setup = open_overwriting, .run = run_pairs, .teardown = free_broadcast},
    BOOST(pairs),
    CK(pairs),
    {0},
};

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "pairs",
         .about = "Push one, pop one. 0 RMW (many producers: 1), 0 fences.",
         .unit = "push+pop",
         .batch = BATCH,
         .contenders = pairs},
        {.name = "stream",
         .about = "One producer; all other threads see every element.",
         .unit = "element a thread",
         .batch = BATCH,
         .threads = {2, 3, 5},
         .contenders = all},
        {0},
    };
    static const struct bench_program program = {"broadcast", "One stream, several consumers.", groups};

    return bench_main(argc, argv, &program);
}
