/* SPDX-License-Identifier: MIT */
/* The pair on x86-64. Included by <pawl/atomic.h> only.
 *
 * In C, were it atomic:
 *     bool equal = p->lo == expected->lo && p->hi == expected->hi;
 *     if (equal) *p = desired; else *expected = *p;
 *     return equal;
 */

/* A locked instruction is a full barrier, so one form serves every order; "memory" keeps the
 * compiler to the same. All x86-64 processors but the first few have cmpxchg16b (it is in x86-64-v2). */
PAWL_API PAWL_INLINE bool pawl_cas_pair_x86(struct pawl_pair *p, struct pawl_pair *expected,
                                            struct pawl_pair desired)
{
    bool equal;
    __asm__ volatile("lock cmpxchg16b %1" /* rdx:rax == *p ? *p = rcx:rbx : (rdx:rax = *p) */
                     : "=@ccz"(equal), "+m"(*p), "+a"(expected->lo), "+d"(expected->hi)
                     : "b"(desired.lo), "c"(desired.hi)
                     : "memory");
    return equal;
}

#define PAWL_CAS_PAIR_DEFINE_(order)                                                                 \
    PAWL_API PAWL_INLINE bool pawl_cas_pair_##order(struct pawl_pair *p, struct pawl_pair *expected, \
                                                    struct pawl_pair desired)                        \
    {                                                                                                \
        return pawl_cas_pair_x86(p, expected, desired);                                              \
    }
PAWL_CAS_PAIR_DEFINE_(relaxed)
PAWL_CAS_PAIR_DEFINE_(acquire)
PAWL_CAS_PAIR_DEFINE_(release)
PAWL_CAS_PAIR_DEFINE_(acq_rel)
PAWL_CAS_PAIR_DEFINE_(seq_cst)
#undef PAWL_CAS_PAIR_DEFINE_

#ifdef __AVX__
/* One aligned 16-byte load: atomic on every processor with AVX (Intel SDM vol. 3, "Guaranteed Atomic
 * Operations"). */
#define PAWL_PAIR_LOAD(p, value)                                                 \
    do {                                                                         \
        long long both_ __attribute__((vector_size(16)));                        \
        __asm__ volatile("vmovdqa %1, %0" : "=x"(both_) : "m"(*(p)) : "memory"); \
        (value).lo = (uint64_t)both_[0];                                         \
        (value).hi = (uint64_t)both_[1];                                         \
    } while (0)
#endif

#include <pawl/arch/pair_halves.h>
