/* SPDX-License-Identifier: MIT */
/* The atomics as linkable functions, and the pair for machines without a CAS of two words. */
#include <pawl/atomic.h>

extern inline void pawl_relax(void);
extern inline void pawl_prefetch_write(const void *address);
extern inline uintptr_t pawl_tag_pack(const void *pointer, uintptr_t tag, size_t alignment);
extern inline void *pawl_tag_pointer(uintptr_t word, size_t alignment);
extern inline uintptr_t pawl_tag_bits(uintptr_t word, size_t alignment);

#if !PAWL_INSTRUMENTED && !PAWL_PAIR_LOCKED && defined(__x86_64__)
extern inline bool pawl_cas_pair_x86(struct pawl_pair *p, struct pawl_pair *e, struct pawl_pair d);
#endif
extern inline bool pawl_cas_pair_relaxed(struct pawl_pair *p, struct pawl_pair *e, struct pawl_pair d);
extern inline bool pawl_cas_pair_acquire(struct pawl_pair *p, struct pawl_pair *e, struct pawl_pair d);
extern inline bool pawl_cas_pair_release(struct pawl_pair *p, struct pawl_pair *e, struct pawl_pair d);
extern inline bool pawl_cas_pair_acq_rel(struct pawl_pair *p, struct pawl_pair *e, struct pawl_pair d);
extern inline bool pawl_cas_pair_seq_cst(struct pawl_pair *p, struct pawl_pair *e, struct pawl_pair d);

extern inline void pawl_pair_init(struct pawl_pair *p, uint64_t lo, uint64_t hi);
extern inline struct pawl_pair pawl_load_pair_relaxed(const struct pawl_pair *p);
extern inline struct pawl_pair pawl_load_pair_acquire(const struct pawl_pair *p);
extern inline struct pawl_pair pawl_snapshot_pair_acquire(struct pawl_pair *p);
extern inline void pawl_tagged_init(struct pawl_tagged *t, void *pointer);
extern inline struct pawl_tagged pawl_tagged_load_acquire(const struct pawl_tagged *t);
extern inline bool pawl_tagged_cas(struct pawl_tagged *t, struct pawl_tagged *expected, void *pointer);

#if PAWL_PAIR_LOCKED

#define LOCKS 64u /* a power of two; each on its own pair of lines */

static struct {
    PAWL_ATOMIC(bool) held;
} PAWL_LINE_PAIR_ALIGNED locks[LOCKS];

static PAWL_ATOMIC(bool) * lock_of(const struct pawl_pair *p)
{
    /* Fibonacci hashing: neighbours in an array of pairs get different locks. */
    uint64_t hash = ((uintptr_t)p / sizeof(*p)) * UINT64_C(0x9e3779b97f4a7c15);
    return &locks[hash >> 58].held;
}

bool pawl_cas_pair_locked(struct pawl_pair *p, struct pawl_pair *expected, struct pawl_pair desired)
{
    PAWL_ATOMIC(bool) *lock = lock_of(p);
    /* seq_cst, not acquire: the caller may have asked for a sequentially consistent CAS */
    while (pawl_exchange_seq_cst(lock, true))
        pawl_relax();
    bool equal = p->lo == expected->lo && p->hi == expected->hi;
    if (equal) {
        /* release: pairs with the acquire of pawl_load_pair_acquire(), which takes no lock */
        __atomic_store_n(&p->lo, desired.lo, __ATOMIC_RELEASE);
        __atomic_store_n(&p->hi, desired.hi, __ATOMIC_RELEASE);
    } else {
        *expected = *p;
    }
    pawl_store_seq_cst(lock, false); /* seq_cst: as above */
    return equal;
}

#endif
