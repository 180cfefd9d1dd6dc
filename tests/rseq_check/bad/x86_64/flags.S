/* SPDX-License-Identifier: MIT */
/* Flags, which the kernel no longer takes. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, flags=1
