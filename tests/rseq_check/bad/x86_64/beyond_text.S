/* SPDX-License-Identifier: MIT */
/* The section reaches beyond what is loaded. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, length=60000
