/* SPDX-License-Identifier: MIT */
/* A mark that names no store. */
#include "sequence.inc"

        open    bad
bad_mark:
        movq    (%rax), %rdx
        addq    %rsi, (%rax)
        close   bad
        .section __rseq_scratch, "aw", @progbits
        .balign 8
        .quad   bad_mark
