/* SPDX-License-Identifier: MIT */
/* The vocabulary of atomics: C11 operations under names that say their order.
 *
 * Purpose    Every shared word of Pawl is a PAWL_ATOMIC(type) and is touched only through these
 *            names: `pawl_load_acquire(&q->tail)` can be grepped, reviewed and mutated; a bare
 *            `q->tail` (sequentially consistent in C11) cannot be written by accident unnoticed.
 *            Below them: tags in the low bits of pointers, and two words compared and swapped at once.
 * Model      C11. In C++ PAWL_ATOMIC(T) is a T of the same size and alignment, operated on by the
 *            compiler's __atomic builtins, so that every public header serves both languages.
 *            Arithmetic is for integers: the two languages scale pointers differently.
 * Progress   Wait-free for what the machine has as one instruction (x86-64; aarch64 with LSE), else
 *            lock-free. Pairs are lock-free where PAWL_PAIR_LOCK_FREE is 1: x86-64 and aarch64.
 * Memory     No operation needs libatomic.
 * Cost       A CAS of a pair is one locked instruction on one line: about 1.4x a CAS of a word (run
 *            tests/percpu/test_atomic). A load of a pair is two plain loads.
 * Source     ISO C11 7.17; Intel SDM vol. 3, "Guaranteed Atomic Operations"; Arm ARM, single-copy atomicity.
 */
#ifndef PAWL_ATOMIC_H
#define PAWL_ATOMIC_H

#include <assert.h>
#include <pawl/config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define PAWL_ATOMIC(T) T
#define pawl_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define pawl_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define pawl_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define pawl_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define pawl_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define pawl_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define PAWL_RMW_(op, p, v, order) __atomic_##op((p), (v), (order))
#define PAWL_EXCHANGE_(p, v, order) __atomic_exchange_n((p), (v), (order))
#define PAWL_CAS_(p, e, d, ok, fail) __atomic_compare_exchange_n((p), (e), (d), false, (ok), (fail))
#define PAWL_CAS_WEAK_(p, e, d, ok, fail) __atomic_compare_exchange_n((p), (e), (d), true, (ok), (fail))
#else
#include <stdatomic.h>
#define PAWL_ATOMIC(T) _Atomic(T)
#define pawl_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define pawl_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define pawl_load_seq_cst(p) atomic_load_explicit((p), memory_order_seq_cst)
#define pawl_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define pawl_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define pawl_store_seq_cst(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
#define PAWL_RMW_(op, p, v, order) atomic_##op##_explicit((p), (v), (order))
#define PAWL_EXCHANGE_(p, v, order) atomic_exchange_explicit((p), (v), (order))
#define PAWL_CAS_(p, e, d, ok, fail) atomic_compare_exchange_strong_explicit((p), (e), (d), (ok), (fail))
#define PAWL_CAS_WEAK_(p, e, d, ok, fail) atomic_compare_exchange_weak_explicit((p), (e), (d), (ok), (fail))
#endif

/* Store v, return what was there. */
#define pawl_exchange_relaxed(p, v) PAWL_EXCHANGE_(p, v, __ATOMIC_RELAXED)
#define pawl_exchange_acquire(p, v) PAWL_EXCHANGE_(p, v, __ATOMIC_ACQUIRE)
#define pawl_exchange_release(p, v) PAWL_EXCHANGE_(p, v, __ATOMIC_RELEASE)
#define pawl_exchange_acq_rel(p, v) PAWL_EXCHANGE_(p, v, __ATOMIC_ACQ_REL)
#define pawl_exchange_seq_cst(p, v) PAWL_EXCHANGE_(p, v, __ATOMIC_SEQ_CST)

/* Read, combine with v, write; return what was there before. Unsigned arithmetic wraps; so does
 * signed, without undefined behaviour. */
