/* SPDX-License-Identifier: MIT */
/* Inside the reclamation rooms: how many retired objects share one heavy fence.
 *
 * A membarrier is a short system call while no other CPU runs a thread of the process, and interrupts those that do:
 * 0.2 us, and 3 to 20 us, on the machine of docs/reclaim.md. So batches are small, as garbage is memory, until fences
 * are found to be dear. One step a batch, both ways: a fence in which the thread was preempted says little, and after one
 * step what is held is still below the 255 objects of other libraries. */
#ifndef PAWL_CORE_RECLAIM_BATCH_H
#define PAWL_CORE_RECLAIM_BATCH_H

#include <stdint.h>
#include <time.h>

#ifndef BATCH_LEAST /* closures for the model checker make do with 1 */
#define BATCH_LEAST UINT32_C(120)
#endif
#define BATCH_MOST (4 * BATCH_LEAST)

enum { BATCH_NS_AN_OBJECT = 16 }; /* what a fence may cost each of them */

/* Not <pawl/clock.h>: its first call calibrates for milliseconds, which a retire must not. */
static inline uint64_t batch_clock(void)
{
#ifdef NOW /* in the model checker's closures no time passes */
    return NOW();
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
#endif
}

/* The size of the next batch, after one of `batch` objects whose fence took `ns`. 0: it was the thread's first, which
 * the kernel takes longer for and which says nothing. */
static inline uint32_t batch_after(uint32_t batch, uint64_t ns)
{
    uint64_t worth = ns / BATCH_NS_AN_OBJECT;

    if (batch < BATCH_LEAST)
        return BATCH_LEAST;
    /* twice as far down as up: it shall not go to and fro */
    if (worth > batch)
        return batch < BATCH_MOST ? 2 * batch : batch;
    return worth < batch / 4 && batch > BATCH_LEAST ? batch / 2 : batch;
}

#endif
