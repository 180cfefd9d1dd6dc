/* SPDX-License-Identifier: MIT */
/* The pair on aarch64: casp where the target has LSE, else a load-exclusive loop. Included by
 * <pawl/atomic.h> only. The C equivalent is in pair_x86_64.h. */

#ifdef __ARM_FEATURE_ATOMICS

/* casp wants each pair in an even register and its successor: hence fixed registers. */
#define PAWL_CAS_PAIR_DEFINE_(order, casp, unused_load, unused_store)                                \
    PAWL_API PAWL_INLINE bool pawl_cas_pair_##order(struct pawl_pair *p, struct pawl_pair *expected, \
                                                    struct pawl_pair desired)                        \
    {                                                                                                \
        register uint64_t old_lo __asm__("x0") = expected->lo;                                       \
        register uint64_t old_hi __asm__("x1") = expected->hi;                                       \
        register uint64_t new_lo __asm__("x2") = desired.lo;                                         \
        register uint64_t new_hi __asm__("x3") = desired.hi;                                         \
        __asm__ volatile(casp " %0, %1, %3, %4, %2" /* x1:x0 == *p ? *p = x3:x2; x1:x0 = what was */ \
                         : "+r"(old_lo), "+r"(old_hi), "+Q"(*p)                                      \
                         : "r"(new_lo), "r"(new_hi)                                                  \
                         : "memory");                                                                \
        bool equal = old_lo == expected->lo && old_hi == expected->hi;                               \
        expected->lo = old_lo;                                                                       \
        expected->hi = old_hi;                                                                       \
        return equal;                                                                                \
    }

#else

/* A load-exclusive of two words is one value only if a store-exclusive after it succeeds: so the
 * loop stores in both cases, what it read when the comparison failed. It retries when another thread
 * wrote the line (which thereby made progress) or an interrupt cleared the monitor. */
#define PAWL_CAS_PAIR_DEFINE_(order, unused_casp, load, store)                                        \
    PAWL_API PAWL_INLINE bool pawl_cas_pair_##order(struct pawl_pair *p, struct pawl_pair *expected,  \
                                                    struct pawl_pair desired)                         \
    {                                                                                                 \
        uint64_t old_lo, old_hi, put_lo, put_hi;                                                      \
        uint32_t failed, equal;                                                                       \
        __asm__ volatile("1: " load " %0, %1, %6\n" /* old = *p, watch the line */                    \
                         "cmp %0, %7\n"             /* old.lo == expected.lo ... */                   \
                         "ccmp %1, %8, #0, eq\n"    /* ... && old.hi == expected.hi */                \
                         "csel %2, %9, %0, eq\n"    /* put = equal ? desired : old */                 \
                         "csel %3, %10, %1, eq\n" store                                               \
                         " %w4, %2, %3, %6\n" /* *p = put, unless somebody wrote */                   \
                         "cbnz %w4, 1b\n"     /* leaves the flags alone */                            \
                         "cset %w5, eq"                                                               \
                         : "=&r"(old_lo), "=&r"(old_hi), "=&r"(put_lo), "=&r"(put_hi), "=&r"(failed), \
                           "=&r"(equal), "+Q"(*p)                                                     \
                         : "r"(expected->lo), "r"(expected->hi), "r"(desired.lo), "r"(desired.hi)     \
                         : "cc", "memory");                                                           \
        expected->lo = old_lo;                                                                        \
        expected->hi = old_hi;                                                                        \
        return equal != 0;                                                                            \
    }

#endif

PAWL_CAS_PAIR_DEFINE_(relaxed, "casp", "ldxp", "stxp")
PAWL_CAS_PAIR_DEFINE_(acquire, "caspa", "ldaxp", "stxp")
PAWL_CAS_PAIR_DEFINE_(release, "caspl", "ldxp", "stlxp")
PAWL_CAS_PAIR_DEFINE_(acq_rel, "caspal", "ldaxp", "stlxp")
PAWL_CAS_PAIR_DEFINE_(seq_cst, "caspal", "ldaxp", "stlxp")
#undef PAWL_CAS_PAIR_DEFINE_

#include <pawl/arch/pair_halves.h>
