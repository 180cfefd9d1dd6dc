/* SPDX-License-Identifier: MIT */
/* No mistake: the frame itself, accepted. */
#include "sequence.inc"

        open    good
        addq    %rsi, (%rax)
        close   good