#define pawl_fetch_add_relaxed(p, v) PAWL_RMW_(fetch_add, p, v, __ATOMIC_RELAXED)
#define pawl_fetch_add_acquire(p, v) PAWL_RMW_(fetch_add, p, v, __ATOMIC_ACQUIRE)
#define pawl_fetch_add_release(p, v) PAWL_RMW_(fetch_add, p, v, __ATOMIC_RELEASE)
#define pawl_fetch_add_acq_rel(p, v) PAWL_RMW_(fetch_add, p, v, __ATOMIC_ACQ_REL)
#define pawl_fetch_add_seq_cst(p, v) PAWL_RMW_(fetch_add, p, v, __ATOMIC_SEQ_CST)
#define pawl_fetch_sub_relaxed(p, v) PAWL_RMW_(fetch_sub, p, v, __ATOMIC_RELAXED)
#define pawl_fetch_sub_acquire(p, v) PAWL_RMW_(fetch_sub, p, v, __ATOMIC_ACQUIRE)
#define pawl_fetch_sub_release(p, v) PAWL_RMW_(fetch_sub, p, v, __ATOMIC_RELEASE)
#define pawl_fetch_sub_acq_rel(p, v) PAWL_RMW_(fetch_sub, p, v, __ATOMIC_ACQ_REL)
#define pawl_fetch_sub_seq_cst(p, v) PAWL_RMW_(fetch_sub, p, v, __ATOMIC_SEQ_CST)
#define pawl_fetch_or_relaxed(p, v) PAWL_RMW_(fetch_or, p, v, __ATOMIC_RELAXED)
#define pawl_fetch_or_acquire(p, v) PAWL_RMW_(fetch_or, p, v, __ATOMIC_ACQUIRE)
#define pawl_fetch_or_release(p, v) PAWL_RMW_(fetch_or, p, v, __ATOMIC_RELEASE)
#define pawl_fetch_or_acq_rel(p, v) PAWL_RMW_(fetch_or, p, v, __ATOMIC_ACQ_REL)
#define pawl_fetch_or_seq_cst(p, v) PAWL_RMW_(fetch_or, p, v, __ATOMIC_SEQ_CST)
#define pawl_fetch_and_relaxed(p, v) PAWL_RMW_(fetch_and, p, v, __ATOMIC_RELAXED)
#define pawl_fetch_and_acquire(p, v) PAWL_RMW_(fetch_and, p, v, __ATOMIC_ACQUIRE)
#define pawl_fetch_and_release(p, v) PAWL_RMW_(fetch_and, p, v, __ATOMIC_RELEASE)
#define pawl_fetch_and_acq_rel(p, v) PAWL_RMW_(fetch_and, p, v, __ATOMIC_ACQ_REL)
#define pawl_fetch_and_seq_cst(p, v) PAWL_RMW_(fetch_and, p, v, __ATOMIC_SEQ_CST)
#define pawl_fetch_xor_relaxed(p, v) PAWL_RMW_(fetch_xor, p, v, __ATOMIC_RELAXED)
#define pawl_fetch_xor_acquire(p, v) PAWL_RMW_(fetch_xor, p, v, __ATOMIC_ACQUIRE)
#define pawl_fetch_xor_release(p, v) PAWL_RMW_(fetch_xor, p, v, __ATOMIC_RELEASE)
#define pawl_fetch_xor_acq_rel(p, v) PAWL_RMW_(fetch_xor, p, v, __ATOMIC_ACQ_REL)
#define pawl_fetch_xor_seq_cst(p, v) PAWL_RMW_(fetch_xor, p, v, __ATOMIC_SEQ_CST)

/* Compare *p with *expected; if equal store desired and return true, else *expected = *p, false.
 * The name gives the order of a success; a failure is a load: acquire for acq_rel, seq_cst for
 * seq_cst, else relaxed.
 * `weak` may fail spuriously (load-linked/store-conditional machines): for loops that retry anyway. */
#define pawl_cas_relaxed(p, e, d) PAWL_CAS_(p, e, d, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define pawl_cas_acquire(p, e, d) PAWL_CAS_(p, e, d, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define pawl_cas_release(p, e, d) PAWL_CAS_(p, e, d, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define pawl_cas_acq_rel(p, e, d) PAWL_CAS_(p, e, d, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define pawl_cas_seq_cst(p, e, d) PAWL_CAS_(p, e, d, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define pawl_cas_weak_relaxed(p, e, d) PAWL_CAS_WEAK_(p, e, d, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define pawl_cas_weak_acquire(p, e, d) PAWL_CAS_WEAK_(p, e, d, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define pawl_cas_weak_release(p, e, d) PAWL_CAS_WEAK_(p, e, d, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define pawl_cas_weak_acq_rel(p, e, d) PAWL_CAS_WEAK_(p, e, d, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define pawl_cas_weak_seq_cst(p, e, d) PAWL_CAS_WEAK_(p, e, d, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#if PAWL_INSTRUMENTED
/* By the runtime's own name: gcc warns (-Wtsan) of every __atomic_thread_fence in such builds. */
#ifdef __cplusplus
extern "C"
#endif
    void
    __tsan_atomic_thread_fence(int order);
#define PAWL_FENCE_(order) __tsan_atomic_thread_fence(order)
#else
#define PAWL_FENCE_(order) __atomic_thread_fence(order)
#endif
#define pawl_fence_acquire() PAWL_FENCE_(__ATOMIC_ACQUIRE)
#define pawl_fence_release() PAWL_FENCE_(__ATOMIC_RELEASE)
#define pawl_fence_acq_rel() PAWL_FENCE_(__ATOMIC_ACQ_REL)
#define pawl_fence_seq_cst() PAWL_FENCE_(__ATOMIC_SEQ_CST)
/* Stops the compiler only: orders this thread against its own signal handlers. */
#define pawl_fence_compiler() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* What different threads write stands on different pairs of lines: the adjacent-line prefetcher of
 * x86 fetches lines two by two, and some aarch64 machines have 128-byte lines. */
#define PAWL_CACHELINE 64
#define PAWL_CACHELINE_PAIR 128
#define PAWL_LINE_PAIR_ALIGNED __attribute__((aligned(PAWL_CACHELINE_PAIR)))

#if PAWL_INSTRUMENTED
#include <sched.h>
#endif

PAWL_BEGIN_DECLS

/* Once in every turn of a loop that waits for another thread: gives the core's other hardware thread
 * the execution units and keeps the loop from flooding the memory pipeline. Neither a fence nor a
 * compiler barrier: the loop's own loads are atomic. Any thread, signal handlers too.
 * Instrumented builds yield the processor, which their schedulers see. */
PAWL_API PAWL_INLINE void pawl_relax(void)
{
#if PAWL_INSTRUMENTED
    sched_yield();
#elif defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause");
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* `yield` is a no-op on most cores; `isb` costs tens of cycles, like `pause` */
#endif
}

/* Fetches the line of an address that will soon be written, away from other processors. A wish; nothing is read. Any
 * thread, signal handlers too. */
PAWL_API PAWL_INLINE void pawl_prefetch_write(const void *address)
{
#if defined(__x86_64__)
    /* by name: compilers make a prefetch for reading of __builtin_prefetch where the CPU is not named */
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
    __builtin_prefetch(address, 1);
#endif
}

/* ---- a tag in the low bits of a pointer ----
 *
 * A pointer to something aligned to `alignment` bytes (a power of two) has log2(alignment) low bits
 * to spare: a mark for deletion, a kind. Such a word is a uintptr_t, so that nobody dereferences it
 * by mistake. Only the low bits: high ones belong to the machine (five-level paging, memory tags). */

/* The word of a pointer and a tag. The pointer must be aligned and tag < alignment. */
PAWL_API PAWL_INLINE uintptr_t pawl_tag_pack(const void *pointer, uintptr_t tag, size_t alignment)
{
    (void)alignment; /* NDEBUG */
    assert(alignment != 0 && (alignment & (alignment - 1)) == 0);
    assert(((uintptr_t)pointer & (alignment - 1)) == 0 && tag < alignment);
    return (uintptr_t)pointer | tag;
}

PAWL_API PAWL_INLINE void *pawl_tag_pointer(uintptr_t word, size_t alignment)
{
    return (void *)(word & ~((uintptr_t)alignment - 1));
}

PAWL_API PAWL_INLINE uintptr_t pawl_tag_bits(uintptr_t word, size_t alignment)
{
    return word & ((uintptr_t)alignment - 1);
}

/* ---- two words at once ---- */

/* Two words that change together. Zero or pawl_pair_init() before other threads see it, then only the
 * functions below. May alias: other 16-byte structs are operated on through it. */
struct pawl_pair {
    uint64_t lo;
    uint64_t hi;
} __attribute__((aligned(16), may_alias));

PAWL_STATIC_ASSERT(sizeof(struct pawl_pair) == 16, "a pair is two words without padding");

/* bool pawl_cas_pair_<order>(struct pawl_pair *p, struct pawl_pair *expected, struct pawl_pair desired)
 * for relaxed, acquire, release, acq_rel and seq_cst: compare both words of *p with *expected; if
 * equal store desired and return true, else *expected = *p (one snapshot, never torn), false.
 * Strong: fails only when the words differ. A failure has the order of a success without its release.
 * Any thread; from signal handlers and on memory shared by processes where PAWL_PAIR_LOCK_FREE is 1.
 * The line is written to even when the comparison fails: loops first load, then compare. */
#ifndef PAWL_PAIR_LOCKED
#if !PAWL_INSTRUMENTED && !defined(__x86_64__) && !defined(__aarch64__)
#define PAWL_PAIR_LOCKED 1 /* other machines; tests define it to run this form */
#else
#define PAWL_PAIR_LOCKED 0
#endif
#endif

#if PAWL_PAIR_LOCKED
#define PAWL_PAIR_LOCK_FREE 0
#include <pawl/arch/pair_locked.h>
#elif PAWL_INSTRUMENTED
#define PAWL_PAIR_LOCK_FREE 1
#include <pawl/arch/pair_instrumented.h>
#elif defined(__x86_64__)
#define PAWL_PAIR_LOCK_FREE 1
#include <pawl/arch/pair_x86_64.h>
#else
#define PAWL_PAIR_LOCK_FREE 1
#include <pawl/arch/pair_aarch64.h>
#endif

