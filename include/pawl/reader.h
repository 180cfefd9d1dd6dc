/* SPDX-License-Identifier: MIT */
/* Readers and grace periods: what <pawl/rcu.h> and <pawl/epoch.h> are made of. Programs include those.
 *
 * Model      Each thread has a number (the smallest that is free at its first use, given back at its
 *            exit) and, in each domain, a word of its own at that number:
 *
 *              word   | number of a grace period (48 bits) | W | nesting (15 bits) |      0: outside
 *
 *            To enter a section is to copy the domain's `entry` (the latest grace period, nesting 1) into the
 *            word; to leave is to store 0. A grace period takes the next number, fences all readers,
 *            publishes the number in `entry`, and waits until no word shows an older one. A reader that it
 *            did not see has not entered, or sees all that was done before the fence.
 *            W: a writer sleeps until this reader leaves. Set by CAS into a word that its owner changes by
 *            plain stores, so it can get lost: the sleeper looks again by the clock.
 * Memory     A pair of lines a thread and domain, reserved as addresses for 65536 threads, used as
 *            threads come. Nothing is allocated when a thread enters for the first time, so that this cannot
 *            fail and may happen in a signal handler.
 * Exit       A destructor of thread-specific data gives the number back, in a later round while the thread is
 *            inside a section or has a slot of hazard pointers. Sections that run after it (in
 *            other destructors) get a number anew. Threads that end without destructors, or before theirs
 *            is set, are found by writers: their kernel id is gone.
 * fork       In the child the other threads' words are cleared: their sections have ended with them.
 */
#ifndef PAWL_READER_H
#define PAWL_READER_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <pawl/fence.h>
#include <pawl/percpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

PAWL_BEGIN_DECLS

/* What an object carries that is retired: to rcu, an epoch or hazard pointers alike. 16 bytes anywhere in
 * it; nothing is allocated to retire it, so that retiring cannot fail. */
struct pawl_retired {
    struct pawl_percpu_node link;                  /* the room's */
    void (*reclaim)(struct pawl_retired *retired); /* called once, when no reader can have the object */
};

/* The object that a `struct pawl_retired *` is the `member` of. */
#define pawl_retired_of(retired, type, member) ((type *)(void *)((char *)(retired)-offsetof(type, member)))

#ifndef PAWL_READER_MAX        /* closures for the model checker make do with 64 */
#define PAWL_READER_MAX 65536u /* threads that have a number at one time */
#endif
#define PAWL_READER_NESTING UINT64_C(0x7fff) /* of a word: depth */
#define PAWL_READER_WAITED UINT64_C(0x8000)  /* of a word: W */
#define PAWL_READER_SHIFT 16                 /* of a word: where the grace period's number begins */
#define PAWL_READER_NONE (UINT64_C(1) << PAWL_READER_SHIFT) /* the word of who has no number yet */
#define PAWL_READER_STRIDE ((size_t)PAWL_CACHELINE_PAIR)

/* A thread. Static memory, used again by later threads. */
struct pawl_reader {
    PAWL_ATOMIC(uint64_t) word;  /* in the default domain of RCU */
    PAWL_ATOMIC(uint64_t) calls; /* of pawl_rcu_call() there; other domains keep both at these offsets too */
    uint32_t number;
    uint32_t online;          /* between pawl_rcu_online() and pawl_rcu_offline() */
    PAWL_ATOMIC(int32_t) tid; /* 0: nobody's */
    uint32_t rounds;          /* of destructors that it has been through */
    /* The latest mark that it has passed: see src/core/reclaim/pass.h. In the other line of the pair: written once a batch,
     * read by all that retire. */
    PAWL_ATOMIC(uint64_t) passed __attribute__((aligned(PAWL_CACHELINE)));
} PAWL_LINE_PAIR_ALIGNED;

PAWL_STATIC_ASSERT(sizeof(struct pawl_reader) == PAWL_CACHELINE_PAIR, "words are one stride apart");

/* This thread; before its first use, and always where readers must fence themselves (no membarrier): the
 * shared record of nobody, whose word sends every operation out of line. */
extern PAWL_API __thread struct pawl_reader *pawl_reader_self_
#ifdef __GNUC__
    __attribute__((tls_model("initial-exec")))
