/* SPDX-License-Identifier: MIT */
/* Two words are published. */
#include "sequence.inc"

        open    bad
        str     x1, [x9, #8]
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad
