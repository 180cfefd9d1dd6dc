/* SPDX-License-Identifier: MIT */
/* An atomic addition of the large system extensions. */
#include "sequence.inc"

        .arch   armv8.1-a
        open    bad
        ldadd   x1, x12, [x9]
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad
