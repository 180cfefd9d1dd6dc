/* SPDX-License-Identifier: MIT */
/* A locked addition before the commit is seen although the section restarts. */
#include "sequence.inc"

        open    bad
        lock addq $1, 8(%rax)
        addq    %rsi, (%rax)
        close   bad
