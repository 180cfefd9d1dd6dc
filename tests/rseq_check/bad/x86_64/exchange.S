/* SPDX-License-Identifier: MIT */
/* xchg with memory is locked without saying so. */
#include "sequence.inc"

        open    bad
        xchgq   %rsi, 8(%rax)
        addq    %rsi, (%rax)
        close   bad, handler=return
