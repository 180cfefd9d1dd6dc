/* SPDX-License-Identifier: MIT */
/* The CPU number is read before the section. */
#include "sequence.inc"

        function bad
        mrs     x11, tpidr_el0
        ldr     x13, [x0, #8]
        ldrsw   x13, [x11, x13]
        arm     bad
bad_start:
        add     x9, x0, x13, lsl #3
        ldr     x9, [x9, #64]
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad
