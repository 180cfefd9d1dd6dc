/* SPDX-License-Identifier: MIT */
/* The abort handler lies in its own section: it is aborted for ever. */
#include "sequence.inc"

        open    bad
        jmp     1f
        .byte   0x0f, 0xb9, 0x3d
        .long   0x53053053
bad_abort:
        jmp     bad_arm
1:      addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, handler=none
