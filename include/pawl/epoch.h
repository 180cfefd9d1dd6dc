/* SPDX-License-Identifier: MIT */
/* Epochs: deferred reclamation that waits for nobody and has no thread of its own.
 *
 * Purpose    The reclamation under lock-free structures: objects are unlinked often, by many threads, and
 *            freed in the threads that unlink them. Works in shared libraries and plugins: nothing runs
 *            behind the program's back, and closing the domain ends everything. Take <pawl/hazard.h> instead if
 *            a thread may be stopped while it is pinned and memory must stay bounded; <pawl/rcu.h> to wait for
 *            readers.
 * Model      A thread is pinned between pawl_epoch_pin() and the matching unpin; pins nest. What was retired
 *            is reclaimed when every thread that was pinned at that time has unpinned.
 *
 *              thread's bags:   [open, filling] -> [closed, waits for grace period n] -> [ready] -> reclaim()
 *
 *            A bag is closed when it is full or pawl_epoch_collect() is called; only then is its grace period
 *            read off, after one mark for all of them.
 * Marks      A grace period begins with a mark, and needs that all other threads have come by since: a thread does when it
 *            closes a bag, in whatever domain, and when it begins or ends. So threads that all retire interrupt nobody. If one
 *            does not for two bags, a membarrier takes the place of that; a thread that does not pin for long is found to
 *            rest by it, and costs no further one until it pins. A bag holds 120 objects, and up to 480 where
 *            such membarriers are needed and take long.
 * Progress   pin, unpin, repin: wait-free. retire, collect: non-blocking: a thread that cannot advance the
 *            grace period, because another is at it or is pinned, keeps its garbage and goes on. A stopped
 *            pinned thread, or one that is stopped while it advances, stops reclamation, not the others.
 * Bounds     A retire reclaims one object, up to 4 while it catches up, and once a bag up to 480 that ended
 *            threads left; a collect up to 480. Held while all threads unpin now and then: a bag where one
 *            thread retires, two once it was pinned or disturbed meanwhile; 2 to 4 a thread where several do, or
 *            where some thread passes no mark and does not rest. Held while one stays pinned: all that is retired meanwhile; no scheme
 *            of this kind bounds it.
 * Ordering   As of sections and grace periods in <pawl/rcu.h> (G): what a pinned thread read comes before
 *            the reclaim. What happened before retire is visible to reclaim().
 * Signals    pin and unpin may be called from signal handlers, also as the first call of a thread; the rest
 *            may not.
 * Exit       A thread's garbage passes to the domain; threads that open a bag see to it.
 * fork       As <pawl/rcu.h>: the child goes on, also with what other threads had retired, but for what one
 *            was just moving from bag to bag: that leaks in the child.
 * dlclose    Close the domain before its code is unloaded: that runs all reclaim functions, and the library
 *            keeps no pointer to code or data of the program.
 * Memory     128 bytes a thread and domain, reserved as 8 MiB of addresses. Retiring allocates nothing and
 *            cannot fail.
 * Cost       pin: 4 loads, 1 store, and once after a rest a fence and 2 system calls; unpin: 2 loads, 1 store; no
 *            atomic read-modify-write, no fence. retire: 4 stores, and 4 for the object that it reclaims; once a
 *            bag, 3 RMWs and 3 fences on lines that all who retire share, and a look at two lines of each thread.
 *            Without membarrier (<pawl/fence.h>) each pin has a full fence.
 * Source     K. Fraser, "Practical lock-freedom", 2004; crossbeam-epoch. Ours: the grace periods of
 *            <pawl/rcu.h>, so that one advance is enough to reclaim, and marks that threads pass in place of fences.
 */
#ifndef PAWL_EPOCH_H
#define PAWL_EPOCH_H

#include <pawl/config.h>
#include <pawl/fence.h>
#include <pawl/reader.h>

PAWL_BEGIN_DECLS

/* A domain. */
struct pawl_epoch {
    struct pawl_grace grace;
};

#define PAWL_EPOCH_WORDS_ ((size_t)1024) /* the threads' words are so far behind the domain */

/* Returns NULL with errno ENOMEM. */
PAWL_API struct pawl_epoch *pawl_epoch_open(void) PAWL_MUST_USE;

/* Reclaims everything and frees the domain. Nobody is pinned, and nobody uses it any more. NULL is
 * allowed. */
PAWL_API void pawl_epoch_close(struct pawl_epoch *epoch);

PAWL_API PAWL_COLD void pawl_epoch_wake_(PAWL_ATOMIC(uint64_t) * word);

/* The calling thread's word. As pawl_grace_word_(), but known without a look into the domain. */
PAWL_API PAWL_INLINE PAWL_ATOMIC(uint64_t) * pawl_epoch_word_(struct pawl_epoch *epoch)
{
    return (PAWL_ATOMIC(uint64_t) *)(void *)((char *)epoch + PAWL_EPOCH_WORDS_ + pawl_reader_at_);
}

/* Pointers read from here on stay valid until the matching unpin. */
PAWL_API PAWL_INLINE void pawl_epoch_pin(struct pawl_epoch *epoch)
{
    PAWL_ATOMIC(uint64_t) *word = pawl_epoch_word_(epoch);

    if (PAWL_LIKELY(pawl_load_relaxed(word) == 0)) { /* relaxed: the thread's own */
        /* acquire E: pairs with the release where a grace period begins: who shows its number sees what was retired
         * before. release R: as in pawl_grace_enter_() */
        pawl_store_release(word, pawl_load_acquire(&epoch->grace.entry));
        pawl_grace_entered_();
    } else {
        pawl_grace_enter_(&epoch->grace, word);
    }
    /* relaxed: what follows has a fence. The word after that of the grace period: src/core/reclaim/rest.h. Nested as well: a
     * handler may have interrupted the outer pin before this. */
    if (PAWL_UNLIKELY(pawl_load_relaxed(word + 1) != 0))
        pawl_epoch_wake_(word);
}

PAWL_API PAWL_INLINE void pawl_epoch_unpin(struct pawl_epoch *epoch)
{
    pawl_grace_leave_(&epoch->grace, pawl_epoch_word_(epoch));
}

/* Unpin and pin again: for long loops, between two elements. Does nothing while pins are nested (the
 * outer one still needs its pointers). */
PAWL_API void pawl_epoch_repin(struct pawl_epoch *epoch);

/* Has `reclaim` called with `retired`, by some thread inside retire, collect or close, when no pinned thread
 * can have the object. It is unlinked already: no thread that pins from now on can find it. Pinned or not. In
 * reclaim functions too. */
PAWL_API void pawl_epoch_retire(struct pawl_epoch *epoch, struct pawl_retired *retired,
                                void (*reclaim)(struct pawl_retired *)) PAWL_NONNULL;

/* Closes this thread's bag, takes over those of ended threads, advances and reclaims as far as that goes
 * without waiting.
 * Returns how many objects of this thread's bags are left. For a thread that has retired and now goes to
 * sleep, and for tests. Not in reclaim functions (it does nothing there). */
PAWL_API uint64_t pawl_epoch_collect(struct pawl_epoch *epoch);

PAWL_END_DECLS
#endif
