/* SPDX-License-Identifier: MIT */
/* The descriptor is not aligned as the kernel declares it. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        xorl    %eax, %eax
        ret
        describe bad, shift=8
