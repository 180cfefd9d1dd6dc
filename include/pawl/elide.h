/* SPDX-License-Identifier: MIT */
/* Lock elision: sections that do not touch the same data run at the same time, under one lock.
 *
 * Purpose    A coarse lock around sections that seldom conflict: a table under one mutex, of which each section uses
 *            a few entries. Where the processor has transactions (Intel RTM) a section runs as one, without
 *            taking the lock; what conflicts is undone and done again, in the end with the lock. Elsewhere it is
 *            the lock, and one branch. Not for sections that make system calls, touch more than some hundred
 *            lines, or all write the same word (a counter of operations, the head of a list): they cost an
 *            abort now and then and gain nothing. For data that is mostly read, RCU and seqlocks are faster.
 * Model      That of the lock: exclusion. Nobody can tell whether a section was elided, but for the time.
 *
 *              lock     skip > 0?  yes: take the lock                  unlock   the lock is taken: unlock it
 *                       begin a transaction                                     else: end the transaction
 *                       the lock is taken?  yes: abort, wait for it
 *                       (from now on whoever takes it aborts this)
 *              abort    the first conflict: again                      a second, a system call, ...: take the lock
 *
 *            Learning: a section that failed, and had to take the lock, makes the next 4 sections take it without
 *            trying; the next failure makes it 8, 16, ... up to 1024, or 4 again if elision worked eight times as long
 *            as it was skipped. Elided sections write nothing for it. To have met a holder is no failure: else one
 *            section with the lock would drive the others to it as well.
 * Progress   As with the lock. An elided section of a thread that is stopped is undone, so it stops nobody.
 * Ordering   T: as with the lock. A transaction that commits is ordered like one locked instruction (Intel SDM vol. 1,
 *            16.3.6), as a whole; whoever takes the lock after it sees all of it, and it sees all of who
 *            unlocked before it, because it has read the lock.
 * Errors     Unlocking what is not locked aborts with one line; not noticed while another elided section of the
 *            thread goes on. trylock by a thread that has the lock elided succeeds: like the locks below, it is
 *            not recursive.
 * Inside     A section may take and release other locks, elided or not, in any order; elided, they are one transaction
 *            with it. A lock that is taken inside, and is not free, aborts the outer section. What a section wrote is
 *            undone by an abort, registers and stack as well, and a system call, a page fault, an interrupt or a
 *            signal aborts: it then runs again under the lock. Debuggers and printf in a section see it under the lock
 *            only.
 * Layout     Keep the lock and the data that it protects on lines of their own: every elided section reads the lock's
 *            line, so that a write to it, or to what stands beside, aborts them all.
 * Signals    As with the lock.
 * fork       As with the lock: a section that forks holds it for real.
 * Lifetime   As with the mutex. With counts: until pawl_elide_uncount, by whom nobody uses the lock.
 * Memory     40 bytes; zero is unlocked, and does not count. 56 bytes of counts a CPU.
 * Cost       Elided: a transaction, about as much as lock and unlock of the mutex; no shared line is written. Not
 *            elided: the lock, and one load of its line.
 * Switch     PAWL_ELIDE=off in the environment. Off by itself where the processor has no RTM or always
 *            aborts, and under ThreadSanitizer, which does not see transactions.
 * Source     R. Rajwar and J. Goodman, "Speculative lock elision", 2001; D. Dice et al., "Early experience with a
 *            commercial hardware transactional memory implementation", 2009 (waiting for the holder); the
 *            counter of sections to skip after glibc's elision, there fixed, here doubling.
 * Checked    tests/sync/check_elide.c, check_elide_nested.c, with the checker's transactions.
 */
#ifndef PAWL_ELIDE_H
#define PAWL_ELIDE_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/lock.h>
#include <pawl/mutex.h>
#include <stdbool.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_elide_counts;

/* What is learnt of one lock. Written by who has taken it. */
struct pawl_elision {
    PAWL_ATOMIC(uint32_t) skip;       /* sections to come that take the lock without trying */
    uint32_t penalty;                 /* what that was at the last failure */
    uint64_t failed_at, resumed_at;   /* the last failure; when `skip` was down to 0: ns of <pawl/clock.h> */
    struct pawl_elide_counts *counts; /* NULL: nobody asked */
};

/* A mutex that is elided where that works. */
struct pawl_elide {
    struct pawl_mutex mutex;
    struct pawl_elision elision;
};

/* The same of a spin lock. */
struct pawl_elide_spin {
    struct pawl_spin spin;
    uint32_t pad;
    struct pawl_elision elision;
};

#define PAWL_ELISION_INIT_                        \
    {                                             \
        0, 0, 0, 0, (struct pawl_elide_counts *)0 \
    }
#define PAWL_ELIDE_INIT                     \
    {                                       \
        PAWL_MUTEX_INIT, PAWL_ELISION_INIT_ \
    }
#define PAWL_ELIDE_SPIN_INIT                  \
    {                                         \
        PAWL_SPIN_INIT, 0, PAWL_ELISION_INIT_ \
    }

/* True: the processor has transactions that commit, and nobody switched elision off. Asked once. */
PAWL_API bool pawl_elide_available(void);

PAWL_API void pawl_elide_lock(struct pawl_elide *elide) PAWL_NONNULL;

/* Returns 0 or -EBUSY. */
PAWL_API int pawl_elide_trylock(struct pawl_elide *elide) PAWL_NONNULL;

/* Returns 0 or -ETIMEDOUT; deadlines as in <pawl/park.h>. A lock that is free is taken, or elided, even if the deadline
 * has passed. */
PAWL_API int pawl_elide_timedlock(struct pawl_elide *elide, uint64_t deadline) PAWL_NONNULL;

/* By the thread that locked it. */
PAWL_API void pawl_elide_unlock(struct pawl_elide *elide) PAWL_NONNULL;

PAWL_API void pawl_elide_spin_lock(struct pawl_elide_spin *elide) PAWL_NONNULL;
PAWL_API int pawl_elide_spin_trylock(struct pawl_elide_spin *elide) PAWL_NONNULL;
PAWL_API void pawl_elide_spin_unlock(struct pawl_elide_spin *elide) PAWL_NONNULL;

/* ---- statistics ---- */

/* elided + locked is the number of sections. */
struct pawl_elide_stats {
    uint64_t elided;   /* sections that committed without the lock */
    uint64_t locked;   /* sections that took it */
    uint64_t skipped;  /* of those, without trying: what was learnt */
    uint64_t busy;     /* attempts that found the lock taken */
    uint64_t conflict; /* aborts: another thread wrote what was read or written here, or took the lock */
    uint64_t capacity; /* aborts: too many lines for the cache */
    uint64_t other;    /* aborts: a system call, page fault, interrupt, signal, too much nesting, ... */
};

/* Counts from now on, on the CPU's own lines: about 3 ns a section. Nobody may use the lock meanwhile. Returns 0 or
 * -ENOMEM (or another errno of mmap). */
PAWL_API int pawl_elide_count(struct pawl_elision *elision) PAWL_NONNULL PAWL_MUST_USE;

/* What was counted; zeros without pawl_elide_count. Any thread, at any time. */
PAWL_API void pawl_elide_read(const struct pawl_elision *elision, struct pawl_elide_stats *stats)
    PAWL_NONNULL;

/* Gives the counts back. Nobody may use the lock, or read, meanwhile. */
PAWL_API void pawl_elide_uncount(struct pawl_elision *elision) PAWL_NONNULL;

PAWL_END_DECLS
#endif
