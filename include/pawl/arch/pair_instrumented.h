/* SPDX-License-Identifier: MIT */
/* The pair where the memory accesses are watched: ThreadSanitizer, the model checker. Included by
 * <pawl/atomic.h> only.
 *
 * The runtime is called by its own names. The compilers' __atomic builtins would do on gcc, but clang
 * turns them into calls of libatomic unless the target has cmpxchg16b, and nobody watches those.
 * Every access has the full 16 bytes: a checker need not model accesses of mixed sizes. */

__extension__ typedef unsigned __int128 pawl_uint128;

extern bool __tsan_atomic128_compare_exchange_strong(volatile void *p, void *expected, pawl_uint128 desired,
                                                     int ok, int fail);
extern pawl_uint128 __tsan_atomic128_load(const volatile void *p, int order);
extern void __tsan_atomic128_store(volatile void *p, pawl_uint128 value, int order);

#define PAWL_CAS_PAIR_DEFINE_(order, ok, fail)                                                       \
    PAWL_API PAWL_INLINE bool pawl_cas_pair_##order(struct pawl_pair *p, struct pawl_pair *expected, \
                                                    struct pawl_pair desired)                        \
    {                                                                                                \
        pawl_uint128 old = (pawl_uint128)expected->hi << 64 | expected->lo;                          \
        pawl_uint128 put = (pawl_uint128)desired.hi << 64 | desired.lo;                              \
        bool equal = __tsan_atomic128_compare_exchange_strong(p, &old, put, ok, fail);               \
        expected->lo = (uint64_t)old;                                                                \
        expected->hi = (uint64_t)(old >> 64);                                                        \
        return equal;                                                                                \
    }
PAWL_CAS_PAIR_DEFINE_(relaxed, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
PAWL_CAS_PAIR_DEFINE_(acquire, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)
PAWL_CAS_PAIR_DEFINE_(release, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
PAWL_CAS_PAIR_DEFINE_(acq_rel, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
PAWL_CAS_PAIR_DEFINE_(seq_cst, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#undef PAWL_CAS_PAIR_DEFINE_

/* Half of one load each: the torn loads of the machine, visible to a checker of interleavings. */
#define pawl_pair_lo(p, order) ((uint64_t)__tsan_atomic128_load((p), (order)))
#define pawl_pair_hi(p, order) ((uint64_t)(__tsan_atomic128_load((p), (order)) >> 64))
#define pawl_pair_set(p, value) \
    __tsan_atomic128_store((p), (pawl_uint128)(value).hi << 64 | (value).lo, __ATOMIC_RELAXED)

#define PAWL_PAIR_LOAD(p, value)                                           \
    do {                                                                   \
        pawl_uint128 both_ = __tsan_atomic128_load((p), __ATOMIC_ACQUIRE); \
        (value).lo = (uint64_t)both_;                                      \
        (value).hi = (uint64_t)(both_ >> 64);                              \
    } while (0)
