/* SPDX-License-Identifier: MIT */
/* Sequence locks: small data that is read all the time and copied whole, by readers that write nothing.
 *
 * Purpose    A few words that belong together and are copied out: a clock's line, a position, statistics, a small
 *            configuration. Up to a few hundred bytes: a reader starts again when a writer came. Not for
 *            data with pointers that readers follow (RCU), nor where writes are frequent (a mutex).
 *            struct pawl_seqlock: one copy; readers wait for a writer that is inside, and retry.
 *            struct pawl_latch: two copies; readers never wait, and take the version of before the
 *            write that is under way. For readers in signal handlers, or that may not wait for a writer
 *            that was stopped.
 * Model      The data is an array of 64-bit words in the caller's memory, one (seqlock) or two of them one behind
 *            the other (latch), all 8-byte aligned; `bytes` is a multiple of 8. A read returns the words of one
 *            write, or of none yet: never a mixture.
 *
 *              seqlock   sequence | w0 w1 w2 ...          even: whole    odd: being written
 *              latch     sequence | w0 w1 w2 ... | w0' w1' w2' ...      readers take copy (sequence & 1)
 *
 * Data race  None: data words are loaded and stored by relaxed atomics, so the copy of a reader that must
 *            retry is a wrong value, not undefined behaviour.
 * Progress   Write: wait-free under the caller's own exclusion; with the built-in lock blocking. A stopped writer
 *            stops the readers of a seqlock, not those of a latch. Latch read: retries only when two writes ended
 *            during one read, so lock-free; wait-free when writers pause longer than a read takes.
 * Ordering   W1: a write publishes its words, and all that the writer did before, to the reads that return
 *            them. The fences, as labels in the code:
 *            F1 writer, release, after the odd sequence: no word is stored before it, else a reader could see new
 *               words under the old even sequence.
 *            F2 reader, acquire, after the words: no word is loaded after the second look at the sequence.
 *            F1 pairs with F2: a reader that saw one new word sees the odd sequence, or a later one.
 * Wrapping   The sequence has 64 bits.
 * Signals    read from handlers: latch, yes; seqlock, not if it may have interrupted the writer.
 * fork       A child forked by another thread while a write is under way has half a write for ever. init in the child.
 * Death      The same where a writer of shared memory was killed inside a write: readers of a seqlock wait for ever,
 *            those of a latch go on with the version of before; make sequence and words anew before the next write.
 * Memory     No pointers inside; readers need no write access: data, sequence and readers may be in different
 *            processes, with a read-only mapping.
 * Cost       read: the words and two loads of the sequence; no RMW, no store to shared memory. write: the words and two
 *            stores of the sequence (latch: the words twice); with the built-in lock 1 RMW.
 * Instrumented  ThreadSanitizer does not know fences. The words are atomic all the same, so it has nothing to
 *            report about them; what a reader learns through a copied word beyond the words themselves (a
 *            pointer in it, say) it would see through the acquire load at the beginning of the read.
 * Source     Linux seqlock.h and its raw_write_seqcount_latch; H. Boehm, "Can seqlocks get along with programming
 *            language memory models?", 2012.
 * Checked    tests/sync/check_seqlock.c
 */
#ifndef PAWL_SEQLOCK_H
#define PAWL_SEQLOCK_H

#include <pawl/atomic.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && !PAWL_INSTRUMENTED
#include <pawl/arch/words_x86_64.h>
#endif

PAWL_BEGIN_DECLS

/* ---- words ---- */

/* to[0..8) = one word. */
PAWL_API PAWL_INLINE void pawl_word_load_(char *to, const PAWL_ATOMIC(uint64_t) * words)
{
    uint64_t word = pawl_load_relaxed(words); /* relaxed: the sequence tells whether they belong together */

    __builtin_memcpy(to, &word, sizeof word);
}

/* to[0..16) = two words. */
PAWL_API PAWL_INLINE void pawl_word_load_pair_(char *to, const PAWL_ATOMIC(uint64_t) * words)
{
#ifdef PAWL_WORDS_LOAD_PAIR
    pawl_word_pair_ pair;

    PAWL_WORDS_LOAD_PAIR(words, pair);
    __builtin_memcpy(to, &pair, sizeof pair);
#else
    pawl_word_load_(to, words);
    pawl_word_load_(to + sizeof(uint64_t), words + 1);
#endif
}

/* to[0..32) = four words. */
PAWL_API PAWL_INLINE void pawl_word_load_quad_(char *to, const PAWL_ATOMIC(uint64_t) * words)
{
#ifdef PAWL_WORDS_LOAD_QUAD
    pawl_word_quad_ quad;

    PAWL_WORDS_LOAD_QUAD(words, quad);
    __builtin_memcpy(to, &quad, sizeof quad);
#else
    pawl_word_load_pair_(to, words);
    pawl_word_load_pair_(to + 16, words + 2);
#endif
}

/* to[0..bytes) = the words, each loaded once, relaxed. No loop, and no branch, is left of it where the compiler
 * knows a length below 256 bytes. */
PAWL_API PAWL_INLINE void pawl_words_load(void *to, const PAWL_ATOMIC(uint64_t) * words, size_t bytes)
{
    char *at = (char *)to;

    for (; bytes >= 128; bytes -= 128, at += 128, words += 16) {
        pawl_word_load_quad_(at, words);
        pawl_word_load_quad_(at + 32, words + 4);
        pawl_word_load_quad_(at + 64, words + 8);
        pawl_word_load_quad_(at + 96, words + 12);
    }
    if ((bytes & 64) != 0) {
        pawl_word_load_quad_(at, words);
        pawl_word_load_quad_(at + 32, words + 4);
        at += 64, words += 8;
    }
    if ((bytes & 32) != 0) {
        pawl_word_load_quad_(at, words);
        at += 32, words += 4;
    }
    if ((bytes & 16) != 0) {
        pawl_word_load_pair_(at, words);
        at += 16, words += 2;
    }
    if ((bytes & 8) != 0)
        pawl_word_load_(at, words);
}

/* The words = from[0..bytes), each stored once, relaxed. */
PAWL_API PAWL_INLINE void pawl_words_store(PAWL_ATOMIC(uint64_t) * words, const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
        uint64_t word;

        __builtin_memcpy(&word, (const char *)from + at, sizeof word);
        pawl_store_relaxed(words++, word); /* relaxed: as above */
    }
}

/* ---- seqlock ---- */

struct pawl_seqlock {
    PAWL_ATOMIC(uint64_t) sequence; /* S */
};

#define PAWL_SEQLOCK_INIT \
    {                     \
        0                 \
    }

PAWL_API PAWL_COLD uint64_t pawl_seqlock_wait_(const struct pawl_seqlock *lock);
PAWL_API PAWL_COLD void pawl_seqlock_acquire_slow_(struct pawl_seqlock *lock);
PAWL_API PAWL_COLD void pawl_seqlock_not_begun_(void) __attribute__((noreturn));

/* For readers that copy in their own way: begin, load words by relaxed atomics, and again while _retry says
 * so. Waits for a writer that is inside. */
PAWL_API PAWL_INLINE uint64_t pawl_seqlock_read_begin(const struct pawl_seqlock *lock)
{
    /* acquire S: pairs with the release in pawl_seqlock_write_end, sees the words of that write */
    uint64_t sequence = pawl_load_acquire(&lock->sequence);

    return PAWL_LIKELY((sequence & 1) == 0) ? sequence : pawl_seqlock_wait_(lock);
}

PAWL_API PAWL_INLINE bool pawl_seqlock_read_retry(const struct pawl_seqlock *lock, uint64_t sequence)
{
    /* F2: the words before the load below; pairs with F1 */
    pawl_fence_acquire();
    return PAWL_UNLIKELY(pawl_load_relaxed(&lock->sequence) != sequence); /* relaxed: ordered by F2 */
}

/* to[0..bytes) = the words, all of one write. Blocking while a writer is inside. */
PAWL_API PAWL_INLINE void pawl_seqlock_read(const struct pawl_seqlock *lock, void *to,
                                            const PAWL_ATOMIC(uint64_t) * words, size_t bytes)
{
    uint64_t sequence;

    do {
        sequence = pawl_seqlock_read_begin(lock);
        pawl_words_load(to, words, bytes);
    } while (pawl_seqlock_read_retry(lock, sequence)); /* another write ended or began */
}

/* One attempt. False: a writer is inside or came; `to` holds rubbish. Wait-free. */
PAWL_API PAWL_INLINE bool pawl_seqlock_tryread(const struct pawl_seqlock *lock, void *to,
                                               const PAWL_ATOMIC(uint64_t) * words, size_t bytes)
{
    uint64_t sequence = pawl_load_acquire(&lock->sequence); /* acquire S: as in pawl_seqlock_read_begin */

    if ((sequence & 1) != 0)
        return false;
    pawl_words_load(to, words, bytes);
    return !pawl_seqlock_read_retry(lock, sequence);
}

/* Begin and end of a write by the only writer there can be (one thread, or under a lock of the caller). In between
 * store words by relaxed atomics. */
