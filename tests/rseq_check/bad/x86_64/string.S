/* SPDX-License-Identifier: MIT */
/* A string operation can be interrupted half done. */
#include "sequence.inc"

        open    bad
        rep movsb
        addq    %rsi, (%rax)
        close   bad, handler=return
