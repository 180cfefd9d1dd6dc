/* SPDX-License-Identifier: MIT */
/* A lock of readers and writers whose readers write nothing that another CPU reads.
 *
 * Purpose    Data that is read all the time and changed now and then, by sections that may block or be long (so
 *            not RCU), or that must see no older version. While no writer comes, a read section costs two
 *            restartable additions to words of this CPU: no atomic instruction, no fence, no shared line,
 *            however many CPUs read. A writer pays for that: to take the bias back it interrupts every CPU once
 *            (microseconds). Where one section in a hundred or more writes, take a mutex.
 * Model      Any number of readers, or one writer. Biased: readers count in their CPU's word. Unbiased: they
 *            count in `readers`. What matters is the sum of all, so a reader may leave by another word
 *            than it came by.
 *
 *              biased      CPU 0  [ via | +7 ]   CPU 1  [ via | -4 ]   ...     readers: 0
 *              revoked     CPU 0  [ nil |  0 ]   CPU 1  [ nil |  0 ]   ...     readers: 3
 *
 *            `via` is what a reader's sequence goes through to its count. A writer sets them all to nil,
 *            fences, and then nobody can change the counts: it moves their sum to `readers`, where the
 *            remaining readers leave. The first reader after a while makes the lock biased again: not before
 *            nine times the time has passed that the last revocation took, so that writers are never slowed
 *            down by more than a tenth (BRAVO's rule).
 * Progress   Biased rdlock and rdunlock: lock-free (see <pawl/percpu.h>). All else: blocking. A stopped
 *            writer stops everybody, a stopped reader stops writers, and readers behind a writer that waits.
 * Fairness   A writer that has come keeps new readers out, so readers cannot starve it. Writers, and readers that
 *            came while one was there, compete for a mutex, in no order.
 * Recursion  A thread must not take a read lock that it has: a writer may have come in between.
 * Ordering   R: a reader sees what earlier writers did; a writer sees what earlier readers did.
 * Errors     wrunlock without a writer aborts with one line. An rdunlock too many cannot be told.
 *            The revocation aborts where the kernel takes membarrier away from a process that had it.
 * Threads    Any, in any mode of <pawl/rseq.h>; where sequences cannot be fenced (no membarrier) the lock is
 *            never biased and costs two atomic instructions a read section.
 * Signals    No function from a signal handler that may have interrupted a section, or a call, of this lock.
 * fork       The child has a copy. What other threads of the parent held stays held; init makes it new.
 *            Not for memory shared by processes.
 * Memory     48 bytes; when first biased, 16 bytes in a page of each CPU that reads, 256 locks to a page.
 *            Zero is unlocked. A lock that was used is given back with pawl_rwlock_destroy.
 * Cost       Biased: rdlock 14 instructions, rdunlock 14. Unbiased: 1 RMW each. wrlock: 2 RMWs, wrunlock 2; a
 *            revocation in addition one system call and one line a CPU that ever read.
 * Source     D. Dice and A. Kogan, "BRAVO - Biased locking for reader-writer locks", 2019; in place of its table
 *            of readers, words a CPU that sequences count in.
 */
#ifndef PAWL_RWLOCK_H
#define PAWL_RWLOCK_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/mutex.h>
#include <pawl/percpu.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

struct pawl_rwlock {
    /* read by every reader, written when the lock is first biased */
    PAWL_ATOMIC(struct pawl_percpu *) pc; /* P: a region shared by many locks; NULL: none yet */
    size_t at;                            /* this lock's via and count in each slice */
    /* written by writers and unbiased readers */
    PAWL_ATOMIC(uint32_t) readers;        /* R: see PAWL_RWLOCK_READER */
    PAWL_ATOMIC(uint32_t) biased;         /* B: changed by the holder of the mutex */
    struct pawl_mutex mutex;              /* held by a writer, all the time */
    PAWL_ATOMIC(uint64_t) unbiased_until; /* ns of CLOCK_MONOTONIC */
    uint64_t pad;
};

#define PAWL_RWLOCK_INIT                                        \
    {                                                           \
        (struct pawl_percpu *)0, 0, 0, 0, PAWL_MUTEX_INIT, 0, 0 \
    }

