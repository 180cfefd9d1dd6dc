/* SPDX-License-Identifier: MIT */
/* How the end of a runtime is found: by counting.
 *
 * What keeps a runtime open is counted twice: when it begins, and when it has ended. It is tasks, and
 * holds (something outside of the workers that still belongs to the runtime). Each worker has a tally that
 * it alone writes; all other threads share one.
 *
 *     closes                                 a worker that has seen it, and has nothing left
 *       a hold of its own                      quiet + 1                                         Q
 *       phase = CLOSING               C        the last: all that ended, then all that began     L
 *       call all workers                       equal: phase = ENDED, call the others             C
 *       a grace period of RCU                  sleep (<idle.h>); and up again: quiet - 1         Q
 *       release the hold
 *
 *     spawns, from outside                   holds                     releases
 *       section of RCU                         began + 1                 section of RCU
 *       phase is OPEN, else refused            fence            E        ended + 1               L
 *       began + 1                              phase is OPEN,            not OPEN: call a worker
 *       make it visible, call a worker         else release it
 *
 * What began from outside is counted in time: a spawn that has seen OPEN is in a section that the grace
 * period waits for, and until then the hold of who closes is missing among those that have ended. Of a
 * hold and a close, one sees the other: E. What a worker spawned it counted before it was quiet, Q, or a
 * task that ended since was counted before, L.
 *
 * And somebody counts after the last has ended: either it is a worker, which counts when it is quiet, or a
 * release, which calls one. A release that does not call, because it has not seen the end begin, is in a
 * section that the grace period waits for: the release of who closes comes after it, and calls. */
#ifndef PAWL_RT_ENDING_H
#define PAWL_RT_ENDING_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stdint.h>

enum pawl_rt_phase {
    PAWL_RT_OPEN_,
    PAWL_RT_CLOSING_, /* everything is being cancelled */
    PAWL_RT_ENDED_,   /* nothing is left: workers go */
};

struct pawl_ending {
    PAWL_ATOMIC(uint32_t) phase; /* C: enum pawl_rt_phase */
    PAWL_ATOMIC(uint32_t) quiet; /* Q: closing: workers that have nothing left */
};

struct pawl_tally {
    PAWL_ATOMIC(uint64_t) began, ended; /* L */
};

/* All of a runtime: that of the threads that are no workers, and the i-th worker's. */
struct pawl_tallies {
    const struct pawl_tally *outside;
    const struct pawl_tally *(*of)(const void *context, uint32_t i);
    const void *context;
    uint32_t workers;
};

static inline bool pawl_ending_begun_(const struct pawl_ending *ending)
{
    return pawl_load_acquire(&ending->phase) !=
           PAWL_RT_OPEN_; /* acquire C: pairs with the releases in begin() and quiet() */
}

static inline bool pawl_ending_over_(const struct pawl_ending *ending)
{
    return pawl_load_acquire(&ending->phase) == PAWL_RT_ENDED_; /* acquire C: pairs with quiet() */
}

/* ---- tallies ---- */

/* By the worker whose it is. */
static inline void pawl_tally_began_own_(struct pawl_tally *own)
{
    /* relaxed: Q and L publish it, see above */
    pawl_store_relaxed(&own->began, pawl_load_relaxed(&own->began) + 1);
}

static inline void pawl_tally_ended_own_(struct pawl_tally *own)
{
    /* release L: pairs with the acquires in alive(), publishes what it began itself, and its own beginning */
    pawl_store_release(&own->ended, pawl_load_relaxed(&own->ended) + 1);
}

/* A spawn from outside, in a section of RCU in which the runtime was seen to be open. */
static inline void pawl_tally_began_(struct pawl_tally *outside)
{
    /* relaxed: the section orders it, see above */
    pawl_fetch_add_relaxed(&outside->began, UINT64_C(1));
}

/* What has begun and not ended. The ended ones are counted first: every one that this counts began before,
 * and what it began itself was counted before it ended. So if the sums are equal, there was nothing at the
 * moment between the two countings; else there may have been less than this says. */
static inline uint64_t pawl_tallies_alive_(const struct pawl_tallies *all)
{
    uint64_t began = 0,
             ended = pawl_load_acquire(&all->outside->ended); /* acquire L, all: with the releases */

    for (uint32_t i = 0; i < all->workers; i++)
        ended += pawl_load_acquire(&all->of(all->context, i)->ended);
    for (uint32_t i = 0; i < all->workers; i++)
        began += pawl_load_relaxed(&all->of(all->context, i)->began); /* relaxed, both: behind the acquires */
    began += pawl_load_relaxed(&all->outside->began);
    return began - ended;
}

/* ---- the end ---- */

/* By who closes, whose hold makes workers count in vain until it is released: behind a grace period. */
static inline void pawl_ending_begin_(struct pawl_ending *ending, struct pawl_tally *outside)
{
    pawl_fetch_add_relaxed(&outside->began, UINT64_C(1)); /* relaxed: C publishes it */
    /* release C: pairs with the acquires in begun(), publishes the hold. The fences that order it before
     * the looks at who sleeps, and of E, are those of the calls that follow. */
    pawl_store_release(&ending->phase, (uint32_t)PAWL_RT_CLOSING_);
}

/* Counts a hold. False: it closes, which may have been seen too late: what called must release it if it may
 * not go on. */
static inline bool pawl_ending_hold_(const struct pawl_ending *ending, struct pawl_tally *outside)
{
    pawl_fetch_add_relaxed(&outside->began, UINT64_C(1)); /* relaxed: the fence orders it */
    pawl_fence_seq_cst(); /* E: the addition before the look. Pairs with the fence of the close's calls */
    return !pawl_ending_begun_(ending);
}

/* The last touch of what the runtime has, but for the call: in a section of RCU around both. True: call a
 * worker. */
static inline bool pawl_ending_release_(const struct pawl_ending *ending, struct pawl_tally *outside)
{
    /* release L: pairs with the acquire in alive(). No fence before the look: if this does not see that it
     * closes, the grace period of the close waits for the section, and the release behind that calls a
     * worker which sees the addition. */
    pawl_fetch_add_release(&outside->ended, UINT64_C(1));
    return pawl_ending_begun_(ending);
}

/* A worker that closes has nothing left, and is about to sleep. True: it has ended the runtime, and must
 * call the others. */
static inline bool pawl_ending_quiet_(struct pawl_ending *ending, const struct pawl_tallies *all)
{
    /* acq_rel Q: pairs with those of the others, which were quiet before this one or have left again: what
     * they did until then is counted */
    if (pawl_fetch_add_acq_rel(&ending->quiet, 1u) + 1 != all->workers || pawl_tallies_alive_(all) != 0)
        return false;
    pawl_store_release(&ending->phase,
                       (uint32_t)PAWL_RT_ENDED_); /* release C: pairs with the acquire in over() */
    return true;
}

/* Up again. */
static inline void pawl_ending_loud_(struct pawl_ending *ending)
{
    /* acq_rel Q: before anything that it does now; see quiet() */
    pawl_fetch_sub_acq_rel(&ending->quiet, 1u);
}

#endif
