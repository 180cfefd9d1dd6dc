/* SPDX-License-Identifier: MIT */
/* Closures of the broadcast for the model checker. PRODUCERS push ELEMENTS each into CAPACITY cells,
 * CONSUMERS see them all: each in the order of each producer, all consumers the same order, nothing torn,
 * nothing missing but what was lost and counted. -DFLAGS: PAWL_BROADCAST_ONE_PRODUCER (2),
 * PAWL_BROADCAST_OVERWRITE (4). -DCHAIN=1: the second consumer comes after the first and sees what it wrote
 * into the elements. -DLATE=1: the last consumer subscribes beside the pushes, with -DREUSE=1 under the
 * number of the first, once that has unsubscribed. -DSTART: the number of the first element.
 *
 * Nobody sleeps here (PAWL_BROADCAST_SPIN): how the _wait forms sleep is checked with <pawl/handover.h>.
 * Mutants that survive, and why: docs/broadcast.md. */
#include <pawl/broadcast.h>
#include <pawl/check.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef ELEMENTS
#define ELEMENTS 2
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef FLAGS
#define FLAGS 0
#endif
#ifndef START
#define START 0
#endif
#ifndef CHAIN
#define CHAIN 0
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef REUSE
#define REUSE 0
#endif
#ifndef CLOSE_EARLY
#define CLOSE_EARLY 0
#endif
#ifndef POPS
#define POPS ELEMENTS
#endif

PAWL_STATIC_ASSERT(PAWL_BROADCAST_ONE_PRODUCER == 2 && PAWL_BROADCAST_OVERWRITE == 4, "as in FLAGS");

struct element {
    uint64_t producer, number, sum; /* more than one word: it can be torn */
};

static struct pawl_broadcast *b;
static struct element seen[CONSUMERS][PRODUCERS * ELEMENTS];
static int seen_count[CONSUMERS];
static int consumers[CONSUMERS];
static int closing; /* plain: written before the end, read by who is told of it */

static void *produce(void *argument)
{
    uint64_t producer = (uint64_t)(uintptr_t)argument;

    for (uint64_t i = 0; i < ELEMENTS; i++) {
        struct element element = {producer, i, producer * 10 + i};
        int status = pawl_broadcast_push(b, &element);

#if FLAGS & 4
        assert(status == 0);
#else
        pawl_check_assume(status == 0); /* a full one would try again: an execution of its own */
#endif
    }
    return NULL;
}

static bool take(int consumer)
{
    struct element *element = &seen[consumer][seen_count[consumer]];

#if CHAIN
    struct element *place = pawl_broadcast_peek(b, consumers[consumer]);

    if (place == NULL)
        return false;
    *element = *place;
    if (consumer == 0)
        place->sum += 100;
    else
        element->sum -= 100;
    pawl_broadcast_release(b, consumers[consumer]);
#else
    int status = pawl_broadcast_pop(b, consumers[consumer], element);

    if (status == -EPIPE)
        assert(closing == 1);
    if (status != 0)
        return false;
#endif
    assert(element->sum == element->producer * 10 + element->number);
    seen_count[consumer]++;
    return true;
}

static void *consume(void *argument)
{
    int consumer = (int)(intptr_t)argument;

    if (consumer >= CONSUMERS - LATE) {
        consumers[consumer] = pawl_broadcast_subscribe(b, 0);
#if REUSE
        pawl_check_assume(consumers[consumer] >= 0); /* the first is still there: another execution */
#endif
        assert(consumers[consumer] >= 0);
    }
    for (int i = 0; i < POPS; i++)
        take(consumer);
#if REUSE
    if (consumer == 0)
        pawl_broadcast_unsubscribe(b, consumers[0]);
#endif
    return NULL;
}

static void judge(int consumer)
{
    uint64_t next[PRODUCERS] = {0};
    int count = seen_count[consumer];

    while (take(consumer))
        count = seen_count[consumer];
    for (int i = 0; i < count; i++) {
        struct element *element = &seen[consumer][i];

        assert(element->number >= next[element->producer]);
#if !(FLAGS & 4) && !LATE
        assert(element->number == next[element->producer]);
#endif
        next[element->producer] = element->number + 1;
    }
#if !LATE
    assert(count + (int)pawl_broadcast_lost(b, consumers[consumer]) == PRODUCERS * ELEMENTS);
#else
    (void)count;
#endif
    assert(pawl_broadcast_pop(b, consumers[consumer], &seen[0][0]) == -EPIPE);
}

int main(void)
{
    pthread_t threads[PRODUCERS + CONSUMERS];

    b = pawl_broadcast_open(CAPACITY, sizeof(struct element), CONSUMERS - REUSE, FLAGS | PAWL_BROADCAST_SPIN);
    assert(b != NULL);
    pawl_broadcast_start_at_(b, START);
    for (int i = 0; i < CONSUMERS - LATE; i++) {
        consumers[i] = pawl_broadcast_subscribe(b, CHAIN && i == 1 ? 1 : 0);
        assert(consumers[i] == i);
    }
    for (int i = 0; i < CONSUMERS; i++)
        pthread_create(&threads[PRODUCERS + i], NULL, consume, (void *)(intptr_t)i);
    for (int i = 1; i < PRODUCERS; i++)
        pthread_create(&threads[i], NULL, produce, (void *)(intptr_t)i);
    produce(NULL);
#if CLOSE_EARLY
    closing = 1;
    assert(pawl_broadcast_close(b) == 0);
#endif
    for (int i = 1; i < PRODUCERS + CONSUMERS; i++)
        pthread_join(threads[i], NULL);
#if !CLOSE_EARLY
    closing = 1;
    assert(pawl_broadcast_close(b) == 0);
#endif
    assert(pawl_broadcast_push(b, &seen[0][0]) == -EPIPE);
    for (int i = REUSE; i < CONSUMERS; i++)
        judge(i);
    pawl_broadcast_free(b);
    return 0;
}
