/* SPDX-License-Identifier: MIT */
/* A register is pushed: the abort handler returns with a stack that is not the caller's. */
#include "sequence.inc"

        open    bad
        str     x19, [sp, #-16]!
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad, handler=return