PAWL_API PAWL_INLINE void pawl_seqlock_write_begin(struct pawl_seqlock *lock)
{
    /* relaxed, both: only the writer changes it; F1 orders the store before the words */
    pawl_store_relaxed(&lock->sequence, pawl_load_relaxed(&lock->sequence) + 1);
    pawl_fence_release(); /* F1: pairs with F2 */
}

PAWL_API PAWL_INLINE void pawl_seqlock_write_end(struct pawl_seqlock *lock)
{
    uint64_t sequence = pawl_load_relaxed(&lock->sequence); /* relaxed: as above */

    if (PAWL_UNLIKELY((sequence & 1) == 0))
        pawl_seqlock_not_begun_();
    /* release S: pairs with the acquires in the reads, publishes the words */
    pawl_store_release(&lock->sequence, sequence + 1);
}

/* The same when several threads write: the odd sequence is their lock. Spins, then yields. */
PAWL_API PAWL_INLINE void pawl_seqlock_lock(struct pawl_seqlock *lock)
{
    uint64_t sequence = pawl_load_relaxed(&lock->sequence); /* relaxed: the CAS validates it */

    /* acquire S: pairs with the release in pawl_seqlock_write_end, sees what the last writer did */
    if (PAWL_UNLIKELY((sequence & 1) != 0 || !pawl_cas_acquire(&lock->sequence, &sequence, sequence + 1)))
        pawl_seqlock_acquire_slow_(lock);
    pawl_fence_release(); /* F1: pairs with F2 */
}

PAWL_API PAWL_INLINE void pawl_seqlock_unlock(struct pawl_seqlock *lock)
{
    pawl_seqlock_write_end(lock);
}

/* The words = from[0..bytes), by the only writer. */
PAWL_API PAWL_INLINE void pawl_seqlock_write(struct pawl_seqlock *lock, PAWL_ATOMIC(uint64_t) * words,
                                             const void *from, size_t bytes)
{
    pawl_seqlock_write_begin(lock);
    pawl_words_store(words, from, bytes);
    pawl_seqlock_write_end(lock);
}

/* The words = from[0..bytes), by one of several. */
PAWL_API PAWL_INLINE void pawl_seqlock_write_locked(struct pawl_seqlock *lock, PAWL_ATOMIC(uint64_t) * words,
                                                    const void *from, size_t bytes)
{
    pawl_seqlock_lock(lock);
    pawl_words_store(words, from, bytes);
    pawl_seqlock_unlock(lock);
}

/* ---- latch ---- */

struct pawl_latch {
    PAWL_ATOMIC(uint64_t) sequence; /* S: readers take copy (sequence & 1), the writer works on the other */
};

#define PAWL_LATCH_INIT \
    {                   \
        0               \
    }

/* words[0..2 * bytes / 8): both copies equal at first. to[0..bytes) = those of one write. Lock-free; may interrupt
 * the writer anywhere, as a signal handler does. */
PAWL_API PAWL_INLINE void pawl_latch_read(const struct pawl_latch *latch, void *to,
                                          const PAWL_ATOMIC(uint64_t) * words, size_t bytes)
{
    uint64_t sequence, again;

    /* acquire S: pairs with the releases in pawl_latch_write, sees the words of the copy */
    again = pawl_load_acquire(&latch->sequence);
    do {
        sequence = again;
        pawl_words_load(to, words + (sequence & 1) * (bytes / sizeof(uint64_t)), bytes);
        pawl_fence_acquire();                        /* F2: the words before the load below; pairs with F1 */
        again = pawl_load_acquire(&latch->sequence); /* acquire S: it may begin the next attempt */
    } while (PAWL_UNLIKELY(again != sequence)); /* the writer has turned to this copy, or come round to it */
}

/* Both copies = from[0..bytes), one after the other, by the only writer there can be. Wait-free. */
PAWL_API PAWL_INLINE void pawl_latch_write(struct pawl_latch *latch, PAWL_ATOMIC(uint64_t) * words,
                                           const void *from, size_t bytes)
{
    uint64_t sequence = pawl_load_relaxed(&latch->sequence); /* relaxed: only the writer changes it */

    /* Readers to the second copy, which holds the version of before; then the first one is free. release S: pairs
     * with the acquires in pawl_latch_read, the copy they turn to was published by the last write */
    pawl_store_release(&latch->sequence, sequence + 1);
    pawl_fence_release(); /* F1: the store above before the words; pairs with F2 */
    pawl_words_store(words, from, bytes);
    /* release S: pairs with the acquires in pawl_latch_read, publishes the first copy */
    pawl_store_release(&latch->sequence, sequence + 2);
    pawl_fence_release(); /* F1: as above, for the second copy */
    pawl_words_store(words + bytes / sizeof(uint64_t), from, bytes);
}

PAWL_END_DECLS
#endif
