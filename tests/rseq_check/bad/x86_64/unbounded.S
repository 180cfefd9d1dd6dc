/* SPDX-License-Identifier: MIT */
/* A walk along a list: how long it is depends on data. Accepted with a warning. */
#include "sequence.inc"

        open    bad
        movq    (%rax), %rdx
1:      testq   %rdx, %rdx
        jz      2f
        movq    (%rdx), %rdx
        jmp     1b
2:      addq    %rsi, (%rax)
        close   bad
