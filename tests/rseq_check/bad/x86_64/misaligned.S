/* SPDX-License-Identifier: MIT */
/* A commit to an odd address. */
#include "sequence.inc"

        open    bad
        testq   %rax, %rax
        movq    %rsi, bad_word+1(%rip)
        close   bad
        .data
        .balign 16
bad_word:
        .quad   0, 0
