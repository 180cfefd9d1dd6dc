/* SPDX-License-Identifier: MIT */
/* The compiler placed a cold block behind the commit, which jumps back: a preemption there is not seen. */
#include "sequence.inc"

        open    bad
        testq   %rsi, %rsi
        js      bad_cold
bad_back:
        addq    %rsi, (%rax)
bad_end:
        xorl    %eax, %eax
        ret
bad_cold:
        negq    %rsi
        jmp     bad_back
        describe bad
