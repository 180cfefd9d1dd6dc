/* SPDX-License-Identifier: MIT */
/* No mistake: the frame itself, accepted. */
#include "sequence.inc"

        open    good
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   good
