/* SPDX-License-Identifier: MIT */
/* The start lies in data. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, start=bad_descriptor