/* Set a pair that no other thread can see yet. */
PAWL_API PAWL_INLINE void pawl_pair_init(struct pawl_pair *p, uint64_t lo, uint64_t hi)
{
    struct pawl_pair value;
    value.lo = lo;
    value.hi = hi;
    pawl_pair_set(p, value);
}

/* Load a pair, cheaply and perhaps torn: each word is read atomically and with the given order, `hi`
 * before `lo`, but a CAS may come between the two. Made to be the `expected` of a CAS, which takes
 * effect only if both words are in *p at that moment: a torn pair fails there, or has become true.
 * Before that CAS succeeds believe each word alone, not that they belong together. */
PAWL_API PAWL_INLINE struct pawl_pair pawl_load_pair_relaxed(const struct pawl_pair *p)
{
    struct pawl_pair value;
    value.hi = pawl_pair_hi(p, __ATOMIC_RELAXED);
    value.lo = pawl_pair_lo(p, __ATOMIC_RELAXED);
    return value;
}

PAWL_API PAWL_INLINE struct pawl_pair pawl_load_pair_acquire(const struct pawl_pair *p)
{
    struct pawl_pair value;
    value.hi = pawl_pair_hi(p, __ATOMIC_ACQUIRE);
    value.lo = pawl_pair_lo(p, __ATOMIC_ACQUIRE);
    return value;
}

/* Load a pair as one value, never torn; acquire. Costs a CAS and needs writable memory, as few
 * machines load 16 bytes atomically; code compiled for AVX uses one load, which Intel and AMD
 * guarantee for aligned, ordinary (write-back) memory. */
PAWL_API PAWL_INLINE struct pawl_pair pawl_snapshot_pair_acquire(struct pawl_pair *p)
{
    struct pawl_pair value = {0, 0};
#if defined(PAWL_PAIR_LOAD)
    PAWL_PAIR_LOAD(p, value);
#else
    struct pawl_pair zero = {0, 0};
    /* Zero for zero where it is zero, else a failure that returns what is there. acq_rel, not acquire:
     * the weaker form may store back without release, which must not reorder with this load. */
    (void)pawl_cas_pair_acq_rel(p, &value, zero);
#endif
    return value;
}

/* ---- a pointer with a version ----
 *
 * The cure for ABA: every change increments the version, so that a pointer that went away and came
 * back is not taken for one that stayed. 64 bits do not wrap in a machine's life. It protects the
 * word, not the object: what the pointer names may be freed meanwhile, so reading through it needs
 * memory that stays mapped (a pool) or reclamation. */
struct pawl_tagged {
    void *pointer;
    uint64_t version;
} __attribute__((aligned(16)));

PAWL_STATIC_ASSERT(sizeof(struct pawl_tagged) == sizeof(struct pawl_pair), "operated on as a pair");
PAWL_STATIC_ASSERT(offsetof(struct pawl_tagged, version) == offsetof(struct pawl_pair, hi), "as a pair");

/* Set one that no other thread can see yet. */
PAWL_API PAWL_INLINE void pawl_tagged_init(struct pawl_tagged *t, void *pointer)
{
    pawl_pair_init((struct pawl_pair *)t, (uintptr_t)pointer, 0);
}

/* Load, perhaps torn, for pawl_tagged_cas(): the version is read first, so the pointer is as new as
 * the version or newer, and a torn result always fails there. */
PAWL_API PAWL_INLINE struct pawl_tagged pawl_tagged_load_acquire(const struct pawl_tagged *t)
{
    struct pawl_pair pair = pawl_load_pair_acquire((const struct pawl_pair *)t);
    struct pawl_tagged value;
    value.pointer = (void *)(uintptr_t)pair.lo;
    value.version = pair.hi;
    return value;
}

/* If *t is *expected, replace the pointer, increment the version, return true; else *expected = *t,
 * false. acq_rel: publishes what the pointer names, and sees what the earlier ones published. */
PAWL_API PAWL_INLINE bool pawl_tagged_cas(struct pawl_tagged *t, struct pawl_tagged *expected, void *pointer)
{
    struct pawl_pair from, to;
    from.lo = (uintptr_t)expected->pointer;
    from.hi = expected->version;
    to.lo = (uintptr_t)pointer;
    to.hi = expected->version + 1;
    /* acq_rel: pairs with the acquire of pawl_tagged_load_acquire() and of this CAS elsewhere */
    if (pawl_cas_pair_acq_rel((struct pawl_pair *)t, &from, to))
        return true;
    expected->pointer = (void *)(uintptr_t)from.lo;
    expected->version = from.hi;
    return false;
}

PAWL_END_DECLS
#endif
