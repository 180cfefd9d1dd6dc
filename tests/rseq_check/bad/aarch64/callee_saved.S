/* SPDX-License-Identifier: MIT */
/* The abort handler returns with the caller's x19 overwritten. */
#include "sequence.inc"

        open    bad
        mov     x19, x1
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad, handler=return
