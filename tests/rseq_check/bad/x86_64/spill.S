/* SPDX-License-Identifier: MIT */
/* Registers ran out, and the compiler pushed one: the abort handler returns to nowhere. */
#include "sequence.inc"

        open    bad
        pushq   %rbx
        popq    %rdx
        addq    %rsi, (%rax)
        close   bad, handler=return
