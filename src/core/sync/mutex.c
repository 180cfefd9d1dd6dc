/* SPDX-License-Identifier: MIT */
/* The slow paths of <pawl/mutex.h>.
 *
 * Why no wake-up is lost (S). A thread that goes to sleep
 *     S1  reads `wake`,
 *     S2  by a CAS of `state` that requires "locked" without "leaving" (release): counts itself if it is not
 *         counted yet, and clears "awake" if it is answerable for it,
 *     S3  sleeps if `wake` still is what it read.
 * Answerable is who has set "awake" for itself, and everybody who comes back from S3. A thread that unlocks and
 * finds waiters, none of them awake,
 *     U1  sets "leaving", by a CAS (acquire),
 *     U2  increments `wake`,
 *     U3  lets go of the lock, and sets "awake" unless the last waiter has given up meanwhile (release),
 *     U4  wakes one.
 * While "leaving" is set nobody does S2. So whoever is counted at U3 and not awake did S2 before U1, hence S1
 * before U2: it read the old value, and either sleeps by the time of U4 or will not fall asleep at all.
 * (Without "leaving", a waiter that had seen the new value could go back to sleep with it between U2 and U3,
 * and leave `state` as it was, which U3 could not notice. The model checker found that.)
 *
 * Whoever is answerable clears "awake" when it gets the lock, gives up, or at S2. In the last two cases the lock
 * is held, and its holder's unlock will see the bit cleared. So whenever the lock is free and there are
 * waiters, one thread is awake, or on its way to be, and will look at the lock.
 *
 * A process that is killed while it sleeps stays counted, and the next unlock makes it answerable. So the waiters of a
 * mutex that processes share do not sleep for long at a time: who comes back is answerable in its place.
 *
 * Nothing of the mutex is touched after U3: the next holder may free it. */
#include <pawl/mutex.h>

#include "fail.h"
#include "look.h"

#include <errno.h>
#include <pawl/backoff.h>

extern inline void pawl_mutex_lock(struct pawl_mutex *mutex);
extern inline int pawl_mutex_timedlock(struct pawl_mutex *mutex, uint64_t deadline);
extern inline void pawl_mutex_unlock(struct pawl_mutex *mutex);

PAWL_STATIC_ASSERT(sizeof(struct pawl_mutex) == 8, "the size that the header promises");

#define LOCKED PAWL_MUTEX_LOCKED
#define AWAKE PAWL_MUTEX_AWAKE
#define LEAVING PAWL_MUTEX_LEAVING
#define WAITER PAWL_MUTEX_WAITER /* one of them */
#define ONE_WAKE_UP 2u           /* in `wake`, whose lowest bit is PAWL_SHARED */
#define SHARED_NAP_NS UINT64_C(100000000)

/* What a thread in its slow path has in `state`. */
struct attempt {
    struct pawl_mutex *mutex;
    bool counted;    /* among the waiters */
    bool answerable; /* for the bit "awake" */
};

void pawl_mutex_init(struct pawl_mutex *mutex, int flags)
{
    pawl_store_relaxed(&mutex->state, 0u); /* relaxed: nobody has it yet */
    pawl_store_relaxed(&mutex->wake, (uint32_t)flags & PAWL_SHARED);
}

static uint32_t without_awake(const struct attempt *attempt, uint32_t state)
{
    return attempt->answerable ? state & ~AWAKE : state;
}

/* Takes the lock, which `state` says is free. */
static bool take(struct attempt *attempt, uint32_t state)
{
    uint32_t next = without_awake(attempt, state) + LOCKED - (attempt->counted ? WAITER : 0);

    /* acquire M: pairs with the release in unlock, sees what earlier holders did */
    return pawl_cas_acquire(&attempt->mutex->state, &state, next);
}

/* While this thread spins, an unlock need not wake a sleeper. */
static void announce_spinning(struct attempt *attempt, uint32_t state)
{
    if (state < WAITER || (state & AWAKE) != 0 || attempt->answerable)
        return;
    /* relaxed: publishes nothing; a failure means that the state is another one, try at the next round */
    attempt->answerable = pawl_cas_relaxed(&attempt->mutex->state, &state, state | AWAKE);
}

/* S3. Returns 0 or -ETIMEDOUT. */
static int nap(struct pawl_mutex *mutex, uint32_t wake, uint64_t deadline)
{
    int flags = (int)(wake & PAWL_SHARED);
    uint64_t until = flags != 0 ? pawl_deadline(SHARED_NAP_NS) : PAWL_FOREVER;

    if (deadline <= until)
        return pawl_futex_wait(&mutex->wake, wake, deadline, flags);
    (void)pawl_futex_wait(&mutex->wake, wake, until, flags);
    return 0;
}

