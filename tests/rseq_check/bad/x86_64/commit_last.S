/* SPDX-License-Identifier: MIT */
/* Work goes on behind the store: an abort there repeats it. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
        incq    %rcx
        close   bad
