/* SPDX-License-Identifier: MIT */
/* An assertion inside. */
#include "sequence.inc"

        open    bad
        testq   %rsi, %rsi
        jz      1f
        addq    %rsi, %rcx
        jmp     2f
1:      ud2
2:      addq    %rcx, (%rax)
        close   bad
