/* SPDX-License-Identifier: MIT */
/* A call inside. */
#include "sequence.inc"

        open    bad
        bl      bad
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad, handler=return
