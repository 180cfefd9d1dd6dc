/* SPDX-License-Identifier: MIT */
/* The direction flag stays set after an abort. */
#include "sequence.inc"

        open    bad
        std
        addq    %rsi, (%rax)
        close   bad
