/* SPDX-License-Identifier: MIT */
/* The section overwrites its own input. */
#include "sequence.inc"

        open    bad
        ldr     x12, [x9]
        add     x1, x1, x12
        str     x1, [x9]
        close   bad
