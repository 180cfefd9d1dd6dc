/* SPDX-License-Identifier: MIT */
/* The fast paths of <pawl/percpu.h>: one sequence each, and out of line when it misses. Included by
 * percpu.h only. */
#ifndef PAWL_PERCPU_INLINE_H
#define PAWL_PERCPU_INLINE_H

#include <errno.h>

/* Where sequences exist. Instrumented builds (ThreadSanitizer, the model checker) do not see assembly
 * and take the locked form, plain C, instead. */
#if !PAWL_INSTRUMENTED && (defined(__x86_64__) || defined(__aarch64__))
#define PAWL_PERCPU_SEQUENCES 1
#else
#define PAWL_PERCPU_SEQUENCES 0
#endif

PAWL_STATIC_ASSERT(offsetof(struct pawl_percpu, rseq_at) == 0, "the sequences load it from here");
PAWL_STATIC_ASSERT(offsetof(struct pawl_percpu, index_at) == sizeof(long), "the sequences load it from here");
#if PAWL_PERCPU_SEQUENCES
PAWL_STATIC_ASSERT(offsetof(struct pawl_percpu, slice) == 64, "the sequences index it from here");
PAWL_STATIC_ASSERT(offsetof(struct pawl_percpu_ring, head) == 128, "the sequences load it from here");
PAWL_STATIC_ASSERT(offsetof(struct pawl_percpu_ring, data) == 256, "the sequences store from here");
#endif

PAWL_BEGIN_DECLS

/* The out-of-line forms: find out why the sequence missed, mend it and try again, or lock. */
PAWL_API int pawl_percpu_load_slow(struct pawl_percpu *pc, size_t at, long *value);
PAWL_API int pawl_percpu_add_slow(struct pawl_percpu *pc, size_t at, long n);
PAWL_API int pawl_percpu_fetch_add_slow(struct pawl_percpu *pc, size_t at, long n, long *old);
PAWL_API int pawl_percpu_add_via_slow(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement, long n);
PAWL_API int pawl_percpu_max_slow(struct pawl_percpu *pc, size_t at, long n);
PAWL_API int pawl_percpu_add_limit_slow(struct pawl_percpu *pc, size_t at, long n, long limit);
PAWL_API int pawl_percpu_spend_slow(struct pawl_percpu *pc, size_t at, long n);
PAWL_API int pawl_percpu_cas_slow(struct pawl_percpu *pc, size_t at, long expect, long desired);
PAWL_API int pawl_percpu_store_unless_slow(struct pawl_percpu *pc, size_t at, long unwanted, long desired);
PAWL_API int pawl_percpu_cas_if_slow(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                     size_t guard_at, long guard);
PAWL_API int pawl_percpu_cas_after_slow(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                        size_t first_at, long first);
PAWL_API int pawl_percpu_cas_after_copy_slow(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                             size_t copy_at, const void *source, size_t len);
PAWL_API int pawl_percpu_snapshot_slow(struct pawl_percpu *pc, size_t at, long *words, size_t count);
PAWL_API int pawl_percpu_push_chain_slow(struct pawl_percpu *pc, size_t at, struct pawl_percpu_node *first,
                                         struct pawl_percpu_node *last);
PAWL_API struct pawl_percpu_node *pawl_percpu_pop_slow(struct pawl_percpu *pc, size_t at);
PAWL_API struct pawl_percpu_node *pawl_percpu_pop_all_slow(struct pawl_percpu *pc, size_t at);
PAWL_API int pawl_percpu_stack_push_slow(struct pawl_percpu *pc, size_t at, void *item);
PAWL_API int pawl_percpu_stack_pop_slow(struct pawl_percpu *pc, size_t at, void **item);
PAWL_API long pawl_percpu_stack_push_many_slow(struct pawl_percpu *pc, size_t at, void *const *items,
                                               size_t count);
PAWL_API long pawl_percpu_stack_pop_many_slow(struct pawl_percpu *pc, size_t at, void **items, size_t count);
PAWL_API int pawl_percpu_bump_slow(struct pawl_percpu *pc, size_t at, size_t bytes, unsigned int shift,
                                   void **fit);
PAWL_API int pawl_percpu_ring_put_slow(struct pawl_percpu *pc, size_t at, const long *words, size_t count);
PAWL_API long pawl_percpu_bit_alloc_slow(struct pawl_percpu *pc, size_t at, size_t words);
PAWL_API int pawl_percpu_bit_free_slow(struct pawl_percpu *pc, size_t at, unsigned long mask, long slot);
PAWL_API struct pawl_percpu_lock *pawl_percpu_trylock_slow(struct pawl_percpu *pc, size_t at);

