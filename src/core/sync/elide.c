/* SPDX-License-Identifier: MIT */
/* Lock elision.
 *
 * Why it is right. An elided section reads the lock's word as its first access, inside the transaction, and goes on
 * only if the lock is free. So the word is in the transaction's read set, and
 *     - who takes the lock before the commit writes the word, which aborts the transaction: nothing happened;
 *     - who took it before the section looked was seen, or has unlocked: then the section comes after all that this
 *       holder did, by the order of a transaction that commits;
 *     - two elided sections are transactions, and the processor lets them commit as if one after the other.
 * Nothing depends on who looks when, so the look is relaxed. What is learnt is written only by who has the lock, and
 * on the line of the lock: that costs nobody an abort who would not have one from the lock's own word.
 *
 * The lock's word says in unlock which it was: an elided section left it free. Only where the lock was taken by
 * the section itself, inside an outer transaction, is it taken within one, and then it is unlocked within it.
 *
 * After transaction_end nothing of the lock is touched: the thread that gets it next may free it. */
#include <pawl/elide.h>

#include <pawl/backoff.h>
#include <pawl/clock.h>
#include <pawl/counter.h>

#include "fail.h"
#include "transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_CONFLICTS = 1, /* that a section survives, those with a holder of the lock apart */
    MOST_ATTEMPTS = 8,
    LEAST_SKIP = 4,
    MOST_SKIP = 1024,
    WORTH = 8,   /* elision must have worked so many times as long as it was skipped before */
    TRIALS = 16, /* empty transactions, of which an interrupt may abort some */
};

#ifndef NOW
#define NOW() pawl_clock_ns() /* the model checker's closures stop the clock */
#endif

/* The lowest bit of either lock's word. */
#define TAKEN PAWL_MUTEX_LOCKED

PAWL_STATIC_ASSERT(sizeof(struct pawl_elide) == 40 && sizeof(struct pawl_elide_spin) == 40,
                   "the size that the header promises");
PAWL_STATIC_ASSERT(TAKEN == 1, "what pawl_spin_lock stores");

/* In the order of struct pawl_elide_stats. */
enum event { ELIDED, LOCKED, SKIPPED, BUSY, CONFLICT, CAPACITY, OTHER, EVENTS };

struct pawl_elide_counts {
    struct pawl_counter counter[EVENTS];
};

PAWL_STATIC_ASSERT(sizeof(struct pawl_elide_stats) == EVENTS * sizeof(uint64_t), "one number an event");

/* How an attempt to begin a section ended. */
enum outcome {
    IS_ELIDED,   /* a transaction is under way */
    WAS_SKIPPED, /* it was not tried, after failures */
    WAS_BUSY,    /* somebody has the lock for long */
    HAS_FAILED,
    IS_IMPOSSIBLE,
};

/* ---- is it there? ---- */

#if PAWL_INSTRUMENTED

/* Asked each time: the checker is not there yet when a program is loaded. */
bool pawl_elide_available(void)
{
    return transaction_supported();
}

#else

enum { NOT_ASKED, ABSENT, PRESENT };
static PAWL_ATOMIC(int) presence = NOT_ASKED;

/* What CPUID says, and what happens: emulators and microcode may abort all of them. */
static bool transactions_commit(void)
{
    if (!transaction_supported())
        return false;
    for (int i = 0; i < TRIALS; i++) {
        if (transaction_begin() == TRANSACTION_STARTED) {
            transaction_end();
            return true;
        }
    }
    return false;
}

/* Several threads may ask at once, and come to the same answer. */
static PAWL_COLD int ask_presence(void)
{
    const char *wish = secure_getenv("PAWL_ELIDE");
    bool off = wish != NULL && strcmp(wish, "off") == 0;
    int found = !off && transactions_commit() ? PRESENT : ABSENT;

    pawl_store_relaxed(&presence, found); /* relaxed: the answer is all that is published */
    return found;
}

bool pawl_elide_available(void)
{
    int found = pawl_load_relaxed(&presence); /* relaxed: who sees NOT_ASKED asks again */

    return (PAWL_LIKELY(found != NOT_ASKED) ? found : ask_presence()) == PRESENT;
}

#endif

/* ---- statistics ---- */

static void count(const struct pawl_elision *elision, enum event event)
{
    if (elision->counts != NULL)
        pawl_counter_add(&elision->counts->counter[event], 1);
}

