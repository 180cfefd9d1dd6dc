/* SPDX-License-Identifier: MIT */
/* Closures for the model checker: who waits for a lane is woken when one comes back. One lane is left of all, there is a cell
 * for everybody, and nobody pops before all are done: a wake-up that is lost is a pusher that sleeps for ever, which the
 * checker reports as a deadlock.
 * -DOTHER=WAITS: two that wait. BATCH: one of them does not. VAIN: it takes the lane, and leaves it having pushed nothing.
 * -DFLAGS=PAWL_SHARED: the form with ordinary fences.
 *
 * The sources of the queue are included, because the lanes are taken here.
 *
 * Mutants that survive, as who waits makes two attempts, with the full fence of prepare between them (tests/sync/
 * check_eventcount.c) and a wish in each: the second look of want_lane(), its fence, and release and acquire of the wish; and
 * the orders of L (docs/mpmc.md). */
#include "../../../src/core/queue/mpmc.c"
#include "../../../src/core/queue/mpmc_slot.c"

#include <assert.h>
#include <pthread.h>

#ifndef FLAGS
#define FLAGS PAWL_PRIVATE
#endif
#define WAITS 0
#define BATCH 1
#define VAIN 2
enum { CELLS = 2, WORDS = 2 };

static const uint64_t element[WORDS] = {1, 2};
static char memory[sizeof(struct pawl_mpmc) +
                   (2 + PAWL_MPMC_LANES) * (PAWL_CACHELINE_PAIR + sizeof element)] PAWL_LINE_PAIR_ALIGNED;
static struct pawl_mpmc *const queue = (void *)memory;

static void *push_wait(void *unused)
{
    (void)unused;
    assert(pawl_mpmc_push_wait(queue, element, PAWL_FOREVER) == 0);
    return NULL;
}

static void *push_batch(void *unused)
{
    (void)unused;
    assert(pawl_mpmc_push_n(queue, element, 1) >= 0);
    return NULL;
}

/* What a push does that finds its cell filled when it has the lane. */
static void *push_in_vain(void *unused)
{
    uint64_t slot;
    mpmc_word *lane = find_lane(queue, &slot);

    (void)unused;
    if (lane != NULL) {
        leave_lane(lane, slot);
        left_in_vain(queue);
    }
    return NULL;
}

int main(void)
{
    uint64_t popped[WORDS];
    pthread_t thread[2];

    assert(pawl_mpmc_bytes(CELLS, sizeof element) <= sizeof memory);
    assert(pawl_mpmc_init(queue, CELLS, sizeof element, FLAGS) == 0);
    for (uint64_t i = 1; i < PAWL_MPMC_LANES; i++)
        pawl_store_relaxed((mpmc_word *)(void *)(memory + queue->lanes + i * PAWL_CACHELINE_PAIR), TAKEN);
    pthread_create(&thread[0], NULL, push_wait, NULL);
    pthread_create(&thread[1], NULL,
                   OTHER == WAITS   ? push_wait
                   : OTHER == BATCH ? push_batch
                                    : push_in_vain,
                   NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    while (pawl_mpmc_pop(queue, popped) == 0)
        assert(popped[0] == element[0] && popped[1] == element[1]);
    assert(pawl_mpmc_empty(queue));
    return 0;
}
