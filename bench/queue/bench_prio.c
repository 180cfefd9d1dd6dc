/* SPDX-License-Identifier: MIT */
/* Priorities: 64 levels, elements of 8 bytes at random levels.
 *
 * By operation, uncontended: push 1 RMW, and 1 more when the level was empty; pop 1 RMW, and 3 or 4 when it
 * finds a level empty whose bit is set; with relief 1 more. No fences. */
#include "prio_peers.h"

#include <pawl/atomic.h>
#include <pawl/lock.h>
#include <pawl/prio.h>

#include <errno.h>
#include <stdlib.h>

#define STATICS(name)                                                  \
    static void name##_pairs(struct bench_thread *thread, uint64_t n); \
    static void name##_alone(struct bench_thread *thread, uint64_t n); \
    static void name##_flow(struct bench_thread *thread, uint64_t n)

/* ---- ours ---- */

static int open_strict(unsigned threads, void **shared)
{
    (void)threads;
    *shared = pawl_prio_open(BENCH_LEVELS, BENCH_ROOM, 8, 0);
    return *shared == NULL ? -errno : 0;
}

static int open_relief(unsigned threads, void **shared)
{
    (void)threads;
    *shared = pawl_prio_open(BENCH_LEVELS, BENCH_ROOM, 8, 8);
    return *shared == NULL ? -errno : 0;
}

static void close_prio(void *shared)
{
    pawl_prio_free(shared);
}

STATICS(prio);
#define LOOP(name) prio_##name
#define QUEUE struct pawl_prio
#define PUSH(queue, level, element) (pawl_prio_push(queue, level, &(element)) == 0)
#define POP(queue, element) (pawl_prio_pop(queue, &(element), NULL) == 0)
#include "prio_loops.h"

/* ---- the same under a mutex: what one would write ---- */

struct level {
    uint64_t head, tail, element[BENCH_ROOM];
};

struct locked {
    struct pawl_mutex mutex;
    uint64_t map;
    struct level level[BENCH_LEVELS];
};

static int open_locked(unsigned threads, void **shared)
{
    struct locked *q = calloc(1, sizeof *q);

    (void)threads;
    *shared = q;
    return q == NULL ? -ENOMEM : 0;
}

static bool push_locked(struct locked *q, unsigned number, uint64_t element)
{
    struct level *level = &q->level[number];
    bool room;

    pawl_mutex_lock(&q->mutex);
    room = level->tail - level->head < BENCH_ROOM;
    if (room) {
        level->element[level->tail++ % BENCH_ROOM] = element;
        q->map |= UINT64_C(1) << number;
    }
    pawl_mutex_unlock(&q->mutex);
    return room;
}

static bool pop_locked(struct locked *q, uint64_t *element)
{
    bool found;

    pawl_mutex_lock(&q->mutex);
    found = q->map != 0;
    if (found) {
        struct level *level = &q->level[__builtin_ctzll(q->map)];

        *element = level->element[level->head++ % BENCH_ROOM];
        if (level->head == level->tail)
            q->map &= q->map - 1;
    }
    pawl_mutex_unlock(&q->mutex);
    return found;
}

STATICS(locked);
#define LOOP(name) locked_##name
#define QUEUE struct locked
#define PUSH(queue, level, element) push_locked(queue, level, element)
#define POP(queue, element) pop_locked(queue, &(element))
#include "prio_loops.h"

#if BENCH_HAVE_TBB
#define ROW_TBB(loop)                                                                             \
    {                                                                                             \
        .name = "tbb::concurrent_priority_queue", .setup = tbb_prio_open, .run = tbb_prio_##loop, \
        .alone = tbb_prio_alone, .teardown = tbb_prio_close                                       \
    }
#else
#define ROW_TBB(loop)                                                                                    \
    {                                                                                                    \
        .name = "tbb::concurrent_priority_queue", .missing = "built without oneTBB (Debian: libtbb-dev)" \
    }
#endif

#define ROWS(loop)                           \
    {                                        \
        {.name = "pawl_prio",                \
         .setup = open_strict,               \
         .run = prio_##loop,                 \
         .alone = prio_alone,                \
         .teardown = close_prio},            \
            {.name = "pawl_prio, relief 8",  \
             .setup = open_relief,           \
             .run = prio_##loop,             \
             .alone = prio_alone,            \
             .teardown = close_prio},        \
            {.name = "rings and pawl_mutex", \
             .setup = open_locked,           \
             .run = locked_##loop,           \
             .alone = locked_alone,          \
             .teardown = free},              \
            ROW_TBB(loop), {0},              \
    }

static const struct bench_contender pairs[] = ROWS(pairs);
static const struct bench_contender flow[] = ROWS(flow);

int main(int argc, char **argv)
{
    static const struct bench_group groups[] = {
        {.name = "uncontended",
         .about = "In and out at random levels, 16 elements inside, one thread.",
         .unit = "pair",
         .batch = BENCH_INSIDE,
         .contenders = pairs},
        {.name = "flow",
         .about = "Half of the threads push at random levels, half pop.",
         .unit = "element",
         .batch = BENCH_INSIDE,
         .threads = {2, 4, 8, 16},
         .contenders = flow},
        {0},
    };
    static const struct bench_program program = {"prio", "Queues with priorities.", groups};

    return bench_main(argc, argv, &program);
}