int pawl_elide_count(struct pawl_elision *elision)
{
    struct pawl_elide_counts *counts = calloc(1, sizeof *counts);
    int error = counts != NULL ? 0 : -ENOMEM;
    int made = 0;

    while (error == 0 && made < EVENTS) {
        error = pawl_counter_init(&counts->counter[made]);
        made += error == 0;
    }
    if (error == 0) {
        pawl_elide_uncount(elision);
        elision->counts = counts;
        return 0;
    }
    while (made > 0)
        pawl_counter_destroy(&counts->counter[--made]);
    free(counts);
    return error;
}

void pawl_elide_uncount(struct pawl_elision *elision)
{
    if (elision->counts == NULL)
        return;
    for (int i = 0; i < EVENTS; i++)
        pawl_counter_destroy(&elision->counts->counter[i]);
    free(elision->counts);
    elision->counts = NULL;
}

void pawl_elide_read(const struct pawl_elision *elision, struct pawl_elide_stats *stats)
{
    uint64_t number[EVENTS] = {0};

    for (int i = 0; i < EVENTS && elision->counts != NULL; i++)
        number[i] = (uint64_t)pawl_counter_read(&elision->counts->counter[i]);
    memcpy(stats, number, sizeof number);
}

/* ---- the two ways into a section ---- */

static bool is_taken(const PAWL_ATOMIC(uint32_t) * lock)
{
    return (pawl_load_relaxed(lock) & TAKEN) != 0; /* relaxed: see above */
}

static enum event reason_of(unsigned status)
{
    if ((status & TRANSACTION_CONFLICT) != 0)
        return CONFLICT;
    return (status & TRANSACTION_CAPACITY) != 0 ? CAPACITY : OTHER;
}

/* One transaction. TRANSACTION_EXPLICIT: the lock is taken. */
static unsigned begin(const PAWL_ATOMIC(uint32_t) * lock)
{
    unsigned status;

    if (is_taken(lock)) /* spares the abort */
        return TRANSACTION_EXPLICIT;
    status = transaction_begin();
    if (status == TRANSACTION_STARTED && PAWL_UNLIKELY(is_taken(lock)))
        status = transaction_abort(); /* the processor comes back from transaction_begin with it */
    return status;
}

/* The first attempt was given up with `status`; up to `more` follow. */
static PAWL_COLD enum outcome elide_again(const struct pawl_elision *elision,
                                          const PAWL_ATOMIC(uint32_t) * lock, int more, unsigned status)
{
    struct pawl_backoff waiting = PAWL_BACKOFF_INIT, retrying = PAWL_BACKOFF_INIT;
    int conflicts = 0;

    while (status != TRANSACTION_STARTED) {
        /* A conflict, and the lock is taken: that was it. */
        bool busy = status == TRANSACTION_EXPLICIT ||
                    ((status & TRANSACTION_CONFLICT) != 0 && is_taken(lock));

        count(elision, status == TRANSACTION_EXPLICIT ? BUSY : reason_of(status));
        if (!busy && ((status & TRANSACTION_RETRY) == 0 || conflicts++ == MOST_CONFLICTS))
            return HAS_FAILED;
        if (more-- == 0)
            return busy ? WAS_BUSY : HAS_FAILED;
        if (busy && transaction_inside()) /* an outer section's: see may_wait() */
            return WAS_BUSY;
        if (!busy || !is_taken(lock))
            pawl_backoff_pause(
                &retrying); /* the other one, or the holder of an inner lock, shall be through */
        while (is_taken(lock))
            if (!pawl_backoff_again(&waiting))
                return WAS_BUSY;
        status = begin(lock);
    }
    return IS_ELIDED;
}

/* One attempt, and up to `more`. */
static inline enum outcome elide(const struct pawl_elision *elision, const PAWL_ATOMIC(uint32_t) * lock,
                                 int more)
{
    unsigned status;

    if (!pawl_elide_available())
        return IS_IMPOSSIBLE;
    if (pawl_load_relaxed(&elision->skip) != 0) /* relaxed: a hint */
        return WAS_SKIPPED;
    status = begin(lock);
    return PAWL_LIKELY(status == TRANSACTION_STARTED) ? IS_ELIDED : elide_again(elision, lock, more, status);
}

/* Before a lock is taken for real. A section inside another one's transaction cannot wait for a holder: it would spin until
 * the holder's unlock, or its own system call, aborts it. So it is aborted at once, and the outer section, which
 * comes back with "the lock is taken", tries again a little later, and in the end takes its own lock. */
static inline void may_wait(enum outcome outcome, const PAWL_ATOMIC(uint32_t) * lock)
{
    if (outcome != IS_IMPOSSIBLE && transaction_inside() && is_taken(lock))
        transaction_abort_outer();
}

/* ---- learning: by who has the lock ---- */

