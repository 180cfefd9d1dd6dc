/* SPDX-License-Identifier: MIT */
/* Data in the section. */
#include "sequence.inc"

        open    bad
        testq   %rsi, %rsi
        jz      1f
        .byte   0x06
1:      addq    %rsi, (%rax)
        close   bad
