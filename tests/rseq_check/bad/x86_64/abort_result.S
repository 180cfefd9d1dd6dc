/* SPDX-License-Identifier: MIT */
/* The abort handler returns what the section left in the result's register. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, handler=none
        .section __rseq_failure, "ax", @progbits
        .byte   0x0f, 0xb9, 0x3d
        .long   0x53053053
bad_abort:
        ret