/* In `readers`: a writer is there, it sleeps until the readers are gone, one reader. */
#define PAWL_RWLOCK_WRITER 1u
#define PAWL_RWLOCK_ASLEEP 2u
#define PAWL_RWLOCK_READER 4u

/* Unlocked, unbiased. */
PAWL_API void pawl_rwlock_init(struct pawl_rwlock *lock) PAWL_NONNULL;

/* Gives back the words. Nobody uses the lock, or is still inside a call. It is as after init. */
PAWL_API void pawl_rwlock_destroy(struct pawl_rwlock *lock) PAWL_NONNULL;

PAWL_API PAWL_COLD int pawl_rwlock_rdlock_slow_(struct pawl_rwlock *lock, uint64_t deadline);
PAWL_API PAWL_COLD void pawl_rwlock_rdunlock_slow_(struct pawl_rwlock *lock);

/* True: counted as a reader on this CPU. */
PAWL_API PAWL_INLINE bool pawl_rwlock_rdlock_biased_(struct pawl_rwlock *lock)
{
    /* acquire P: pairs with the release where the lock gets its words, publishes `at` and the region */
    struct pawl_percpu *pc = pawl_load_acquire(&lock->pc);

    if (PAWL_UNLIKELY(pc == (struct pawl_percpu *)0) ||
        PAWL_UNLIKELY(pawl_percpu_add_via(pc, lock->at, 0, 1) != 0))
        return false;
    /* R: pairs with the release stores of `via`; the section must not read what was there before the
     * writer that came before the bias */
    pawl_fence_acquire();
#if PAWL_INSTRUMENTED
    (void)pawl_load_acquire(&lock->biased); /* ThreadSanitizer does not know fences */
#endif
    return true;
}

PAWL_API PAWL_INLINE void pawl_rwlock_rdlock(struct pawl_rwlock *lock)
{
    if (PAWL_UNLIKELY(!pawl_rwlock_rdlock_biased_(lock)))
        (void)pawl_rwlock_rdlock_slow_(lock, PAWL_FOREVER);
}

/* Returns 0 or -ETIMEDOUT. */
PAWL_API PAWL_INLINE int pawl_rwlock_timedrdlock(struct pawl_rwlock *lock, uint64_t deadline)
{
    return PAWL_LIKELY(pawl_rwlock_rdlock_biased_(lock)) ? 0 : pawl_rwlock_rdlock_slow_(lock, deadline);
}

/* Returns 0 or -EBUSY: a writer is there. */
PAWL_API int pawl_rwlock_tryrdlock(struct pawl_rwlock *lock) PAWL_NONNULL;

/* By any thread, for a section that a rdlock began. */
PAWL_API PAWL_INLINE void pawl_rwlock_rdunlock(struct pawl_rwlock *lock)
{
    /* acquire P: as above; the lock may have got its words since this section began */
    struct pawl_percpu *pc = pawl_load_acquire(&lock->pc);

    /* R: pairs with the fence in the revocation; what the section read and wrote comes before its end */
    pawl_fence_release();
    if (PAWL_UNLIKELY(pc == (struct pawl_percpu *)0) ||
        PAWL_UNLIKELY(pawl_percpu_add_via(pc, lock->at, 0, -1) != 0))
        pawl_rwlock_rdunlock_slow_(lock);
}

PAWL_API void pawl_rwlock_wrlock(struct pawl_rwlock *lock) PAWL_NONNULL;

/* Returns 0 or -ETIMEDOUT. */
PAWL_API int pawl_rwlock_timedwrlock(struct pawl_rwlock *lock, uint64_t deadline) PAWL_NONNULL;

/* Returns 0 or -EBUSY. A lock that looks biased and free is revoked; it never waits for readers. */
PAWL_API int pawl_rwlock_trywrlock(struct pawl_rwlock *lock) PAWL_NONNULL;

/* By the thread that locked it. */
PAWL_API void pawl_rwlock_wrunlock(struct pawl_rwlock *lock) PAWL_NONNULL;

/* The writer becomes a reader, with no other writer in between; rdunlock ends the section. */
PAWL_API void pawl_rwlock_downgrade(struct pawl_rwlock *lock) PAWL_NONNULL;

PAWL_END_DECLS
#endif