/* S1 to S3. Returns 0: look at the lock again; -ETIMEDOUT. */
static int sleep_while_locked(struct attempt *attempt, uint64_t deadline)
{
    struct pawl_mutex *mutex = attempt->mutex;
    uint32_t wake = pawl_load_relaxed(&mutex->wake);   /* S1, relaxed: S2 keeps it before U2 */
    uint32_t state = pawl_load_relaxed(&mutex->state); /* relaxed: the CAS below validates it */
    uint32_t next = without_awake(attempt, state) + (attempt->counted ? 0 : WAITER);
    int status;

    /* release S2: pairs with the acquire U1, keeps the load of `wake` before it */
    if ((state & (LOCKED | LEAVING)) != LOCKED || !pawl_cas_release(&mutex->state, &state, next))
        return 0;
    attempt->counted = true;
    attempt->answerable = false;
    status = nap(mutex, wake, deadline);
    /* Woken, or perhaps not; only a thread that thinks so in vain clears "awake" too early, which costs a
     * wake-up, whereas nobody clearing it would lose one. */
    attempt->answerable = true;
    return status;
}

/* The deadline has passed. Takes the lock if it is free: a wake-up that this thread got must not get lost.
 * Returns 0 or -ETIMEDOUT. */
static int give_up(struct attempt *attempt)
{
    for (;;) {
        /* relaxed: either CAS validates it */
        uint32_t state = pawl_load_relaxed(&attempt->mutex->state);
        uint32_t next = without_awake(attempt, state) - WAITER;

        if ((state & LOCKED) == 0) {
            if (take(attempt, state))
                return 0;
        } else if (pawl_cas_relaxed(&attempt->mutex->state, &state, next)) { /* relaxed: publishes nothing */
            return -ETIMEDOUT;
        }
    }
}

int pawl_mutex_timedlock_slow_(struct pawl_mutex *mutex, uint64_t deadline)
{
    struct attempt attempt = {.mutex = mutex};
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;

    for (;;) {
        uint32_t state = pawl_backoff_look(&mutex->state); /* relaxed: each CAS validates it */

        if ((state & LOCKED) == 0) {
            if (take(&attempt, state))
                return 0;
            continue; /* another thread took it, or came to wait */
        }
        if ((state & LEAVING) != 0) {
            pawl_backoff_wait(&backoff); /* a few instructions, unless the holder is descheduled there */
            continue;
        }
        announce_spinning(&attempt, state);
        if (pawl_backoff_contend(&backoff))
            continue;
        if (sleep_while_locked(&attempt, deadline) != 0)
            return give_up(&attempt);
        backoff = (struct pawl_backoff)PAWL_BACKOFF_INIT;
    }
}

void pawl_mutex_lock_slow_(struct pawl_mutex *mutex)
{
    (void)pawl_mutex_timedlock_slow_(mutex, PAWL_FOREVER);
}

int pawl_mutex_trylock(struct pawl_mutex *mutex)
{
    uint32_t state = pawl_load_relaxed(&mutex->state); /* relaxed: the CAS validates it */

    while ((state & LOCKED) == 0)
        if (pawl_cas_weak_acquire(&mutex->state, &state,
                                  state | LOCKED)) /* acquire M: as in pawl_mutex_lock */
            return 0;
    return -EBUSY;
}

/* U1. False: nobody has to be woken, and the lock is let go. */
static bool leave(struct pawl_mutex *mutex, uint32_t *state)
{
    for (;;) {
        bool wake = *state >= WAITER && (*state & AWAKE) == 0;

        /* U1, acquire: pairs with the release S2. Else release M: as in pawl_mutex_unlock */
        if (wake ? pawl_cas_acquire(&mutex->state, state, *state | LEAVING)
                 : pawl_cas_release(&mutex->state, state, *state - LOCKED))
            return wake;
    }
}

void pawl_mutex_unlock_slow_(struct pawl_mutex *mutex)
{
    uint32_t state = pawl_load_relaxed(&mutex->state); /* relaxed: each CAS validates it */
    uint32_t wake, next;

    if ((state & LOCKED) == 0)
        pawl_sync_fail("pawl_mutex_unlock", "the mutex is not locked");
    if (!leave(mutex, &state))
        return;
    wake = pawl_load_relaxed(&mutex->wake) + ONE_WAKE_UP; /* relaxed, both: only holders write it; */
    pawl_store_relaxed(&mutex->wake, wake);               /* U2: U3 and U4 order it */
    state |= LEAVING;
    do
        next = (state - LOCKED - LEAVING) | (state >= WAITER ? AWAKE : 0);
    while (!pawl_cas_release(&mutex->state, &state, next));      /* U3, release M: as in pawl_mutex_unlock */
    pawl_futex_wake(&mutex->wake, 1, (int)(wake & PAWL_SHARED)); /* U4: the address alone */
}
