/* SPDX-License-Identifier: MIT */
/* The end label stands in the middle of the commit. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
        xorl    %eax, %eax
        ret
        .set    bad_end, . - 4
        describe bad