#endif
    ;

/* Where its word is in every domain: so many bytes behind that of thread 0. Of nobody: as above. Apart from the record,
 * which a section would have to load for it. */
extern PAWL_API __thread size_t pawl_reader_at_
#ifdef __GNUC__
    __attribute__((tls_model("initial-exec")))
#endif
    ;

struct pawl_grace_period; /* the writers' half */

/* The readers' half of a domain: written once a grace period. */
struct pawl_grace {
    PAWL_ATOMIC(uint64_t) entry; /* what a reader stores into its word */
    char *words;                 /* of thread 0; the others follow at PAWL_READER_STRIDE */
    struct pawl_grace_period *period;
} PAWL_LINE_PAIR_ALIGNED;

PAWL_API PAWL_COLD void pawl_grace_enter_slow_(struct pawl_grace *grace);
PAWL_API PAWL_COLD void pawl_grace_leave_slow_(struct pawl_grace *grace);

/* The calling thread's word. */
PAWL_API PAWL_INLINE PAWL_ATOMIC(uint64_t) * pawl_grace_word_(const struct pawl_grace *grace)
{
    return (PAWL_ATOMIC(uint64_t) *)(void *)(grace->words + pawl_reader_at_);
}

/* The light side of the fence in begin(): the store that enters before the section's loads. */
PAWL_API PAWL_INLINE void pawl_grace_entered_(void)
{
#if PAWL_INSTRUMENTED
    pawl_fence_light();
#else
    pawl_fence_compiler(); /* who must fence itself has no number here, and comes out of line */
#endif
}

/* All values are guessed by the branch predictor, so that back-to-back sections do not wait for each other's
 * stores: that, and a word that needs no addition, is why a section costs less than its instructions. */
PAWL_API PAWL_INLINE void pawl_grace_enter_(struct pawl_grace *grace, PAWL_ATOMIC(uint64_t) * word)
{
    /* relaxed: only this thread stores other values than W here */
    uint64_t w = pawl_load_relaxed(word);

    if (PAWL_LIKELY(w == 0)) {
        /* relaxed: a stale number says that this reader is older than it is; a grace period then waits for
         * it without need. release R: as in pawl_grace_leave_(), for a scan that sees this section and must
         * not miss the end of the one before. */
        pawl_store_release(word, pawl_load_relaxed(&grace->entry));
    } else if (PAWL_LIKELY((w & PAWL_READER_NESTING) - 1 < PAWL_READER_NESTING - 1)) {
        /* release R: as above. A scan may see this and not the store that entered; a release sequence does not go on with plain
         * stores. */
        pawl_store_release(word, w + 1);
    } else {
        pawl_grace_enter_slow_(grace); /* no number yet, or too deep */
        return;
    }
    pawl_grace_entered_();
}

/* What pawl_grace_enter_() does most of the time, and nothing else: enters if this thread is outside, and has
 * a number. Else returns false, and nothing has happened. For fast paths that are left as a whole, by a call
 * at their end: they need not save registers. */
PAWL_API PAWL_INLINE bool pawl_grace_try_enter_(struct pawl_grace *grace, PAWL_ATOMIC(uint64_t) * word)
{
    if (PAWL_UNLIKELY(pawl_load_relaxed(word) != 0)) /* relaxed, both: as above */
        return false;
    pawl_store_release(word, pawl_load_relaxed(&grace->entry)); /* release R: as above */
    pawl_grace_entered_();
    return true;
}

PAWL_API PAWL_INLINE void pawl_grace_leave_(struct pawl_grace *grace, PAWL_ATOMIC(uint64_t) * word)
{
    uint64_t w = pawl_load_relaxed(word); /* relaxed: as above */

    if (PAWL_LIKELY((w & (PAWL_READER_NESTING | PAWL_READER_WAITED)) == 1))
        /* release R: pairs with the acquire in blocks(): what the section read, it read before */
        pawl_store_release(word, UINT64_C(0));
    else if (PAWL_LIKELY((w & PAWL_READER_NESTING) > 1))
        pawl_store_release(word, w - 1); /* release R: still inside, as in pawl_grace_enter_() */
    else
        pawl_grace_leave_slow_(grace);
}

PAWL_END_DECLS
#endif
