/* SPDX-License-Identifier: MIT */
/* How long to spin, when to yield, when to park: one policy for every loop that waits.
 *
 * Purpose    Four loops, four functions. _pause: a compare-and-swap lost against another thread, try again
 *            after a while. _wait: only another thread can make this one go on, and there is nothing to
 *            sleep on. _again: spin as long as that may be cheaper than sleeping, then be told to park.
 *            _contend: the same for a lock that its holder gives back and takes again: look rarely.
 * Model      Rounds of pauses, each twice as long as the one before, up to a limit: threads that collide do
 *            not collide again at once. Lengths are in time, not in `pause` instructions, which take 3 to 50 ns.
 *
 *              pause     40 ns  80  160  320  640  640 ...
 *              wait      40 ns  80  160  320  640  640 ...  (5 us in all), then sched_yield() each time
 *              again     40 ns  80  160  320  640  640 ...  (5 us in all), then false
 *              contend   1.3 us 2.6 us 5.1 us 10 us         (19 us in all), then false; where lines are quick it
 *                        begins with 160 ns and takes seven rounds (20 us)
 *
 *            Parking costs both sides 5 us and more, so a waiter loses at most a small multiple of
 *            what the better choice would have cost. The rounds of _contend are long because each look takes the
 *            line of the lock from the thread that works with it: the holder does several sections
 *            in a row meanwhile (docs/lock.md has the figures). Where lines go quickly from one CPU to the other that is
 *            not worth it: waiters of pawl_mutex measure how long a look takes, for the whole process.
 *            A process that may use only one CPU never spins: what it waits for cannot happen meanwhile. What
 *            counts is what it might use when it was loaded: a thread that was pinned later spins.
 *            Instrumented builds do not spin either: time means nothing there.
 * Progress   pause, again, contend: wait-free. wait: as well, but a loop around it is blocking.
 * Ordering   none.
 * Signals    Every function may be called from signal handlers. The first use in the process measures the
 *            length of `pause` (about 20 us, once) and asks the kernel for the CPUs.
 * fork       The child keeps what its parent found out.
 * Source     T. Anderson, "The performance of spin lock alternatives", 1990; A. Karlin et al., "Empirical
 *            studies of competitive spinning", 1991.
 */
#ifndef PAWL_BACKOFF_H
#define PAWL_BACKOFF_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* One for each episode of waiting, on the stack. Zero is a fresh one. */
struct pawl_backoff {
    uint32_t round;
};

#define PAWL_BACKOFF_INIT \
    {                     \
        0                 \
    }

/* Waits for the length of the next round, 40 to 640 ns. */
PAWL_API void pawl_backoff_pause(struct pawl_backoff *backoff) PAWL_NONNULL;

/* The same for about 5 us in all; from then on yields the processor, as the thread that is waited for may not
 * be running. */
PAWL_API void pawl_backoff_wait(struct pawl_backoff *backoff) PAWL_NONNULL;

/* Waits for the next round and returns true: look again. Or returns false at once: park. */
PAWL_API bool pawl_backoff_again(struct pawl_backoff *backoff) PAWL_NONNULL;

/* The same with long rounds. */
PAWL_API bool pawl_backoff_contend(struct pawl_backoff *backoff) PAWL_NONNULL;

/* True when spinning makes sense here: the process may use more than one CPU. */
PAWL_API bool pawl_backoff_spins(void);

PAWL_END_DECLS
#endif
