/* SPDX-License-Identifier: MIT */
/* Asymmetric fences: a full fence that costs the frequent side nothing.
 *
 * Purpose    Two threads that each store to one word and then look at the other's (store buffering): readers
 *            and reclaimers, owners and thieves, sleepers and wakers. Both need a full fence in between, 20
 *            cycles and more. Where one side is rare it can pay for both: the rare side calls
 *            pawl_fence_heavy(), the frequent one pawl_fence_light().
 * Model      For a light fence L in one thread and a heavy fence H in another: either all that comes before L
 *            is visible to what comes after H, or all that comes before H is visible to what comes after L.
 *            Two light fences order nothing between each other: of each pair of threads one must be heavy.
 *            With three parties this is weaker than three full fences: if A (light) is ordered against B
 *            (heavy), and B against C (light), nothing follows for A and C.
 * Progress   Wait-free; heavy makes a system call.
 * Signals    Both may be called from signal handlers and keep errno.
 * fork       Works in the child at once.
 * Cost       light: none, it only stops the compiler (and reads one line that never changes). heavy: about a
 *            microsecond and an interrupt on each CPU that runs a thread of this process.
 * Without    Kernels without private expedited membarrier (< 4.14, sandboxes that forbid it at start), and
 *            PAWL_MEMBARRIER=off in the environment: both are full fences. Found out once, at start. A
 *            sandbox that forbids membarrier later must not: the next heavy fence aborts, as readers
 *            that run meanwhile cannot be fenced any more.
 * Instrumented builds take full fences on both sides: neither ThreadSanitizer nor the model checker sees
 *            the system call.
 * Source     Linux membarrier(2); D. Dice, H. Huang, M. Yang, "Asymmetric Dekker synchronization", 2001.
 */
#ifndef PAWL_FENCE_H
#define PAWL_FENCE_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>

PAWL_BEGIN_DECLS

/* Not 0: there is no membarrier, light fences are full ones. Set at start. */
extern PAWL_API int pawl_fence_symmetric_;

/* Whether heavy fences work for the light ones, so that these cost nothing. Constant; any thread. */
PAWL_API bool pawl_fence_asymmetric(void);

/* The rare side. Any thread, signal handlers too. */
PAWL_API void pawl_fence_heavy(void);

/* The frequent side. Any thread, signal handlers too. */
PAWL_API PAWL_INLINE void pawl_fence_light(void)
{
#if PAWL_INSTRUMENTED
    pawl_fence_seq_cst(); /* see above */
#else
    pawl_fence_compiler();
    if (PAWL_UNLIKELY(pawl_fence_symmetric_ != 0))
        pawl_fence_seq_cst(); /* there is no membarrier: this side's stores before its next loads */
#endif
}

PAWL_END_DECLS
#endif
