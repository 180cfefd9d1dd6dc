/* SPDX-License-Identifier: MIT */
/* Exclusive instructions: an exclusive store before the commit is seen although the section restarts. */
#include "sequence.inc"

        open    bad
        ldxr    x12, [x9]
        stxr    w13, x1, [x9]
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad
