/* SPDX-License-Identifier: MIT */
/* No mistake: the frame of a sequence in C, accepted. */
#include "sequence.inc"

        open    good
        addq    %rsi, (%rax)
        close   good, handler=return
