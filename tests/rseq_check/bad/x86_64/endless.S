/* SPDX-License-Identifier: MIT */
/* A loop without a way out. */
#include "sequence.inc"

        open    bad
        testq   %rsi, %rsi
        jz      2f
1:      incq    %rcx
        jmp     1b
2:      addq    %rsi, (%rax)
        close   bad