#if PAWL_PERCPU_SEQUENCES
/* No int status and no long result of an operation. */
#define PAWL_SEQ_MISS (-4096)
#ifdef __cplusplus
#define PAWL_SEQ_INLINE_ inline __attribute__((always_inline))
#else
#define PAWL_SEQ_INLINE_ extern inline __attribute__((always_inline, gnu_inline))
#endif
/* The way out to the slow form: gcc would put it in the middle of the fast one, and have that jump over it. */
#ifdef __clang__
#define PAWL_SEQ_RARE_
#else
#define PAWL_SEQ_RARE_ __attribute__((cold))
#endif
#if defined(__x86_64__)
#include <pawl/arch/percpu_x86_64.h>
#else
#include <pawl/arch/percpu_aarch64.h>
#endif
/* Runs the sequence; hands over to the out-of-line form when it missed. */
#define PAWL_SEQ_OR_SLOW_(type, name, ...)                                                               \
    do {                                                                                                 \
        type status_ = pawl_seq_##name(__VA_ARGS__);                                                     \
        return PAWL_LIKELY(status_ != PAWL_SEQ_MISS) ? status_ : pawl_percpu_##name##_slow(__VA_ARGS__); \
    } while (0)
#define PAWL_SEQ_NODE_OR_SLOW_(type, name, ...)                                                        \
    do {                                                                                               \
        uintptr_t word_ = pawl_seq_##name(__VA_ARGS__);                                                \
        return PAWL_LIKELY((word_ & 1) == 0) ? (type *)word_ : pawl_percpu_##name##_slow(__VA_ARGS__); \
    } while (0)
#else
#define PAWL_SEQ_OR_SLOW_(type, name, ...) return pawl_percpu_##name##_slow(__VA_ARGS__)
#define PAWL_SEQ_NODE_OR_SLOW_(type, name, ...) return pawl_percpu_##name##_slow(__VA_ARGS__)
#endif

PAWL_API PAWL_INLINE int pawl_percpu_load(struct pawl_percpu *pc, size_t at, long *value)
{
    PAWL_SEQ_OR_SLOW_(int, load, pc, at, value);
}

PAWL_API PAWL_INLINE int pawl_percpu_add(struct pawl_percpu *pc, size_t at, long n)
{
    PAWL_SEQ_OR_SLOW_(int, add, pc, at, n);
}

PAWL_API PAWL_INLINE int pawl_percpu_fetch_add(struct pawl_percpu *pc, size_t at, long n, long *old)
{
    PAWL_SEQ_OR_SLOW_(int, fetch_add, pc, at, n, old);
}

PAWL_API PAWL_INLINE int pawl_percpu_add_via(struct pawl_percpu *pc, size_t at, ptrdiff_t displacement,
                                             long n)
{
    PAWL_SEQ_OR_SLOW_(int, add_via, pc, at, displacement, n);
}

PAWL_API PAWL_INLINE int pawl_percpu_max(struct pawl_percpu *pc, size_t at, long n)
{
    PAWL_SEQ_OR_SLOW_(int, max, pc, at, n);
}

PAWL_API PAWL_INLINE int pawl_percpu_add_limit(struct pawl_percpu *pc, size_t at, long n, long limit)
{
    PAWL_SEQ_OR_SLOW_(int, add_limit, pc, at, n, limit);
}

PAWL_API PAWL_INLINE int pawl_percpu_spend(struct pawl_percpu *pc, size_t at, long n)
{
    PAWL_SEQ_OR_SLOW_(int, spend, pc, at, n);
}

PAWL_API PAWL_INLINE int pawl_percpu_cas(struct pawl_percpu *pc, size_t at, long expect, long desired)
{
    PAWL_SEQ_OR_SLOW_(int, cas, pc, at, expect, desired);
}

PAWL_API PAWL_INLINE int pawl_percpu_store_unless(struct pawl_percpu *pc, size_t at, long unwanted,
                                                  long desired)
{
    PAWL_SEQ_OR_SLOW_(int, store_unless, pc, at, unwanted, desired);
}

PAWL_API PAWL_INLINE int pawl_percpu_cas_if(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                            size_t guard_at, long guard)
{
    PAWL_SEQ_OR_SLOW_(int, cas_if, pc, at, expect, desired, guard_at, guard);
}

PAWL_API PAWL_INLINE int pawl_percpu_cas_after(struct pawl_percpu *pc, size_t at, long expect, long desired,
                                               size_t first_at, long first)
{
    PAWL_SEQ_OR_SLOW_(int, cas_after, pc, at, expect, desired, first_at, first);
}

PAWL_API PAWL_INLINE int pawl_percpu_cas_after_copy(struct pawl_percpu *pc, size_t at, long expect,
                                                    long desired, size_t copy_at, const void *source,
                                                    size_t len)
{
    PAWL_SEQ_OR_SLOW_(int, cas_after_copy, pc, at, expect, desired, copy_at, source, len);
}

