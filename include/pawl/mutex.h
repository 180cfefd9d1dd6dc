/* SPDX-License-Identifier: MIT */
/* The mutex to take: spins a little, sleeps in the kernel, and does not collapse under too many threads.
 *
 * Purpose    Sections of any length, also with system calls inside, and any number of threads. The other locks of
 *            <pawl/lock.h> are for special cases. Not recursive, not robust (a process that dies with it leaves
 *            it locked), no priority inheritance.
 * Model      Locked or not. Whoever comes while it is free gets it, before those who sleep (barging): that is
 *            what keeps it fast, because a free lock never waits for a thread that has yet to wake
 *            up. Order of arrival means nothing.
 *
 *              state   | waiters (29 bits) | leaving | awake | locked |    wake   | wake-ups (31 bits) | shared |
 *
 *            waiters  threads that have gone to sleep once and have not got the lock yet.
 *            awake    one of them, or a thread that spins, is looking for the lock: who unlocks need not wake
 *                     another one. So one thread at a time is brought back, however many sleep.
 *            leaving  the holder is about to let go and wake one: nobody may fall asleep now.
 * Progress   lock, timedlock: blocking. trylock, unlock: wait-free without contention; unlock retries when
 *            another thread came to wait meanwhile. A holder that is stopped stops all who want the lock; they
 *            sleep. A stopped waiter stops nobody, unless it was just woken: then the others that sleep
 *            stay asleep until it runs (new arrivals do not). A process killed while it waits for a shared mutex counts as
 *            one that was: its waiters look every 100 ms, and go on.
 * Fairness   None is promised. A waiter can lose against newcomers again and again; it is then woken again
 *            by one of the next unlocks.
 * Ordering   M: unlock releases, the lock that follows acquires. S: the going to sleep, see mutex.c.
 * Errors     Unlocking a mutex that is not locked aborts with one line. Unlocking one that another thread
 *            holds is not noticed: the mutex does not store its holder.
 * Lifetime   May be freed by the thread that got the lock last, as soon as it has unlocked: an unlock touches no
 *            memory of the mutex after it has let go (its address may still be named to the kernel).
 * Signals    None of these from a signal handler that may have interrupted a holder.
 * fork       The child has a copy. Held by the forking thread: it unlocks its copy. Held by another
 *            thread: locked for ever in the child, unless initialised again. In shared memory with
 *            PAWL_SHARED both processes use one mutex.
 * Memory     8 bytes, zero is unlocked and private; no pointers.
 * Cost       lock 1 RMW, unlock 1 RMW; inline. With waiters: an unlock that finds none of them awake makes a
 *            system call.
 * Limits     2^29 - 1 waiters. A thread that is stopped while going to sleep, while exactly a multiple of 2^31
 *            wake-ups are given to others, sleeps through one.
 * Source     Linux futex(2); U. Drepper, "Futexes are tricky", 2011; barging and one thread awake at a time after
 *            Go's sync.Mutex and D. Dice, "Malthusian locks", 2017.
 * Checked    tests/sync/check_mutex.c
 */
#ifndef PAWL_MUTEX_H
#define PAWL_MUTEX_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/park.h>
#include <stdbool.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_mutex {
    PAWL_ATOMIC(uint32_t) state; /* M: see above; 0 is free, and nobody waits */
    PAWL_ATOMIC(uint32_t) wake;  /* the futex; changed by the holder only */
};

#define PAWL_MUTEX_INIT \
    {                   \
        0, 0            \
    }

/* Bits of `state`. */
#define PAWL_MUTEX_LOCKED 1u
#define PAWL_MUTEX_AWAKE 2u
#define PAWL_MUTEX_LEAVING 4u
#define PAWL_MUTEX_WAITER 8u

/* flags: PAWL_PRIVATE or PAWL_SHARED. Nobody may hold it or wait for it. */
PAWL_API void pawl_mutex_init(struct pawl_mutex *mutex, int flags) PAWL_NONNULL;

PAWL_API PAWL_COLD void pawl_mutex_lock_slow_(struct pawl_mutex *mutex);
PAWL_API PAWL_COLD int pawl_mutex_timedlock_slow_(struct pawl_mutex *mutex, uint64_t deadline);
PAWL_API PAWL_COLD void pawl_mutex_unlock_slow_(struct pawl_mutex *mutex);

/* Takes the lock if it is free, also before threads that wait. Returns 0 or -EBUSY (a value of <errno.h>).
 * Out of line: wait-free but for newcomers who change the word. */
PAWL_API int pawl_mutex_trylock(struct pawl_mutex *mutex) PAWL_NONNULL;

/* Waits until the lock is the caller's. */
PAWL_API PAWL_INLINE void pawl_mutex_lock(struct pawl_mutex *mutex)
{
    /* acquire M: pairs with the release in pawl_mutex_unlock, sees what earlier holders did. Not a CAS of 0:
     * a free mutex whose waiters are still waking up is taken at once as well. */
    if (PAWL_UNLIKELY((pawl_fetch_or_acquire(&mutex->state, PAWL_MUTEX_LOCKED) & PAWL_MUTEX_LOCKED) != 0))
        pawl_mutex_lock_slow_(mutex);
}

/* The same, until the deadline (see <pawl/park.h>). Returns 0 or -ETIMEDOUT. A lock that is free is taken
 * even if the deadline has passed. */
PAWL_API PAWL_INLINE int pawl_mutex_timedlock(struct pawl_mutex *mutex, uint64_t deadline)
{
    /* acquire M: as above */
    if (PAWL_LIKELY((pawl_fetch_or_acquire(&mutex->state, PAWL_MUTEX_LOCKED) & PAWL_MUTEX_LOCKED) == 0))
        return 0;
    return pawl_mutex_timedlock_slow_(mutex, deadline);
}

/* By the thread that locked it. */
PAWL_API PAWL_INLINE void pawl_mutex_unlock(struct pawl_mutex *mutex)
{
    uint32_t expected = PAWL_MUTEX_LOCKED;

    /* release M: pairs with the acquires that take the lock, publishes what this holder did. A CAS, not an
     * exchange: what is to be done for waiters must be done before the lock is let go. Of a constant: to load the
     * word first would cost a third of all that lock and unlock cost, right behind an RMW. */
    if (PAWL_UNLIKELY(!pawl_cas_release(&mutex->state, &expected, 0u)))
        pawl_mutex_unlock_slow_(mutex);
}

PAWL_END_DECLS
#endif
