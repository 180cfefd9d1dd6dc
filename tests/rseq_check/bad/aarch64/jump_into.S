/* SPDX-License-Identifier: MIT */
/* Another function jumps into the section. */
#include "sequence.inc"

        open    bad
bad_inside:
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad
        function other
        cbz     x0, bad_inside
        ret
        .size   other, . - other
