/* SPDX-License-Identifier: MIT */
/* An indirect jump inside. */
#include "sequence.inc"

        open    bad
        br      x1
        .globl  unused
unused:
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad
