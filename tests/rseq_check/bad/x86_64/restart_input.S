/* SPDX-License-Identifier: MIT */
/* The section overwrites its own input: the second try starts from a wrong one. */
#include "sequence.inc"

        open    bad
        addq    (%rax), %rsi
        movq    %rsi, (%rax)
        close   bad
