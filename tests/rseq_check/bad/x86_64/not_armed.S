/* SPDX-License-Identifier: MIT */
/* An instruction stands between the arming store and the start. */
#include "sequence.inc"

        function bad
        arm     bad
        nop
bad_start:
        slice
        addq    %rsi, (%rax)
        close   bad
