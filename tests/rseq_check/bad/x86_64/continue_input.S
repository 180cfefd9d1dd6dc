/* SPDX-License-Identifier: MIT */
/* The code after an abort adds up what the section overwrote. */
#include "sequence.inc"

        open    bad
        addq    (%rax), %rsi
        movq    %rsi, (%rax)
bad_end:
        ret
bad_give_up:
        testq   %rdi, %rdi
        jz      1f
        addq    %rsi, %rdi
1:      movq    %rdi, %rax
        ret
        describe bad, handler=none
        .section __rseq_failure, "ax", @progbits
        .byte   0x0f, 0xb9, 0x3d
        .long   0x53053053
bad_abort:
        jmp     bad_give_up
