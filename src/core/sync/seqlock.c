/* SPDX-License-Identifier: MIT */
/* The waiting halves of <pawl/seqlock.h>. */
#include <pawl/seqlock.h>

#include <pawl/backoff.h>

#include "fail.h"

extern inline void pawl_word_load_(char *to, const PAWL_ATOMIC(uint64_t) * words);
extern inline void pawl_word_load_pair_(char *to, const PAWL_ATOMIC(uint64_t) * words);
extern inline void pawl_word_load_quad_(char *to, const PAWL_ATOMIC(uint64_t) * words);
extern inline void pawl_words_load(void *to, const PAWL_ATOMIC(uint64_t) * words, size_t bytes);
extern inline void pawl_words_store(PAWL_ATOMIC(uint64_t) * words, const void *from, size_t bytes);
extern inline uint64_t pawl_seqlock_read_begin(const struct pawl_seqlock *lock);
extern inline bool pawl_seqlock_read_retry(const struct pawl_seqlock *lock, uint64_t sequence);
extern inline void pawl_seqlock_read(const struct pawl_seqlock *lock, void *to,
                                     const PAWL_ATOMIC(uint64_t) * words, size_t bytes);
extern inline bool pawl_seqlock_tryread(const struct pawl_seqlock *lock, void *to,
                                        const PAWL_ATOMIC(uint64_t) * words, size_t bytes);
extern inline void pawl_seqlock_write_begin(struct pawl_seqlock *lock);
extern inline void pawl_seqlock_write_end(struct pawl_seqlock *lock);
extern inline void pawl_seqlock_lock(struct pawl_seqlock *lock);
extern inline void pawl_seqlock_unlock(struct pawl_seqlock *lock);
extern inline void pawl_seqlock_write(struct pawl_seqlock *lock, PAWL_ATOMIC(uint64_t) * words,
                                      const void *from, size_t bytes);
extern inline void pawl_seqlock_write_locked(struct pawl_seqlock *lock, PAWL_ATOMIC(uint64_t) * words,
                                             const void *from, size_t bytes);
extern inline void pawl_latch_read(const struct pawl_latch *latch, void *to,
                                   const PAWL_ATOMIC(uint64_t) * words, size_t bytes);
extern inline void pawl_latch_write(struct pawl_latch *latch, PAWL_ATOMIC(uint64_t) * words, const void *from,
                                    size_t bytes);

uint64_t pawl_seqlock_wait_(const struct pawl_seqlock *lock)
{
    struct pawl_backoff backoff = PAWL_BACKOFF_INIT;
    uint64_t sequence;

    do {
        pawl_backoff_wait(&backoff);
        sequence = pawl_load_acquire(&lock->sequence); /* acquire S: as in pawl_seqlock_read_begin */
    } while ((sequence & 1) != 0);
    return sequence;
}

void pawl_seqlock_acquire_slow_(struct pawl_seqlock *lock)
{
    for (;;) {
        uint64_t sequence = pawl_seqlock_wait_(lock);

        /* relaxed: what it replaces is what _wait_ has acquired, as no sequence comes twice */
        if (pawl_cas_relaxed(&lock->sequence, &sequence, sequence + 1))
            return;
    }
}

void pawl_seqlock_not_begun_(void)
{
    pawl_sync_fail("pawl_seqlock_write_end", "no write has begun");
}
