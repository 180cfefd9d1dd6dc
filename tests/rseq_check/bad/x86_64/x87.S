/* SPDX-License-Identifier: MIT */
/* x87 instructions: nothing is proved about them, nor is their state restored. */
#include "sequence.inc"

        open    bad
        fldz
        addq    %rsi, (%rax)
        close   bad
