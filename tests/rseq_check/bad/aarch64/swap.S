/* SPDX-License-Identifier: MIT */
/* An atomic exchange. */
#include "sequence.inc"

        .arch   armv8.1-a
        open    bad
        swpal   x1, x12, [x9]
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad
