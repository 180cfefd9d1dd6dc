/* SPDX-License-Identifier: MIT */
/* Not the signature that rseq was registered with. */
#include "sequence.inc"

        open    bad
        ldr     x12, [x9]
        add     x12, x12, x1
        str     x12, [x9]
        close   bad, signature=0x12345678
