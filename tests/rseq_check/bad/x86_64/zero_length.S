/* SPDX-License-Identifier: MIT */
/* The end label stands at the start: nothing is restarted. */
#include "sequence.inc"

        open    bad
        addq    %rsi, (%rax)
bad_end:
        ret
        describe bad, length=0