PAWL_API PAWL_INLINE int pawl_percpu_push_chain(struct pawl_percpu *pc, size_t at,
                                                struct pawl_percpu_node *first, struct pawl_percpu_node *last)
{
    PAWL_SEQ_OR_SLOW_(int, push_chain, pc, at, first, last);
}

PAWL_API PAWL_INLINE struct pawl_percpu_node *pawl_percpu_pop(struct pawl_percpu *pc, size_t at)
{
    PAWL_SEQ_NODE_OR_SLOW_(struct pawl_percpu_node, pop, pc, at);
}

PAWL_API PAWL_INLINE struct pawl_percpu_node *pawl_percpu_pop_all(struct pawl_percpu *pc, size_t at)
{
    PAWL_SEQ_NODE_OR_SLOW_(struct pawl_percpu_node, pop_all, pc, at);
}

PAWL_API PAWL_INLINE int pawl_percpu_stack_push(struct pawl_percpu *pc, size_t at, void *item)
{
    PAWL_SEQ_OR_SLOW_(int, stack_push, pc, at, item);
}

PAWL_API PAWL_INLINE int pawl_percpu_stack_pop(struct pawl_percpu *pc, size_t at, void **item)
{
    PAWL_SEQ_OR_SLOW_(int, stack_pop, pc, at, item);
}

PAWL_API PAWL_INLINE long pawl_percpu_stack_push_many(struct pawl_percpu *pc, size_t at, void *const *items,
                                                      size_t count)
{
    PAWL_SEQ_OR_SLOW_(long, stack_push_many, pc, at, items, count);
}

PAWL_API PAWL_INLINE long pawl_percpu_stack_pop_many(struct pawl_percpu *pc, size_t at, void **items,
                                                     size_t count)
{
    PAWL_SEQ_OR_SLOW_(long, stack_pop_many, pc, at, items, count);
}

PAWL_API PAWL_INLINE int pawl_percpu_ring_put(struct pawl_percpu *pc, size_t at, const long *words,
                                              size_t count)
{
    PAWL_SEQ_OR_SLOW_(int, ring_put, pc, at, words, count);
}

PAWL_API PAWL_INLINE struct pawl_percpu_lock *pawl_percpu_trylock(struct pawl_percpu *pc, size_t at)
{
    PAWL_SEQ_NODE_OR_SLOW_(struct pawl_percpu_lock, trylock, pc, at);
}

PAWL_API PAWL_INLINE int pawl_percpu_push(struct pawl_percpu *pc, size_t at, struct pawl_percpu_node *node)
{
    return pawl_percpu_push_chain(pc, at, node, node);
}

PAWL_API PAWL_INLINE int pawl_percpu_snapshot(struct pawl_percpu *pc, size_t at, long *words, size_t count)
{
    if (PAWL_UNLIKELY(count - 1 >= PAWL_PERCPU_SNAPSHOT_MAX))
        return -EINVAL;
    PAWL_SEQ_OR_SLOW_(int, snapshot, pc, at, words, count);
}

#if PAWL_PERCPU_SEQUENCES
#define PAWL_SEQ_BUMP_(...) \
    (pawl_seq_bump(__VA_ARGS__) != PAWL_SEQ_MISS || pawl_percpu_bump_slow(__VA_ARGS__) == 0)
#else
#define PAWL_SEQ_BUMP_(...) (pawl_percpu_bump_slow(__VA_ARGS__) == 0)
#endif

PAWL_API PAWL_INLINE void *pawl_percpu_bump(struct pawl_percpu *pc, size_t at, size_t bytes,
                                            unsigned int shift)
{
    void *fit;

    /* a request beyond the chunk could wrap around and seem to fit */
    if (PAWL_UNLIKELY(shift >= 8 * sizeof bytes || bytes >> shift != 0))
        return NULL;
    return PAWL_LIKELY(PAWL_SEQ_BUMP_(pc, at, bytes, shift, &fit)) ? fit : NULL;
}

PAWL_API PAWL_INLINE long pawl_percpu_bit_alloc(struct pawl_percpu *pc, size_t at, size_t words)
{
    if (PAWL_UNLIKELY(words == 0))
        return -EINVAL;
    PAWL_SEQ_OR_SLOW_(long, bit_alloc, pc, at, words);
}

PAWL_API PAWL_INLINE int pawl_percpu_bit_free(struct pawl_percpu *pc, size_t at, size_t words, long id)
{
    size_t word = (size_t)id / 64;

    if (PAWL_UNLIKELY(id < 0 || words == 0 || word / words >= pc->slots))
        return -EINVAL;
    PAWL_SEQ_OR_SLOW_(int, bit_free, pc, at + word % words * sizeof(long), 1ul << (id % 64),
                      (long)(word / words));
}

#undef PAWL_SEQ_BUMP_
#undef PAWL_SEQ_OR_SLOW_
#undef PAWL_SEQ_NODE_OR_SLOW_

PAWL_END_DECLS

#endif
