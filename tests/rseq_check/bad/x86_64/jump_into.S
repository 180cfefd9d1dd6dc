/* SPDX-License-Identifier: MIT */
/* Another function jumps into the section. */
#include "sequence.inc"

        open    bad
bad_inside:
        addq    %rsi, (%rax)
        close   bad
        function other
        jmp     bad_inside
        .size   other, . - other
