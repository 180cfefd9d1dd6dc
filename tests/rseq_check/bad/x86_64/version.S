/* SPDX-License-Identifier: MIT */
/* A version that does not exist. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, version=1
