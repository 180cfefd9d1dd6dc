/* SPDX-License-Identifier: MIT */
/* The pair on machines without a CAS of two words: under one of a table of locks. Correct, but
 * blocking, not for signal handlers and not between processes. Included by <pawl/atomic.h> only. */

/* Sequentially consistent: serves every order. */
PAWL_API bool pawl_cas_pair_locked(struct pawl_pair *p, struct pawl_pair *expected, struct pawl_pair desired);

#define PAWL_CAS_PAIR_DEFINE_(order)                                                                 \
    PAWL_API PAWL_INLINE bool pawl_cas_pair_##order(struct pawl_pair *p, struct pawl_pair *expected, \
                                                    struct pawl_pair desired)                        \
    {                                                                                                \
        return pawl_cas_pair_locked(p, expected, desired);                                           \
    }
PAWL_CAS_PAIR_DEFINE_(relaxed)
PAWL_CAS_PAIR_DEFINE_(acquire)
PAWL_CAS_PAIR_DEFINE_(release)
PAWL_CAS_PAIR_DEFINE_(acq_rel)
PAWL_CAS_PAIR_DEFINE_(seq_cst)
#undef PAWL_CAS_PAIR_DEFINE_

#include <pawl/arch/pair_halves.h>