/* This section was skipped. */
static void resume(struct pawl_elision *elision)
{
    uint32_t skip = pawl_load_relaxed(&elision->skip); /* relaxed: written by who has the lock */

    count(elision, SKIPPED);
    if (skip == 0) /* others have skipped the last ones meanwhile */
        return;
    pawl_store_relaxed(&elision->skip, skip - 1);
    if (skip == 1)
        elision->resumed_at = NOW();
}

/* This section had to take the lock. */
static void skip_next(struct pawl_elision *elision)
{
    uint64_t now = NOW();
    /* Signed: the clocks of two CPUs may be a little apart. */
    int64_t worked = (int64_t)(now - elision->resumed_at);
    int64_t skipped = (int64_t)(elision->resumed_at - elision->failed_at);
    uint32_t penalty = elision->penalty;

    if (penalty == 0 || worked >= WORTH * skipped)
        penalty = LEAST_SKIP;
    else if (penalty < MOST_SKIP)
        penalty *= 2;
    elision->penalty = penalty;
    elision->failed_at = now;
    pawl_store_relaxed(&elision->skip, penalty); /* relaxed: a hint */
}

static void learn(struct pawl_elision *elision, enum outcome outcome)
{
    count(elision, LOCKED);
    if (outcome == WAS_SKIPPED)
        resume(elision);
    else if (outcome == HAS_FAILED)
        skip_next(elision);
}

/* ---- the end of an elided section ---- */

/* The lock is not taken: the section is elided, or there is none. */
static void commit(const struct pawl_elision *elision, const char *function)
{
    if (PAWL_UNLIKELY(!pawl_elide_available() || !transaction_inside()))
        pawl_sync_fail(function, "the lock is not locked");
    count(elision, ELIDED); /* inside the transaction: afterwards the lock may be gone */
    transaction_end();      /* T */
}

/* ---- the mutex ---- */

void pawl_elide_lock(struct pawl_elide *elide_lock)
{
    enum outcome outcome = elide(&elide_lock->elision, &elide_lock->mutex.state, MOST_ATTEMPTS - 1);

    if (outcome == IS_ELIDED)
        return;
    may_wait(outcome, &elide_lock->mutex.state);
    pawl_mutex_lock(&elide_lock->mutex);
    learn(&elide_lock->elision, outcome);
}

int pawl_elide_trylock(struct pawl_elide *elide_lock)
{
    enum outcome outcome = elide(&elide_lock->elision, &elide_lock->mutex.state, 0);

    if (outcome == IS_ELIDED)
        return 0;
    if (pawl_mutex_trylock(&elide_lock->mutex) != 0)
        return -EBUSY;
    learn(&elide_lock->elision, outcome);
    return 0;
}

int pawl_elide_timedlock(struct pawl_elide *elide_lock, uint64_t deadline)
{
    enum outcome outcome = elide(&elide_lock->elision, &elide_lock->mutex.state, MOST_ATTEMPTS - 1);
    int status;

    if (outcome == IS_ELIDED)
        return 0;
    may_wait(outcome, &elide_lock->mutex.state);
    status = pawl_mutex_timedlock(&elide_lock->mutex, deadline);
    if (status == 0)
        learn(&elide_lock->elision, outcome);
    return status;
}

void pawl_elide_unlock(struct pawl_elide *elide_lock)
{
    if (is_taken(&elide_lock->mutex.state))
        pawl_mutex_unlock(&elide_lock->mutex);
    else
        commit(&elide_lock->elision, "pawl_elide_unlock");
}

/* ---- the spin lock ---- */

void pawl_elide_spin_lock(struct pawl_elide_spin *elide_lock)
{
    enum outcome outcome = elide(&elide_lock->elision, &elide_lock->spin.locked, MOST_ATTEMPTS - 1);

    if (outcome == IS_ELIDED)
        return;
    may_wait(outcome, &elide_lock->spin.locked);
    pawl_spin_lock(&elide_lock->spin);
    learn(&elide_lock->elision, outcome);
}

int pawl_elide_spin_trylock(struct pawl_elide_spin *elide_lock)
{
    enum outcome outcome = elide(&elide_lock->elision, &elide_lock->spin.locked, 0);

    if (outcome == IS_ELIDED)
        return 0;
    if (pawl_spin_trylock(&elide_lock->spin) != 0)
        return -EBUSY;
    learn(&elide_lock->elision, outcome);
    return 0;
}

void pawl_elide_spin_unlock(struct pawl_elide_spin *elide_lock)
{
    if (is_taken(&elide_lock->spin.locked))
        pawl_spin_unlock(&elide_lock->spin);
    else
        commit(&elide_lock->elision, "pawl_elide_spin_unlock");
}
